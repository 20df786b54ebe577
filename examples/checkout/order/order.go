// Package order is the contract of a shop's checkout: who calls it needs no more.
package order

import (
	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/flow"
)

// Cart is what is bought, and by whom.
type Cart struct {
	Customer string `json:"customer"`
	Item     string `json:"item"`
	Count    int    `json:"count"`
	Cents    int    `json:"cents"`
}

// Receipt is what the customer gets.
type Receipt struct {
	Payment  string `json:"payment"`
	Tracking string `json:"tracking"`
}

// Decision is what a person says of a large order.
type Decision struct {
	By string `json:"by"`
	OK bool   `json:"ok"`
}

// The workflow. Its key is the number of the order.
var (
	Type     = situ.NewType("order", situ.Doc("Takes an order from the cart to the parcel."))
	Checkout = situ.NewMethod[Cart, Receipt](Type, "checkout", situ.Doc("Reserves, has large orders approved, charges and ships."),
		situ.Example(Cart{Customer: "ann", Item: "lamp", Count: 2, Cents: 4_000}))
	Stage = flow.NewQuery[situ.None, string](Type, "stage", situ.Doc("Tells how far the order is."))
)

// Quantity is so many of what is in stock.
type Quantity struct {
	Order string `json:"order"`
	Count int    `json:"count"`
}

// The stock: an object for each item.
var (
	Stock   = situ.NewType("stock", situ.Doc("What there is of an item."))
	Deliver = situ.NewMethod[int, int](Stock, "deliver", situ.Doc("Adds to what there is, and returns that."), situ.Example(10))
	Reserve = situ.NewMethod[Quantity, int](Stock, "reserve", situ.Doc("Takes from what there is, for an order, and returns what is left."))
	Release = situ.NewMethod[Quantity, int](Stock, "release", situ.Doc("Gives back what an order had reserved."))
)
