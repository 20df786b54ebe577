// Package core is the state machine of a shard: what follows from each thing
// that arrives. It reads committed rows, but starts nothing, waits for nothing
// and never asks for the time; package shard is the goroutine around it.
//
// Its files follow the way of the data: take.go (requests, messages, timers),
// frame.go (what runs next), apply.go (what a turn did), seal.go (the net
// effect, as rows). core.go holds the state, recover.go how it is found again
// after a start, ops.go what is asked about it.
package core
