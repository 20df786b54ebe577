// Package account is the contract of bank accounts: what callers may ask.
package account

import (
	"time"

	"github.com/situ-dev/situ"
)

// The contract. Await answers when the balance has reached the amount.
var (
	Type     = situ.NewType("account", situ.Doc("one customer's money"))
	Deposit  = situ.NewMethod[Amount, Balance](Type, "deposit", situ.Doc("adds money"))
	Debit    = situ.NewMethod[Amount, Balance](Type, "debit", situ.Doc("takes money away; fails with code short if there is too little"))
	Balances = situ.NewMethod[situ.None, Balance](Type, "balance", situ.ReadOnly)
	Await    = situ.NewMethod[Amount, Balance](Type, "await", situ.Doc("answers when the balance is at least the amount; fails with code late after a day"))
	Expire   = situ.NewMethod[time.Time, situ.None](Type, "expire", situ.Doc("gives up the caller who has waited since then"))
	Close    = situ.NewMethod[situ.None, Balance](Type, "close", situ.Doc("deletes the account and answers what was left"))
)

// Amount is an input.
type Amount struct {
	Cents int64 `json:"cents"`
}

// Balance is an answer.
type Balance struct {
	Cents int64 `json:"cents"`
}
