// Command call calls a greeter of a running platform.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/hello/greeter"
)

func main() {
	client := situ.NewClient("http://127.0.0.1:8080")
	defer client.Close()
	got, err := situ.Do(context.Background(), client, greeter.Greet.To("lobby", greeter.Person{Name: "Eve"}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(got.Text)
}
