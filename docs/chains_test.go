package docs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/situtest"
)

// What docs/chains.md shows.

var (
	myFuncName  = situ.NewFunc[string, string]("my_func")
	patientName = situ.NewFunc[string, string]("patient")
	getFromDB   = situ.NewFunc[string, string]("get_from_db")
	dbCallback  = situ.NewFunc[situ.Reply[string, string], string]("db_callback")

	archiveType = situ.NewType("archive")
	fetch       = situ.NewMethod[string, string](archiveType, "fetch")
	mounted     = situ.NewMethod[string, situ.None](archiveType, "mounted")

	clientType = situ.NewType("client")
	begin      = situ.NewMethod[string, situ.None](clientType, "begin")
	called     = situ.NewMethod[situ.Reply[string, situ.None], situ.None](clientType, "my_func_callback")
	answer     = situ.NewMethod[situ.None, string](clientType, "answer", situ.ReadOnly)

	reviewFunc = situ.NewFunc[string, bool]("review")
	reviewed   = situ.NewFunc[situ.Reply[bool, string], bool]("reviewed")
	sendMail   = situ.NewFunc[mail, situ.None]("send_mail")
)

func myFunc(t *situ.Turn, id string) (string, error) {
	return situ.Then(t, getFromDB.With(id), dbCallback, "for "+id)
}

func fromDB(t *situ.Turn, id string) (string, error) {
	return situ.Tail(t, fetch.To("tape-7", id))
}

func dbCalled(_ *situ.Turn, r situ.Reply[string, string]) (string, error) {
	if err := r.Err(); err != nil {
		return "", err
	}
	return r.Value + " " + r.Carry, nil
}

func patient(t *situ.Turn, id string) (string, error) {
	return situ.Then(t, getFromDB.With(id).Within(time.Hour), dbCallback, "for "+id)
}

// archive needs hours to mount a tape.
type archive struct {
	Waiting situ.Promise[string]
}

func (a *archive) Fetch(t *situ.Turn, id string) (string, error) {
	situ.Send(t, mounted.To(t.Key(), id).After(3*time.Hour))
	return situ.Hold(t, &a.Waiting)
}

func (a *archive) Mounted(t *situ.Turn, id string) (situ.None, error) {
	situ.Resolve(t, &a.Waiting, "row "+id)
	return situ.None{}, nil
}

// client is who calls my_func, and is called back.
type client struct{ Answer string }

func (c *client) Begin(t *situ.Turn, id string) (situ.None, error) {
	situ.Ask(t, myFuncName.With(id), called, situ.None{})
	return situ.None{}, nil
}

func (c *client) Called(_ *situ.Turn, r situ.Reply[string, situ.None]) (situ.None, error) {
	c.Answer += r.Value
	return situ.None{}, r.Err()
}

type mail struct{ To, Text string }

func review(t *situ.Turn, doc string) (bool, error) {
	call, token := situ.Token[bool](t, 48*time.Hour)
	situ.Send(t, sendMail.With(mail{To: "eve", Text: "good enough? answer with " + token}))
	return situ.Then(t, call, reviewed, doc)
}

func chain(mails *[]mail) []situ.Component {
	return []situ.Component{
		situ.Function(myFuncName, myFunc), situ.Function(patientName, patient), situ.Function(getFromDB, fromDB), situ.Function(dbCallback, dbCalled),
		situ.Object(archiveType, situ.On(fetch, (*archive).Fetch), situ.On(mounted, (*archive).Mounted)),
		situ.Object(clientType, situ.On(begin, (*client).Begin), situ.On(called, (*client).Called),
			situ.On(answer, func(c *client, _ *situ.Turn, _ situ.None) (string, error) { return c.Answer, nil })),
		situ.Function(reviewFunc, review),
		situ.Function(reviewed, func(_ *situ.Turn, r situ.Reply[bool, string]) (bool, error) { return r.Value, r.Err() }),
		situ.Function(sendMail, func(_ *situ.Turn, m mail) (none situ.None, err error) { *mails = append(*mails, m); return none, nil }),
	}
}

// The order of a chain is that of the document, wherever the platform dies, also
// when a chain within it takes hours.
func TestOrderOfChain(t *testing.T) {
	const want = "client/c.begin, my_func, get_from_db, archive/tape-7.fetch, archive/tape-7.mounted, db_callback, client/c.my_func_callback"
	for n := 0; ; n++ {
		crashed := false
		situtest.Run(t, chain(nil), func(t *testing.T, rt *situtest.Runtime) {
			rt.CrashAt(n)
			start := func() error {
				_, err := situ.Start(t.Context(), rt, begin.To("c", "17").Idempotent("once"))
				return err
			}
			if err := start(); err != nil && !rt.Crashed() {
				t.Fatal(err)
			}
			for range 4 {
				rt.Pass(time.Hour)
				if !rt.Crashed() {
					continue
				}
				crashed = true
				rt.Restart()
				if err := start(); err != nil {
					t.Fatal(err)
				}
			}
			rt.Crash() // at rest, too
			if got := situtest.Do(rt, answer.To("c", situ.None{})); got != "row 17 for 17" {
				t.Errorf("crash at %d: the answer is %q", n, got)
			}
			var turns []string // a turn whose commit was lost is taken again
			for line := range strings.SplitSeq(rt.Trace(), "\n") {
				if at := strings.Index(strings.Join(turns, "\n")+"\n", line+"\n"); at < 0 && !strings.HasSuffix(line, ".answer") {
					turns = append(turns, line)
				}
			}
			if got := strings.Join(turns, ", "); got != want {
				t.Errorf("crash at %d: %s", n, got)
			}
		})
		if n > 0 && !crashed {
			if n < 4 {
				t.Errorf("only %d commits", n)
			}
			return
		}
	}
}

func TestPatience(t *testing.T) {
	situtest.Run(t, chain(nil), func(t *testing.T, rt *situtest.Runtime) {
		began := time.Now()
		if err := situtest.DoErr(rt, patientName.With("17")); err == nil || time.Since(began) != time.Hour {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestReview(t *testing.T) {
	var mails []mail
	situtest.Run(t, chain(&mails), func(t *testing.T, rt *situtest.Runtime) {
		done := situtest.Go(rt, reviewFunc.With("chains.md"))
		rt.Settle()
		_, token, _ := strings.Cut(mails[0].Text, "answer with ")
		if err := rt.Answer(token, "true"); err != nil {
			t.Fatal(err)
		}
		if !done() {
			t.Error("it is not good enough")
		}
	})
}
