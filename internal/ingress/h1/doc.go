// Package h1 is a strict and fast HTTP/1.1 server: one goroutine for each
// connection, one read and one write for each request, and no byte believed
// before it is checked. What a proxy before it might read in another way (two
// lengths, a bare line feed, a folded line) is refused, and the connection
// ends. Everything is bounded: connections, sizes, and the time of each step.
//
// It knows nothing of what requests mean: that is a [Session]'s, one for each
// connection. It speaks neither TLS nor HTTP/2.
package h1
