// Package shard is the only writer: it takes envelopes, has turns run, and
// makes what they did durable. A shard owns its objects, their mailboxes, its
// timers, its channels to other shards and the records of calls from outside;
// all of that changes on one goroutine, and becomes true by a commit.
//
// The way of the data through it:
//
//	Post (requests, segments, acks) ─► core.take ─► mailbox ─► core.frame
//	  ─► host ─► core.apply ─► batch ─► core.seal ─► store.Commit
//	  ─► core.committed ─► replies, segments to other shards, acks
//
// The core (core.go, take.go, frame.go, apply.go, seal.go) is a state machine:
// it reads rows, but starts nothing, waits for nothing and never asks for the
// time. Shard (shard.go) is the goroutine around it. DESIGN.md says why it is
// so.
package shard
