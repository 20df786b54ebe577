// Package shard is the only writer: it takes envelopes, has turns run, and
// makes what they did durable. A shard owns its objects, their mailboxes, its
// timers, its channels to other shards and the records of calls from outside;
// all of that changes on one goroutine, and becomes true by a commit.
//
// The way of the data through it:
//
//	post (requests, segments, acks) ─► core.Take… ─► mailbox ─► core.NextFrame
//	  ─► host ─► core.Apply ─► batch ─► core.Seal ─► store.Commit
//	  ─► core.Committed ─► replies, segments to other shards, acks
//
// Package core is the state machine; Shard is the goroutine around it, and
// package rows what it writes. core/DESIGN.md says why it is so.
package shard
