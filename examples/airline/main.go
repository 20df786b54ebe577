// Command airline hosts the airline: run it with `situ dev ./examples/airline`.
package main

import (
	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/airline/airline"
)

func main() { situ.Main(airline.Components()...) }
