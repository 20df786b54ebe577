// Package transfer is the contract of transfers between accounts.
package transfer

import (
	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/bank/account"
)

// The contract. Debited is the continuation of Start.
var (
	Type    = situ.NewType("transfer", situ.Doc("moves money between two accounts"))
	Start   = situ.NewMethod[Order, account.Balance](Type, "start", situ.Doc("answers the receiver's balance"))
	Debited = situ.NewMethod[situ.Reply[account.Balance, Order], account.Balance](Type, "debited")
	Fee     = situ.NewFunc[Order, account.Amount]("fee", situ.Doc("what a transfer costs"))
	Quote   = situ.NewFunc[Order, account.Amount]("quote", situ.Doc("hands the question on to fee"))
)

// Order says what to move.
type Order struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Cents int64  `json:"cents"`
}
