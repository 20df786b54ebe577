// Package fan makes many calls and waits for their results (fan-out and fan-in).
//
// A few, up to ten thousand, are one call: [Gather] describes it, and it is made with
// any verb, from an object, a function, a workflow or from outside. Its answer has the
// results in the order of the calls.
//
//	return situ.Then(t, fan.Gather(calls, fan.Limit(10)), gathered, carry)
//
// As many as there are, and with a state of its own, is a job: [New] declares it as a
// method of an object type, and [Host] says with a [Plan] where its calls come from and what
// becomes of each result.
//
// In both the calls are messages like any other, and who waits for them is an object. Nothing
// runs while it waits, and each result counts once, whatever crashes meanwhile.
package fan
