package app

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"example.com/app/helper"

	"github.com/situ-dev/situ/flow"
)

var total int

var byName = map[string]int{}

func code(f *flow.Flow, in string) (string, error) { // want code:"time.Now"
	began := time.Now()                     // want `workflow code uses time.Now; use f.Now\(\)`
	_ = time.Since(began)                   // want `uses time.Since`
	time.Sleep(time.Second)                 // want `uses time.Sleep; use flow.Sleep`
	now := time.Now                         // want `uses time.Now`
	_ = f.Now().Add(time.Hour).After(now()) // a method of a time is no clock
	n := rand.IntN(3)                       // want `uses rand.IntN; use f.Rand`
	_ = rand.New(rand.NewPCG(1, 2)).IntN(3) // with a seed of its own it is the same each time
	_, _ = crand.Read(nil)                  // want `uses crypto/rand.Read`
	go func() { n++ }()                     // want `starts a goroutine`
	ch := make(chan int)                    // want `makes a channel`
	ch <- 1                                 // want `sends on a channel`
	<-ch                                    // want `receives from a channel`
	close(ch)                               // want `closes a channel`
	select {}                               // want `selects between channels`
	var mu sync.Mutex                       // want `uses sync.Mutex; nothing is parallel`
	mu.Lock()
	for k, v := range byName { // want `goes over a map, in another order each time; go over slices.Sorted`
		total += v    // want `writes the global variable total`
		byName[k] = 1 // want `writes the global variable byName`
	}
	for k := range maps.Keys(byName) { // want `goes over a map`
		_ = k
	}
	for _, k := range slices.Sorted(maps.Keys(byName)) {
		_ = k
	}
	for range byName { // the number is the same
	}
	_, _ = os.ReadFile(in)          // want `does I/O with os.ReadFile; do I/O in a flow.Step`
	file, err := os.Open(in)        // want `does I/O with os.Open`
	_, _ = file.Read(nil)           // want `does I/O with os.File.Read`
	fmt.Println(os.Expand(in, nil)) // want `uses fmt.Println; use f.Log`
	_ = os.IsNotExist(err)
	_ = fmt.Sprint(in)
	_ = context.Background() // want `uses context.Background`
	local(in)
	_ = helper.Stamp()        // want `calls example.com/app/helper.Stamp, which uses time.Now \(helper.go:12\); do that in a flow.Step`
	_ = helper.Clock{}.Tell() // want `helper.Clock\).Tell, which uses time.Now`
	_ = helper.Sum(1, 2)
	out, err := flow.Step(f, "read", func(ctx context.Context) (string, error) {
		total++
		b, err := os.ReadFile(in)
		return string(b) + time.Now().String(), err
	})
	_, _ = flow.Step(f, "read", helper.Read)
	_, _ = flow.Step(f, "made", making(in))
	_, _ = flow.Step(f, time.Now().String(), making(in)) // want `uses time.Now`
	func() {
		_ = time.Now() // want `uses time.Now`
	}()
	_ = time.Now() //situ:allow it is only logged
	//situ:allow a reason above the line
	_ = time.Now()
	/* want `uses time.Now` `says no reason` */ _ = time.Now() //situ:allow
	return out, err
}

func local(in string) { // want local:"reads|uses os|does I/O"
	_ = os.Getenv(in) // want `workflow code \(called by code\) does I/O with os.Getenv`
	again(in)
}

func again(in string) { // want again:"I/O"
	if in != "" {
		local("")
	}
}

// making makes a step; what it does itself is run with the workflow.
func making(in string) func(context.Context) ([]byte, error) { // want making:"writes"
	total = 1 // want `\(called by code\) writes the global variable total`
	return func(context.Context) ([]byte, error) { return os.ReadFile(in) }
}

// host is no workflow code: what is in the literal is.
func host() func(*flow.Flow) error { // want host:"I/O with os.Getenv"
	home := os.Getenv("HOME")
	return func(f *flow.Flow) error {
		_ = home
		time.Sleep(1) // want `workflow code uses time.Sleep`
		return flow.Sleep(f, 1)
	}
}

var registered = func(f *flow.Flow) { total = 2 } // want `writes the global variable total`

// free is called by no workflow.
func free() { // want free:"goroutine"
	go host()
}
