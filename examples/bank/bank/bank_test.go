package bank_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/bank/account"
	"github.com/situ-dev/situ/examples/bank/bank"
	"github.com/situ-dev/situ/examples/bank/transfer"
	"github.com/situ-dev/situ/situtest"
)

func TestTransfer(t *testing.T) {
	situtest.Run(t, bank.Components(), func(t *testing.T, rt *situtest.Runtime) {
		situtest.Do(rt, account.Deposit.To("ann", account.Amount{Cents: 100}))
		rt.Trace()
		got := situtest.Do(rt, transfer.Start.To("t1", transfer.Order{From: "ann", To: "bob", Cents: 30}))
		if got.Cents != 30 {
			t.Errorf("transfer answered %d, want bob's balance 30", got.Cents)
		}
		want := "transfer/t1.start\naccount/ann.debit\ntransfer/t1.debited\naccount/bob.deposit"
		if tr := rt.Trace(); tr != want {
			t.Errorf("turns:\n%s\nwant:\n%s", tr, want)
		}
		rt.Crash()
		if got := situtest.Do(rt, account.Balances.To("ann", situ.None{})); got.Cents != 70 {
			t.Errorf("ann has %d after a crash, want 70", got.Cents)
		}
		if got := rt.State(transfer.Type, "t1"); got != `{"state":"depositing"}` {
			t.Errorf("state %s", got)
		}
	})
}

func TestShort(t *testing.T) {
	situtest.Run(t, bank.Components(), func(t *testing.T, rt *situtest.Runtime) {
		err := situtest.DoErr(rt, transfer.Start.To("t1", transfer.Order{From: "ann", To: "bob", Cents: 30}))
		if situ.CodeOf(err) != "short" || !strings.Contains(err.Error(), "ann has too little money") {
			t.Errorf("err = %v", err)
		}
		if got := situtest.Do(rt, account.Deposit.To("ann", account.Amount{Cents: 5})); got.Cents != 5 {
			t.Errorf("a failed debit was committed: balance %d", got.Cents)
		}
	})
}

func TestHold(t *testing.T) {
	situtest.Options{Shards: 3}.Run(t, bank.Components(), func(t *testing.T, rt *situtest.Runtime) {
		enough := situtest.Go(rt, account.Await.To("ann", account.Amount{Cents: 50}))
		rt.Pass(time.Minute)
		situtest.Do(rt, account.Deposit.To("ann", account.Amount{Cents: 60}))
		if got := enough(); got.Cents != 60 {
			t.Errorf("got %d", got.Cents)
		}
		rt.Crash()
		rt.Trace()
		rt.Pass(25 * time.Hour) // the timer fires, though the platform died in between
		if tr := rt.Trace(); tr != "account/ann.expire" {
			t.Errorf("turns in the day after: %s", tr)
		}
		began := time.Now()
		err := situtest.DoErr(rt, account.Await.To("ann", account.Amount{Cents: 1000}))
		if took := time.Since(began); situ.CodeOf(err) != "late" || took < 24*time.Hour {
			t.Errorf("nobody pays: %v, after %v", err, took)
		}
	})
}

func TestQuoteAndClose(t *testing.T) {
	situtest.Run(t, bank.Components(), func(t *testing.T, rt *situtest.Runtime) {
		if got := situtest.Do(rt, transfer.Quote.With(transfer.Order{Cents: 500})); got.Cents != 10 {
			t.Errorf("quote %d", got.Cents)
		}
		situtest.Do(rt, account.Deposit.To("ann", account.Amount{Cents: 7}))
		if got := situtest.Do(rt, account.Close.To("ann", situ.None{})); got.Cents != 7 {
			t.Errorf("close answered %d", got.Cents)
		}
		if st := rt.State(account.Type, "ann"); st != "" {
			t.Errorf("state %s after close", st)
		}
		rt.Crash()
		if st := rt.State(account.Type, "ann"); st != "" {
			t.Errorf("state %s after close and crash", st)
		}
	})
}

func TestPoison(t *testing.T) {
	situtest.Run(t, bank.Components(), func(t *testing.T, rt *situtest.Runtime) {
		bad := situtest.Go(rt, account.Balances.To("ann", situ.None{}))
		bad()
		err := situtest.DoErr(rt, account.Deposit.To("ann", account.Amount{Cents: -1}).Idempotent("k1"))
		if err == nil || !strings.Contains(err.Error(), "panic: a negative deposit") {
			t.Errorf("err = %v", err)
		}
		if dead := rt.DeadLetters(); dead != "account/ann.deposit ! panic: a negative deposit" {
			t.Errorf("dead letters: %s", dead)
		}
		if got := situtest.Do(rt, account.Deposit.To("ann", account.Amount{Cents: 1})); got.Cents != 1 {
			t.Errorf("the object did not go on: %d", got.Cents)
		}
	})
}

// TestCrashAtEveryCommit moves money and dies at each commit in turn: however
// it ends, no money appears or disappears, and a key makes it happen once.
func TestCrashAtEveryCommit(t *testing.T) {
	for n := 1; n < 14; n++ {
		situtest.Options{Shards: 4}.Run(t, bank.Components(), func(t *testing.T, rt *situtest.Runtime) {
			situtest.Do(rt, account.Deposit.To("ann", account.Amount{Cents: 100}).Idempotent("seed"))
			rt.CrashAt(n)
			call := transfer.Start.To("t1", transfer.Order{From: "ann", To: "bob", Cents: 30}).Idempotent("move")
			_, err := situ.Do(t.Context(), rt, call)
			if err != nil != rt.Crashed() {
				t.Fatalf("commit %d: crashed %v, err %v", n, rt.Crashed(), err)
			}
			rt.Restart()
			for i := 0; ; i++ {
				got, err := situ.Do(t.Context(), rt, call)
				if e, ok := errors.AsType[*situ.Error](err); ok && e.Kind == "in-progress" && i < 20 {
					rt.Pass(time.Second)
					continue
				}
				if err != nil || got.Cents != 30 {
					t.Fatalf("commit %d: again: %v, %v", n, got, err)
				}
				break
			}
			ann := situtest.Do(rt, account.Balances.To("ann", situ.None{}))
			bob := situtest.Do(rt, account.Balances.To("bob", situ.None{}))
			if ann.Cents != 70 || bob.Cents != 30 {
				t.Fatalf("commit %d: ann %d, bob %d", n, ann.Cents, bob.Cents)
			}
		})
	}
}
