package turn

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/situ-dev/situ/internal/wire"
)

// TestTranscripts runs testdata/*.txt. The commands, one a block:
//
//	new                     an empty mailbox
//	put SEQ...              envelopes arrive
//	take n=N [now=T]        hand out
//	finish                  the oldest running one is done with
//	return [until=T]        what runs goes back
//	return-solo             what runs goes back, to be run alone
//	state [now=T]           what the owner can see
//	retry policy...         input lines of policies "attempts backoff max [age=D] [on=CODE,...] [final=CODE,...]", merged: the pauses
//	                        after failures of fail=KIND[/CODE], default crashed
//
// Run with -rewrite to write what came out, and read the diff.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		m := &Mailbox{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var n, now, until int
			d.MaybeScanArgs(t, "n", &n)
			d.MaybeScanArgs(t, "now", &now)
			d.MaybeScanArgs(t, "until", &until)
			switch d.Cmd {
			case "new":
				m = &Mailbox{}
			case "put":
				for _, a := range d.CmdArgs {
					env := &wire.Envelope{}
					if _, err := fmt.Sscan(a.Key, &env.Seq); err != nil {
						d.Fatalf(t, "%v", err)
					}
					m.Put(env)
				}
			case "take":
				queue := queued(m)
				took, solo := m.Take(wire.Time(now), n)
				return fmt.Sprintf("took %s solo=%v\n%s", seqs(queue[:took]), solo, state(m, wire.Time(now)))
			case "finish":
				m.Finish()
			case "return":
				m.Return(wire.Time(until))
			case "return-solo":
				m.ReturnSolo()
			case "state":
			case "retry":
				return retry(t, d)
			default:
				d.Fatalf(t, "no such command")
			}
			return state(m, wire.Time(now))
		})
	})
}

func seqs(envs []*wire.Envelope) string {
	s := make([]string, len(envs))
	for i, env := range envs {
		s[i] = fmt.Sprint(env.Seq)
	}
	return "[" + strings.Join(s, " ") + "]"
}

func state(m *Mailbox, now wire.Time) string {
	all := slices.Collect(m.All())
	queue := queued(m)
	return fmt.Sprintf("running=%s queued=%s until=%d ready=%v\n", seqs(all[:m.Len()-len(queue)]), seqs(queue), m.Until(), m.Ready(now))
}

func queued(m *Mailbox) (envs []*wire.Envelope) {
	for env := m.Queue(); env != nil; env = env.Next {
		envs = append(envs, env)
	}
	return envs
}

// retry lists what follows each failed run under the merged policies.
func retry(t *testing.T, d *datadriven.TestData) string {
	fail := &wire.Failure{Kind: "crashed"}
	if d.HasArg("fail") {
		var text string
		d.ScanArgs(t, "fail", &text)
		fail.Kind, fail.Code, _ = strings.Cut(text, "/")
	}
	var ps []wire.Policy
	for line := range strings.Lines(d.Input) {
		var p wire.Policy
		var backoff, limit string
		if _, err := fmt.Sscan(line, &p.Attempts, &backoff, &limit); err != nil {
			d.Fatalf(t, "%q: %v", line, err)
		}
		p.Backoff, p.MaxBackoff = duration(t, backoff), duration(t, limit)
		for _, more := range strings.Fields(line)[3:] {
			name, value, _ := strings.Cut(more, "=")
			switch name {
			case "age":
				p.MaxAge = duration(t, value)
			case "on":
				p.On = wire.CodesOf(strings.Split(value, ","))
			case "final":
				p.Final = wire.CodesOf(strings.Split(value, ","))
			default:
				d.Fatalf(t, "%q", more)
			}
		}
		ps = append(ps, p)
	}
	p := Merge(ps[0], append(ps[1:], DefaultPolicy)...)
	out := fmt.Sprintf("attempts=%d backoff=%v max=%v\n", p.Attempts, time.Duration(p.Backoff), time.Duration(p.MaxBackoff))
	if fail.Kind != "crashed" && fail.Kind != "timeout" && !Retried(p, fail) {
		return out + "an answer\n"
	}
	age := wire.Time(0)
	for attempt := uint32(1); attempt < 100; attempt++ {
		after, again := Again(p, attempt, age, fail)
		age += after
		if !again {
			return out + fmt.Sprintf("%d: given up\n", attempt)
		}
		out += fmt.Sprintf("%d: after %v\n", attempt, time.Duration(after))
	}
	return out
}

func duration(t *testing.T, s string) wire.Time {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return wire.Time(d)
}
