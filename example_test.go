package situ_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
)

// host runs components on a platform inside this process, on a new directory.
// Call stop at the end.
func host(components ...situ.Component) (p *embedded.Platform, stop func()) {
	dir, err := os.MkdirTemp("", "situ-example")
	if err != nil {
		log.Fatal(err)
	}
	p, err = embedded.Open(dir, embedded.Options{Shards: 1}, components...)
	if err != nil {
		log.Fatal(err)
	}
	return p, func() { _ = errors.Join(p.Close(), os.RemoveAll(dir)) }
}

// do makes a call that is expected to succeed.
func do[O any](p situ.Caller, c situ.Call[O]) O {
	out, err := situ.Do(context.Background(), p, c)
	if err != nil {
		log.Fatalf("%v: %v", c, err)
	}
	return out
}

// An object is a struct. Its exported fields are its durable state.
func ExampleObject() {
	counterType := situ.NewType("counter")
	add := situ.NewMethod[int, int](counterType, "add")

	type counter struct{ N int }
	p, stop := host(situ.Object(counterType,
		situ.On(add, func(c *counter, t *situ.Turn, n int) (int, error) {
			c.N += n
			return c.N, nil
		})))
	defer stop()

	do(p, add.To("apples", 2))
	do(p, add.To("pears", 5))
	fmt.Println(do(p, add.To("apples", 1)))
	// Output: 3
}

// A function has no state. It is called with the same verbs.
func ExampleFunction() {
	greet := situ.NewFunc[string, string]("greet", situ.Doc("Says hello."))
	p, stop := host(situ.Function(greet, func(t *situ.Turn, name string) (string, error) {
		return "hello, " + name, nil
	}))
	defer stop()

	fmt.Println(do(p, greet.With("ann")))
	// Output: hello, ann
}

// A handler's error is an answer: the turn changes nothing, and the caller gets
// the error with its code.
func ExampleErrorf() {
	accountType := situ.NewType("account")
	debit := situ.NewMethod[int, int](accountType, "debit")

	type account struct{ Cents int }
	p, stop := host(situ.Object(accountType,
		situ.On(debit, func(a *account, t *situ.Turn, cents int) (int, error) {
			a.Cents -= cents
			if a.Cents < 0 {
				return 0, situ.Errorf("short", "%s has too little money", t.Key())
			}
			return a.Cents, nil
		})))
	defer stop()

	_, err := situ.Do(context.Background(), p, debit.To("ann", 5))
	fmt.Println(situ.CodeOf(err)+":", err)
	// Output: short: ann has too little money
}

// Send is one way. The message leaves when the turn commits.
func ExampleSend() {
	logType, shopType := situ.NewType("log"), situ.NewType("shop")
	note := situ.NewMethod[string, situ.None](logType, "note")
	lines := situ.NewMethod[situ.None, []string](logType, "lines", situ.ReadOnly)
	sell := situ.NewMethod[string, situ.None](shopType, "sell")

	type journal struct{ Lines []string }
	type shop struct{ Sold int }
	p, stop := host(
		situ.Object(logType,
			situ.On(note, func(j *journal, t *situ.Turn, line string) (situ.None, error) {
				j.Lines = append(j.Lines, line)
				return situ.None{}, nil
			}),
			situ.On(lines, func(j *journal, t *situ.Turn, _ situ.None) ([]string, error) { return j.Lines, nil })),
		situ.Object(shopType,
			situ.On(sell, func(s *shop, t *situ.Turn, what string) (situ.None, error) {
				s.Sold++
				situ.Send(t, note.To("today", fmt.Sprintf("%s sold %s", t.Key(), what)))
				return situ.None{}, nil
			})))
	defer stop()

	do(p, sell.To("corner", "bread"))
	do(p, sell.To("corner", "milk"))
	fmt.Println(do(p, lines.To("today", situ.None{})))
	// Output: [corner sold bread corner sold milk]
}

// Tail hands the caller over: whoever is called answers our caller.
func ExampleTail() {
	deskType, clerkType := situ.NewType("desk"), situ.NewType("clerk")
	ask := situ.NewMethod[string, string](deskType, "ask")
	answer := situ.NewMethod[string, string](clerkType, "answer")

	type desk struct{ Asked int }
	type clerk struct{}
	p, stop := host(
		situ.Object(deskType, situ.On(ask, func(d *desk, t *situ.Turn, question string) (string, error) {
			d.Asked++
			return situ.Tail(t, answer.To(fmt.Sprint("clerk ", d.Asked%2), question))
		})),
		situ.Object(clerkType, situ.On(answer, func(c *clerk, t *situ.Turn, question string) (string, error) {
			return t.Key() + ": I do not know " + question, nil
		})))
	defer stop()

	fmt.Println(do(p, ask.To("hall", "where")))
	fmt.Println(do(p, ask.To("hall", "why")))
	// Output:
	// clerk 1: I do not know where
	// clerk 0: I do not know why
}

// Then calls, and goes on in another turn when the answer is there. Nothing
// waits in between.
func ExampleThen() {
	priceType, orderType := situ.NewType("price"), situ.NewType("order")
	price := situ.NewMethod[situ.None, int](priceType, "price", situ.ReadOnly)
	place := situ.NewMethod[int, int](orderType, "place")
	priced := situ.NewMethod[situ.Reply[int, int], int](orderType, "priced")

	type order struct{ Total int }
	p, stop := host(
		situ.Object(priceType, situ.On(price, func(*struct{}, *situ.Turn, situ.None) (int, error) { return 30, nil })),
		situ.Object(orderType,
			situ.On(place, func(o *order, t *situ.Turn, pieces int) (int, error) {
				return situ.Then(t, price.To("bread", situ.None{}), priced, pieces)
			}),
			situ.On(priced, func(o *order, t *situ.Turn, r situ.Reply[int, int]) (int, error) {
				if err := r.Err(); err != nil {
					return 0, err
				}
				o.Total = r.Value * r.Carry
				return o.Total, nil
			})))
	defer stop()

	fmt.Println(do(p, place.To("o1", 4)))
	// Output: 120
}

// Hold keeps a caller waiting in the object's state, for as long as it takes:
// it costs a row, not a goroutine.
func ExampleHold() {
	shelfType := situ.NewType("shelf")
	take := situ.NewMethod[situ.None, string](shelfType, "take")
	put := situ.NewMethod[string, situ.None](shelfType, "put")

	type shelf struct {
		Item   string
		Waiter situ.Promise[string]
	}
	p, stop := host(situ.Object(shelfType,
		situ.On(take, func(s *shelf, t *situ.Turn, _ situ.None) (string, error) {
			if s.Item == "" {
				return situ.Hold(t, &s.Waiter)
			}
			item := s.Item
			s.Item = ""
			return item, nil
		}),
		situ.On(put, func(s *shelf, t *situ.Turn, item string) (situ.None, error) {
			if s.Waiter.Waiting() {
				situ.Resolve(t, &s.Waiter, item)
			} else {
				s.Item = item
			}
			return situ.None{}, nil
		})))
	defer stop()

	got := make(chan string)
	go func() { got <- do(p, take.To("a", situ.None{})) }()
	do(p, put.To("a", "book"))
	fmt.Println(<-got)
	// Output: book
}

// Reject answers a caller that was kept waiting with an error.
func ExampleReject() {
	doorType := situ.NewType("door")
	knock := situ.NewMethod[situ.None, string](doorType, "knock")
	tired := situ.NewMethod[situ.None, situ.None](doorType, "tired")

	type door struct{ Outside situ.Promise[string] }
	p, stop := host(situ.Object(doorType,
		situ.On(knock, func(d *door, t *situ.Turn, _ situ.None) (string, error) {
			situ.Send(t, tired.To(t.Key(), situ.None{}).After(time.Millisecond))
			return situ.Hold(t, &d.Outside)
		}),
		situ.On(tired, func(d *door, t *situ.Turn, _ situ.None) (situ.None, error) {
			situ.Reject(t, &d.Outside, situ.Errorf("nobody", "nobody is in"))
			return situ.None{}, nil
		})))
	defer stop()

	_, err := situ.Do(context.Background(), p, knock.To("front", situ.None{}))
	fmt.Println(err)
	// Output: nobody is in
}

// After delays a call. The delay survives a restart of the platform.
func ExampleCall_After() {
	eggType := situ.NewType("egg")
	ready := situ.NewMethod[situ.None, string](eggType, "ready")
	p, stop := host(situ.Object(eggType, situ.On(ready, func(*struct{}, *situ.Turn, situ.None) (string, error) { return "ready", nil })))
	defer stop()

	start := time.Now()
	fmt.Println(do(p, ready.To("one", situ.None{}).After(20*time.Millisecond)))
	fmt.Println(time.Since(start) >= 20*time.Millisecond)
	// Output:
	// ready
	// true
}

// A call with a key has its effect once, however often it is made.
func ExampleCall_Idempotent() {
	accountType := situ.NewType("account")
	deposit := situ.NewMethod[int, int](accountType, "deposit")

	type account struct{ Cents int }
	p, stop := host(situ.Object(accountType, situ.On(deposit, func(a *account, _ *situ.Turn, cents int) (int, error) {
		a.Cents += cents
		return a.Cents, nil
	})))
	defer stop()

	payment := deposit.To("ann", 5).Idempotent("payment 17")
	fmt.Println(do(p, payment))
	fmt.Println(do(p, payment)) // the client lost the answer, and asks again
	// Output:
	// 5
	// 5
}

// A map in the state writes the elements that changed, not all of them.
func ExampleMap() {
	flightType := situ.NewType("flight")
	book := situ.NewMethod[string, int](flightType, "book")
	list := situ.NewMethod[situ.None, []string](flightType, "list", situ.ReadOnly)

	type flight struct {
		Seats situ.Map[string, int] `json:"seats"`
	}
	p, stop := host(situ.Object(flightType,
		situ.On(book, func(f *flight, _ *situ.Turn, passenger string) (int, error) {
			if seat, ok := f.Seats.Get(passenger); ok {
				return seat, nil
			}
			seat := f.Seats.Len() + 1
			f.Seats.Set(passenger, seat)
			return seat, nil
		}),
		situ.On(list, func(f *flight, _ *situ.Turn, _ situ.None) (out []string, err error) {
			for passenger, seat := range f.Seats.All() { // in the order of keys
				out = append(out, fmt.Sprint(passenger, " in ", seat))
			}
			return out, nil
		})))
	defer stop()

	for _, passenger := range []string{"mia", "bob", "ann", "bob"} {
		do(p, book.To("BA123", passenger))
	}
	fmt.Println(do(p, list.To("BA123", situ.None{})))
	// Output: [ann in 3 bob in 2 mia in 1]
}

// A list in the state serves as a queue.
func ExampleList() {
	queueType := situ.NewType("queue")
	push := situ.NewMethod[string, int](queueType, "push")
	pop := situ.NewMethod[situ.None, string](queueType, "pop")

	type queue struct{ Jobs situ.List[string] }
	p, stop := host(situ.Object(queueType,
		situ.On(push, func(q *queue, _ *situ.Turn, job string) (int, error) {
			q.Jobs.Append(job)
			return q.Jobs.Len(), nil
		}),
		situ.On(pop, func(q *queue, _ *situ.Turn, _ situ.None) (string, error) {
			job, ok := q.Jobs.Shift()
			if !ok {
				return "", situ.Errorf("empty", "there is no job")
			}
			return job, nil
		})))
	defer stop()

	do(p, push.To("print", "letter"))
	do(p, push.To("print", "poster"))
	fmt.Println(do(p, pop.To("print", situ.None{})))
	// Output: letter
}

// A counter beside a big state does not cause that to be written.
func ExampleCounter() {
	pageType := situ.NewType("page")
	view := situ.NewMethod[situ.None, int64](pageType, "view")

	type page struct {
		Text  string
		Views situ.Counter
	}
	p, stop := host(situ.Object(pageType, situ.On(view, func(g *page, _ *situ.Turn, _ situ.None) (int64, error) { return g.Views.Add(1), nil })))
	defer stop()

	do(p, view.To("home", situ.None{}))
	fmt.Println(do(p, view.To("home", situ.None{})))
	// Output: 2
}

// A read-only method costs no commit, and runs while another turn of its object
// takes long.
func ExampleReadOnly() {
	lampType := situ.NewType("lamp")
	press := situ.NewMethod[situ.None, situ.None](lampType, "press")
	lit := situ.NewMethod[situ.None, bool](lampType, "lit", situ.ReadOnly)

	type lamp struct{ On bool }
	p, stop := host(situ.Object(lampType,
		situ.On(press, func(l *lamp, _ *situ.Turn, _ situ.None) (situ.None, error) { l.On = !l.On; return situ.None{}, nil }),
		situ.On(lit, func(l *lamp, _ *situ.Turn, _ situ.None) (bool, error) { return l.On, nil })))
	defer stop()

	do(p, press.To("desk", situ.None{}))
	fmt.Println(do(p, lit.To("desk", situ.None{})))
	// Output: true
}

// A relaxed method answers before its commit: fast, and a crash may lose it.
func ExampleRelaxed() {
	meterType := situ.NewType("meter")
	measure := situ.NewMethod[float64, float64](meterType, "measure", situ.Relaxed)

	type meter struct{ Max float64 }
	p, stop := host(situ.Object(meterType, situ.On(measure, func(m *meter, _ *situ.Turn, v float64) (float64, error) {
		m.Max = max(m.Max, v)
		return m.Max, nil
	})))
	defer stop()

	do(p, measure.To("roof", 21.5))
	fmt.Println(do(p, measure.To("roof", 19)))
	// Output: 21.5
}

// Delete makes an object as if it had never been used.
func ExampleTurn_Delete() {
	cartType := situ.NewType("cart")
	add := situ.NewMethod[int, int](cartType, "add")
	order := situ.NewMethod[situ.None, int](cartType, "order")

	type cart struct{ Cents int }
	p, stop := host(situ.Object(cartType,
		situ.On(add, func(c *cart, _ *situ.Turn, cents int) (int, error) {
			c.Cents += cents
			return c.Cents, nil
		}),
		situ.On(order, func(c *cart, t *situ.Turn, _ situ.None) (int, error) {
			t.Delete()
			return c.Cents, nil
		})))
	defer stop()

	do(p, add.To("ann", 5))
	fmt.Println(do(p, order.To("ann", situ.None{})))
	fmt.Println(do(p, add.To("ann", 7)))
	// Output:
	// 5
	// 7
}

// A turn that panics is run again, after a pause, and then given up.
func ExampleRetries() {
	moodType := situ.NewType("mood", situ.Retries(situ.Retry{Attempts: 3, Backoff: time.Millisecond}))
	try := situ.NewMethod[situ.None, string](moodType, "try")
	p, stop := host(situ.Object(moodType, situ.On(try, func(_ *struct{}, t *situ.Turn, _ situ.None) (string, error) {
		if t.Attempt() < 2 {
			panic("not yet")
		}
		return fmt.Sprint("after ", t.Attempt(), " failures"), nil
	})))
	defer stop()

	fmt.Println(do(p, try.To("mine", situ.None{})))
	// Output: after 2 failures
}

// Rand gives the same numbers when the same message is run again.
func ExampleTurn_Rand() {
	diceType := situ.NewType("dice", situ.Retries(situ.Retry{Backoff: time.Millisecond}))
	roll := situ.NewMethod[situ.None, bool](diceType, "roll")
	first := -1
	p, stop := host(situ.Object(diceType, situ.On(roll, func(_ *struct{}, t *situ.Turn, _ situ.None) (bool, error) {
		n := t.Rand().IntN(1_000_000)
		if t.Attempt() == 0 {
			first = n
			panic("once more")
		}
		return n == first, nil
	})))
	defer stop()

	fmt.Println(do(p, roll.To("red", situ.None{})))
	// Output: true
}
