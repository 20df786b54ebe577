// Command checkout hosts a shop's checkout: run it with
// `situ dev ./examples/checkout`.
package main

import (
	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/checkout/shop"
)

func main() { situ.Main(shop.Components(shop.Pretend())...) }
