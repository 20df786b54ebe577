// Package execution makes durable executions of AWS Lambda objects of the
// platform: one object for each, written with the SDK. Its state is the table of
// operations, its timers are messages to itself, and an invocation of the handler
// is a call of a function that hands the event to a process and returns its
// answer. While an execution waits, it is rows on disk and nothing else.
//
// The rules are in package durable, the processes in package runtimeapi.
package execution
