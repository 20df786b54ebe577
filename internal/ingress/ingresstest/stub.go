// Package ingresstest is a small platform in memory, for tests of the door,
// the client and the command line. It has counters, which are told what to do
// by their methods, and a function that echoes. It keeps no promises about
// durability and runs one call at a time.
package ingresstest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Epoch is when everything happens.
const Epoch wire.Time = 1767323045e9 // 2026-01-02T03:04:05Z

// Platform is the stub. Its maps may be looked at between calls.
type Platform struct {
	mu       sync.Mutex
	Last     wire.Request // the last call, its body copied
	Counters map[string]int
	Calls    map[wire.InvocationID]*wire.Invocation
	Dead     map[string]*wire.DeadLetter
	Tokens   map[wire.InvocationID]*wire.Promise
	Program  *host.Manifest
	Refuse   error // what Invoke answers, if set
	Page     int   // the most objects that List gives, if set
	Paused   []wire.Pause
	Driven   []wire.Redrive
}

const manifest = `{
 "types": [{"name": "counter", "doc": "A number that grows.", "state": {"type": "object"}, "methods": [
  {"name": "add", "doc": "Adds to the number and answers it.", "input": {"type": "object", "properties": {"by": {"type": "integer", "minimum": 0}, "why": {"type": "string"}}, "required": ["by"], "additionalProperties": false}, "output": {"type": "integer"}},
  {"name": "fail", "input": {"type": "object", "properties": {"code": {"type": "string"}, "kind": {"type": "string"}}, "additionalProperties": false}},
  {"name": "reset", "doc": "Sets the number to 0.", "input": {"type": "object", "additionalProperties": false}},
  {"name": "added", "internal": true},
  {"name": "value", "readOnly": true, "input": {"type": "object", "additionalProperties": false}, "output": {"type": "integer"}}]}],
 "functions": [{"name": "echo", "doc": "Answers its input."}, {"name": "later", "internal": true}]
}`

// New returns a platform with a dead letter and the counters a, b and c.
func New() *Platform {
	p := &Platform{Counters: map[string]int{"a": 1, "b": 2, "c/d e": 3}, Calls: map[wire.InvocationID]*wire.Invocation{}, Program: new(host.Manifest)}
	if err := json.Unmarshal([]byte(manifest), p.Program); err != nil {
		panic(err)
	}
	p.Tokens = map[wire.InvocationID]*wire.Promise{
		"0003-open":    {Made: Epoch, Until: Epoch + 3600e9, Token: true, Every: 60e9, Beat: Epoch, Schema: []byte(`{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"],"additionalProperties":false}`)},
		"0003-used":    {Made: Epoch, Until: Epoch + 3600e9, Token: true, Over: wire.Answered, Ended: Epoch},
		"0003-expired": {Made: Epoch - 2, Until: Epoch - 1, Token: true, Over: wire.Expired, Ended: Epoch},
	}
	p.Dead = map[string]*wire.DeadLetter{"3-17": {ID: "3-17", At: Epoch,
		Envelope: &wire.Envelope{Kind: wire.Call, To: wire.Address{Type: "counter", Key: "a", Method: "add"}, Attempt: 5,
			Body: wire.Payload{Format: wire.CBOR, Data: encode(map[string]int{"by": 1})}},
		Reason: &wire.Failure{Kind: "crashed", Message: "panic: index out of range", Detail: "goroutine 1 [running]:\nmain.add(...)"}}}
	return p
}

func encode(v any) []byte {
	b, err := cbor.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// Manifest returns what the stub announces.
func (p *Platform) Manifest() *host.Manifest { return p.Program }

// Begin carries out a call at once.
func (p *Platform) Begin(r *wire.Request, _ func(*wire.Response, error)) (*wire.Response, func(), error) {
	resp, err := p.Invoke(context.Background(), r)
	return resp, nil, err
}

// Invoke carries out a call at once, even a delayed one.
func (p *Platform) Invoke(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Last = *r
	p.Last.Body.Data = slices.Clone(r.Body.Data)
	if p.Refuse != nil {
		return nil, p.Refuse
	}
	if inv := p.Calls[wire.InvocationID("key-"+r.Key)]; r.Key != "" && inv != nil {
		return &wire.Response{ID: inv.ID, Done: true, Body: inv.Body, Fail: inv.Fail, Again: true}, nil
	}
	body, fail := p.run(r)
	resp := &wire.Response{Done: true, Body: body, Fail: fail}
	if r.Async || r.Key != "" {
		resp.ID = wire.InvocationID("key-" + r.Key)
		if r.Key == "" {
			resp.ID = wire.InvocationID(fmt.Sprintf("i%d", len(p.Calls)+1))
		}
		inv := &wire.Invocation{ID: resp.ID, To: r.To, Created: Epoch, Finished: Epoch + 1e9, Expires: Epoch + 24*3600e9, Body: body, Fail: fail}
		if r.Due != 0 {
			inv.Finished, inv.Expires = 0, 0
		}
		p.Calls[resp.ID] = inv
	}
	if r.Async {
		resp.Done, resp.Body, resp.Fail = false, wire.Payload{}, nil
	}
	return resp, nil
}

func (p *Platform) run(r *wire.Request) (wire.Payload, *wire.Failure) {
	var in struct {
		By         int
		Code, Kind string
	}
	if r.Body.Format == wire.CBOR {
		_ = cbor.Unmarshal(r.Body.Data, &in)
	} else {
		_ = json.Unmarshal(r.Body.Data, &in)
	}
	switch r.To.Method {
	case "echo":
		return r.Body, nil
	case "add":
		p.Counters[r.To.Key] += in.By
	case "reset":
		p.Counters[r.To.Key] = 0
		return wire.Payload{}, nil
	case "fail":
		if in.Kind == "" {
			in.Kind = "failed"
		}
		return wire.Payload{}, &wire.Failure{Kind: in.Kind, Code: in.Code, Message: "it was asked to"}
	}
	if r.Want == wire.CBOR {
		return wire.Payload{Format: wire.CBOR, Data: encode(p.Counters[r.To.Key])}, nil
	}
	return wire.Payload{Format: wire.JSON, Data: fmt.Append(nil, p.Counters[r.To.Key])}, nil
}

// Invocation returns a record. It does not wait.
func (p *Platform) Invocation(ctx context.Context, id wire.InvocationID, wait time.Duration) (*wire.Invocation, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	inv := p.Calls[id]
	if inv == nil {
		return nil, fault.New(fault.NotFound, "stub", string(id), "no such invocation")
	}
	return inv, nil
}

// Object returns a counter as state with a container.
func (p *Platform) Object(ctx context.Context, id wire.ObjectID) (*turn.State, wire.ObjectInfo, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, ok := p.Counters[id.Key]
	if !ok || id.Type != "counter" {
		return nil, wire.ObjectInfo{}, fault.New(fault.NotFound, "stub", id.String(), "no such object")
	}
	root := encode(map[string]any{"hits": cbor.Tag{Number: 40500, Content: 5}})
	return &turn.State{Root: root, Entries: []turn.Entry{{Field: "hits", Value: encode(n)}}}, p.info(id.Key), nil
}

func (p *Platform) info(key string) wire.ObjectInfo {
	return wire.ObjectInfo{ID: wire.ObjectID{Type: "counter", Key: key}, Size: 10 * p.Counters[key], Modified: Epoch}
}

// Delete removes a counter.
func (p *Platform) Delete(ctx context.Context, id wire.ObjectID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.Counters[id.Key]; !ok {
		return fault.New(fault.NotFound, "stub", id.String(), "no such object")
	}
	delete(p.Counters, id.Key)
	return nil
}

// List returns counters; the cursor is the last key.
func (p *Platform) List(ctx context.Context, typ, prefix, cursor string, limit int) (infos []wire.ObjectInfo, next string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if typ != "counter" {
		return nil, "", nil
	}
	if p.Page > 0 {
		limit = min(limit, p.Page)
	}
	for _, key := range keys(p.Counters) {
		if key <= cursor || !strings.HasPrefix(key, prefix) {
			continue
		}
		if len(infos) == limit {
			return infos, infos[limit-1].ID.Key, nil
		}
		infos = append(infos, p.info(key))
	}
	return infos, "", nil
}

func keys[V any](m map[string]V) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// Letters lists the letters that f chooses, all on one page.
func (p *Platform) Letters(ctx context.Context, f *wire.DeadFilter, cursor string, limit int) (letters []wire.DeadLetter, next string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range keys(p.Dead) {
		if l := p.Dead[id]; f.Match(l) {
			letters = append(letters, *l)
		}
	}
	return letters, "", nil
}

// DeadLetter returns a letter.
func (p *Platform) DeadLetter(ctx context.Context, id string) (*wire.DeadLetter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.Dead[id]; l != nil {
		return l, nil
	}
	return nil, fault.New(fault.NotFound, "stub", id, "no such letter")
}

// RetryDead forgets a letter.
func (p *Platform) RetryDead(ctx context.Context, id string) error { return p.DropDead(ctx, id) }

// DropDead forgets a letter.
func (p *Platform) DropDead(ctx context.Context, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Dead[id] == nil {
		return fault.New(fault.NotFound, "stub", id, "no such letter")
	}
	delete(p.Dead, id)
	return nil
}

// Status returns made-up figures.
func (p *Platform) Status(ctx context.Context) (*api.Status, error) {
	return &api.Status{Version: "v0.1.0", Mode: "dev", State: "running", Started: time.Unix(0, int64(Epoch)).UTC(), UptimeS: 3723,
		DataDir: "/tmp/situ", BytesWritten: 1234567, Disk: api.DiskStatus{Free: 5 << 30, Writable: true},
		Worker: &api.WorkerStatus{PID: 4711, State: "running", Restarts: 1},
		Shards: []api.ShardStatus{{ID: 0, Seq: 17, Resident: 3, Queued: 1}, {ID: 1, Seq: 9, Timers: 2, Outbox: 4, Dead: 1}}}, nil
}
