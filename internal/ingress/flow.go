package ingress

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"strings"

	"github.com/situ-dev/situ/flow/graph"
	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// submitFlow carries out a flow that came as a value: an object of the platform's, with a key
// that is made here unless the caller has one.
func (x *exchange) submitFlow() error {
	if err := x.fitting(); err != nil {
		return err
	}
	op, err := x.h.catalogue().method(graph.Type, "run")
	if err != nil {
		return err
	}
	q, err := x.query("key")
	if err != nil {
		return err
	}
	to := op.to
	to.Key = q.Get("key")
	req := x.request(to)
	if err := x.options(req); err != nil {
		return err
	}
	switch {
	case req.To.Key != "":
		if err := wire.CheckKey(req.To.Key); err != nil {
			return err
		}
	case req.Key != "": // the same key, the same flow
		sum := sha256.Sum256([]byte(req.Key))
		req.To.Key = nameOf(sum[:16])
	default:
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails
		req.To.Key = nameOf(b[:])
	}
	x.set(api.HeaderFlow, req.To.Key)
	return x.carry(req, op)
}

func nameOf(b []byte) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

// flowStatus tells how a flow is.
func (x *exchange) flowStatus() error {
	op, err := x.h.catalogue().method(graph.Type, "status")
	if err != nil {
		return err
	}
	if err := wire.CheckKey(x.args[0]); err != nil {
		return err
	}
	to := op.to
	to.Key = strings.Clone(x.args[0])
	req := x.request(to)
	req.Want, req.Body = wire.JSON, wire.Payload{Format: wire.JSON, Data: emptyInput}
	return x.ask()
}

func (x *exchange) flowSchema() error {
	x.set("Content-Type", "application/schema+json")
	x.c.Reply(200, x.fields, graph.Schema)
	return nil
}

// flowChecker returns what checks flows against the program: everything that can be
// known before one begins.
func (c *catalogue) flowChecker() func([]byte) error {
	targets := func(typ, method string) (json.RawMessage, error) {
		var op *operation
		var err error
		if typ == "" {
			op, err = c.function(method)
		} else {
			op, err = c.method(typ, method)
		}
		if err != nil {
			return nil, err
		}
		return op.raw, nil
	}
	return func(body []byte) error {
		err := graph.CheckOrder(body, targets)
		found, ok := errors.AsType[graph.Problems](err)
		if !ok {
			if err != nil {
				err = malformed("the flow: %v", err)
			}
			return err
		}
		r := &refusal{kind: fault.Unfit, detail: found.Error()}
		for _, p := range found {
			r.errors = append(r.errors, api.Misfit(p))
		}
		return r
	}
}
