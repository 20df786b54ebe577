// Package runtimeapi runs the functions of AWS Lambda: it starts their
// processes, gives each the Runtime API (2018-06-01) on a port of its own, hands
// events in and takes answers out. It knows nothing of what an event means.
package runtimeapi
