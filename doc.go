// Package situ is the SDK: the nouns and verbs that user code writes.
//
// Nouns are plain data and are declared once, in a contract package that
// callers can import without the implementation: [Type], [Method], [Func],
// and the [Call] they build. A Call says what to do; a verb says how it
// travels:
//
//	Do    from outside, wait for the result
//	Send  one way, when this turn commits
//	Tail  end this turn, give the caller's callback to the callee
//	Then  end this turn, give the caller's callback to a later turn of ours
//	Hold  end this turn, keep the caller's callback in state until Resolve
//
// Code is bound to a contract with [Object], [On] and [Function], and hosted
// by [Main] in a program of its own, by package embedded inside another
// program, or by package situtest in tests: the same components, unchanged.
//
// A turn (one run of a method on one object) is atomic: state, sends, timers
// and the reply commit together or not at all, and nobody sees the reply
// before it is durable.
package situ
