// Package greeter is the contract of a greeter: what callers may ask of it.
package greeter

import "github.com/situ-dev/situ"

// The contract. The names in quotes are durable.
var (
	Type  = situ.NewType("greeter", situ.Doc("greets people, and counts them"))
	Greet = situ.NewMethod[Person, Greeting](Type, "greet", situ.Doc("says hello"))
)

// Person is who wants to be greeted.
type Person struct {
	Name string `json:"name"`
}

// Greeting is the answer.
type Greeting struct {
	Text string `json:"text"`
}
