// Command hello hosts greeters: run it with `situ dev ./examples/hello`.
package main

import (
	"fmt"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/hello/greeter"
)

// Greeter is the state of one greeter. Its exported fields are durable.
type Greeter struct {
	Guests int `json:"guests"`
}

// Greet is one turn: what it does happens once, and all of it or nothing.
func (g *Greeter) Greet(t *situ.Turn, p greeter.Person) (greeter.Greeting, error) {
	g.Guests++
	return greeter.Greeting{Text: fmt.Sprintf("Hello %s, guest %d of %s!", p.Name, g.Guests, t.Key())}, nil
}

func components() []situ.Component {
	return []situ.Component{situ.Object(greeter.Type, situ.On(greeter.Greet, (*Greeter).Greet))}
}

func main() { situ.Main(components()...) }
