package killtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"
)

// op is one thing that the client wants done, told so that it can be done
// again by another process.
type op struct {
	ID    string        `json:"id"`             // the idempotency key, if the kind has one
	Kind  kind          `json:"kind"`           // what to do
	Key   string        `json:"key"`            // of the object
	To    string        `json:"to,omitempty"`   // of another object
	N     int           `json:"n,omitempty"`    // how much
	Delay time.Duration `json:"wait,omitempty"` // of timers
}

type kind string

const (
	add    kind = "add"    // count on a counter, with a key
	once   kind = "once"   // the same without a key: never tried again
	fund   kind = "fund"   // put money in an account
	move   kind = "move"   // from an account to another
	burst  kind = "burst"  // have a sender send
	work   kind = "work"   // a job, asynchronously
	post   kind = "post"   // the same without a key: never tried again
	alarm  kind = "alarm"  // have an object set a timer
	later  kind = "later"  // a delayed call
	write  kind = "write"  // to a register
	read   kind = "read"   // from a register
	load   kind = "load"   // flights of a route
	cancel kind = "cancel" // flights
)

// keyed reports whether the op is tried until it is answered. What has no key
// must not be: it would be done twice. Reading twice is harmless.
func (k kind) keyed() bool { return k != once && k != post }

// The words of a history. A client writes "invoke" before it makes a call and
// then, after any number of "unknown", at most one of the others.
const (
	invoked  = "invoke"   // followed by the op
	unknown  = "unknown"  // it may or may not have been done
	answered = "ok"       // followed by the answer
	accepted = "accepted" // followed by the name of the invocation
	refused  = "refused"  // followed by the code and the text of an error: final
)

// fate is what a history says about one op.
type fate struct {
	op
	At      time.Time // when it was invoked
	End     time.Time // when it was answered
	Word    string    // the last word: ok, accepted or refused; "" if it was never answered
	Answer  json.RawMessage
	Retries int // unknown outcomes
}

// int returns an answer that is a number.
func (f *fate) int() int {
	n, err := strconv.Atoi(string(f.Answer))
	if err != nil {
		return -1
	}
	return n
}

// text returns an answer that is a text.
func (f *fate) text() (s string) {
	_ = json.Unmarshal(f.Answer, &s) // "" is as wrong as anything
	return s
}

// history is what a client process says that it did: a file with a line for
// each event, written before anything follows from it.
type history struct {
	mu   sync.Mutex
	file *os.File
}

func openHistory(path string) (*history, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	return &history{file: f}, err
}

// note writes a line in one piece. A client that cannot is useless.
func (h *history) note(word, id string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, err := fmt.Fprintf(h.file, "%d %s %s %s\n", time.Now().UnixNano(), word, id, b); err != nil {
		panic(err)
	}
}

// readHistory returns the fates of all ops in a file, in the order in which
// they were invoked. A last line without an end was never written.
func readHistory(path string) ([]*fate, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	var all []*fate
	known := map[string]*fate{}
	r := bufio.NewReaderSize(f, 1<<20)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		when, word, id, rest, err := cutLine(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		o := known[id]
		switch {
		case word == invoked && o == nil:
			o = &fate{At: when}
			if err := json.Unmarshal(rest, &o.op); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, n, err)
			}
			known[id] = o
			all = append(all, o)
		case o == nil:
			return nil, fmt.Errorf("%s:%d: %s of %s, which was not invoked", path, n, word, id)
		case word == unknown:
			o.Retries++
		case word != invoked: // a second client goes on with what the first began
			o.Word, o.Answer, o.End = word, rest, when
		}
	}
}

func cutLine(line []byte) (when time.Time, word, id string, rest []byte, err error) {
	parts := bytes.SplitN(bytes.TrimSuffix(line, []byte("\n")), []byte(" "), 4)
	if len(parts) < 4 {
		return when, "", "", nil, fmt.Errorf("%q is not a line of a history", line)
	}
	ns, err := strconv.ParseInt(string(parts[0]), 10, 64)
	return time.Unix(0, ns), string(parts[1]), string(parts[2]), parts[3], err
}
