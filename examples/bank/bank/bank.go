// Package bank implements accounts and transfers.
package bank

import (
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/bank/account"
	"github.com/situ-dev/situ/examples/bank/transfer"
)

// Components returns everything the bank hosts.
func Components() []situ.Component {
	return []situ.Component{
		situ.Object(account.Type,
			situ.On(account.Deposit, (*Account).Deposit),
			situ.On(account.Debit, (*Account).Debit),
			situ.On(account.Balances, (*Account).Balance),
			situ.On(account.Await, (*Account).Await),
			situ.On(account.Expire, (*Account).Expire),
			situ.On(account.Close, (*Account).Close)),
		situ.Object(transfer.Type,
			situ.On(transfer.Start, (*Transfer).Start),
			situ.On(transfer.Debited, (*Transfer).Debited)),
		situ.Function(transfer.Fee, Fee),
		situ.Function(transfer.Quote, Quote),
	}
}

// An Account is one customer's money. Its fields are its durable state.
type Account struct {
	Cents   int64                         `json:"cents"`
	Want    int64                         `json:"want,omitempty"`
	Since   time.Time                     `json:"since"` // when Waiting began
	Waiting situ.Promise[account.Balance] `json:"waiting"`
}

// Deposit adds money, and answers a waiting caller if there is now enough.
func (a *Account) Deposit(t *situ.Turn, in account.Amount) (account.Balance, error) {
	if in.Cents < 0 {
		panic("a negative deposit")
	}
	a.Cents += in.Cents
	if a.Waiting.Waiting() && a.Cents >= a.Want {
		situ.Resolve(t, &a.Waiting, account.Balance{Cents: a.Cents})
	}
	return account.Balance{Cents: a.Cents}, nil
}

// Debit takes money away.
func (a *Account) Debit(t *situ.Turn, in account.Amount) (account.Balance, error) {
	a.Cents -= in.Cents
	if a.Cents < 0 {
		return account.Balance{}, situ.Errorf("short", "%s has too little money", t.Key()) // the subtraction is not kept
	}
	return account.Balance{Cents: a.Cents}, nil
}

// Balance answers the balance.
func (a *Account) Balance(*situ.Turn, situ.None) (account.Balance, error) {
	return account.Balance{Cents: a.Cents}, nil
}

// Await keeps the caller waiting, without holding the object.
func (a *Account) Await(t *situ.Turn, in account.Amount) (account.Balance, error) {
	if a.Cents >= in.Cents {
		return account.Balance{Cents: a.Cents}, nil
	}
	a.Want, a.Since = in.Cents, t.Now()
	situ.Send(t, account.Expire.To(t.Key(), a.Since).After(24*time.Hour))
	return situ.Hold(t, &a.Waiting)
}

// Expire gives up the caller who has waited since then, if it still waits.
func (a *Account) Expire(t *situ.Turn, since time.Time) (situ.None, error) {
	if since.Equal(a.Since) {
		situ.Reject(t, &a.Waiting, situ.Errorf("late", "%s did not get the money in time", t.Key()))
	}
	return situ.None{}, nil
}

// Close deletes the account.
func (a *Account) Close(t *situ.Turn, _ situ.None) (account.Balance, error) {
	t.Delete()
	return account.Balance{Cents: a.Cents}, nil
}

// A Transfer moves money between two accounts.
type Transfer struct {
	State string `json:"state"`
}

// Start asks for the debit; the caller's callback waits with Debited.
func (x *Transfer) Start(t *situ.Turn, in transfer.Order) (account.Balance, error) {
	x.State = "debiting"
	debit := account.Debit.To(in.From, account.Amount{Cents: in.Cents})
	return situ.Then(t, debit, transfer.Debited, in)
}

// Debited passes the money, and the caller, on to the receiving account.
func (x *Transfer) Debited(t *situ.Turn, r situ.Reply[account.Balance, transfer.Order]) (account.Balance, error) {
	if err := r.Err(); err != nil {
		return account.Balance{}, err
	}
	x.State = "depositing"
	return situ.Tail(t, account.Deposit.To(r.Carry.To, account.Amount{Cents: r.Carry.Cents}))
}

// Fee is two percent.
func Fee(_ *situ.Turn, in transfer.Order) (account.Amount, error) {
	return account.Amount{Cents: in.Cents / 50}, nil
}

// Quote hands the question on.
func Quote(t *situ.Turn, in transfer.Order) (account.Amount, error) {
	return situ.Tail(t, transfer.Fee.With(in))
}
