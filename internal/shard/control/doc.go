// Package control is what people do about the messages of one shard: they pause a
// function, a type or an object, and what arrives for it is parked as rows; they
// let it go again, in order, at a rate; they have dead letters run again by a
// filter, at a rate; they cancel a chain, and what is work for it is not run any
// more.
//
// Package core drives it from its goroutine. It runs nothing, answers nobody and
// never asks for the time.
package control
