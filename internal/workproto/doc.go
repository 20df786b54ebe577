// Package workproto holds the frames between the engine and a worker process,
// and the connection that carries them. Both sides use it; it runs nothing and
// trusts nothing: a decoder returns an error for whatever it does not know,
// and allocates in proportion to the bytes it was given.
//
// A worker dials a Unix socket of the engine. Its first connection is the
// control connection:
//
//	worker                         engine
//	Hello (version, manifest)  ─►
//	                           ◄─  Welcome (token, shards, how to run) or Refuse
//	                           ◄─  Ping
//	Pong                       ─►
//	                           ◄─  Shutdown
//
// Then it opens one more for each shard, which begins with Attach (token,
// shard), and on which it gets Tasks and sends Reports. A frame that is too
// long for one message comes in parts, the last of which says so.
//
// On the wire a message is its length (4 bytes, little endian; of what
// follows), its type (1 byte) and its body. Bodies of Tasks and Report are
// written by hand, because there are many; the others are fields of package
// wire, so that some can be added. Numbers are appended, never reused: golden
// files in testdata hold every message of every version.
package workproto
