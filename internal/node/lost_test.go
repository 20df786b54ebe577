package node_test

import (
	"context"
	"errors"
	"testing"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// mortal is a host that runs nothing and dies of its first frame.
type mortal struct {
	reports chan *turn.Report
	reached bool // the frame got to a worker
}

func (m *mortal) Submit(*turn.Frame)           { close(m.reports) }
func (m *mortal) Cancel(uint64, int)           {}
func (m *mortal) Reports() <-chan *turn.Report { return m.reports }
func (m *mortal) Why() error                   { return errors.New("it was killed") }
func (m *mortal) Reached(uint64) bool          { return m.reached }

// TestDeadHost has a message run when a host dies, so that it is tried alone,
// on a host that was dead already. If it got nowhere it has not been tried; if
// it may have run, it is known to do harm.
func TestDeadHost(t *testing.T) {
	for _, c := range []struct {
		name    string
		to      wire.Address
		reached bool
		want    string
	}{
		{"method, not reached", wire.Address{Type: "thing", Key: "a", Method: "push"}, false, "1"},
		{"method, reached", wire.Address{Type: "thing", Key: "a", Method: "push"}, true, "crashed"},
		{"function, not reached", wire.Address{Method: "twice"}, false, "2"},
		{"function, reached", wire.Address{Method: "twice"}, true, "crashed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, node.Config{Store: store.Options{Shards: 1}}, components(), func(r *rig) {
				m := r.set.Manifest()
				use := func(h shard.Host) {
					if err := r.node.Program(node.Main).SetHosts(func(wire.ShardID) shard.Host { return h }, &m); err != nil {
						t.Error(err)
					}
				}
				use(&mortal{make(chan *turn.Report), true})
				got := make(chan string, 1)
				go func() {
					resp, err := r.node.Invoke(context.Background(), &wire.Request{To: c.to, Body: wire.Payload{Format: wire.JSON, Data: []byte("1")},
						Want: wire.JSON, Policy: &wire.Policy{Attempts: 1}})
					switch {
					case err != nil:
						got <- fault.KindOf(err).String()
					case resp.Fail != nil:
						got <- resp.Fail.Kind
					default:
						got <- string(resp.Body.Data)
					}
				}()
				pass(1)
				use(&mortal{make(chan *turn.Report), c.reached})
				pass(1)
				r.setHosts()
				if answer := <-got; answer != c.want {
					t.Errorf("the answer is %s, want %s", answer, c.want)
				}
			})
		})
	}
}
