// Package ingress is the HTTP door: it turns requests into calls and answers
// into responses, and checks at the door whatever can be checked there, so
// that nothing malformed is ever written. openapi.json describes it, and a
// test compares that file with the table of routes.
//
// It owns no state but the compiled schemas of the program it was last shown.
// It does not listen, it knows no store and no shard, and it runs no user
// code: whoever composes it brings an [Engine], [Objects], [DeadLetters] and a
// [Monitor], and gives the [Handler] to a server, best one made by [Server].
package ingress
