// Command program hosts what the kill test calls: the witnesses, chains, the bank and
// the airline.
package main

import (
	"slices"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/airline/airline"
	"github.com/situ-dev/situ/examples/bank/bank"
	"github.com/situ-dev/situ/internal/killtest/chained"
	"github.com/situ-dev/situ/internal/killtest/witness"
)

func main() {
	situ.Main(slices.Concat(witness.Components(), chained.Components(), bank.Components(), airline.Components())...)
}
