// Package hook makes the message that has the answer of a call posted to a URL: a
// call of the platform's own function that does so. It sends nothing.
package hook

import (
	"encoding/json"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/view"
	"github.com/situ-dev/situ/internal/wire"
)

// Function is the platform's function that posts, and Delivery its input.
const Function = "situ.webhook"

// Delivery is what to post, and where.
type Delivery struct {
	URL     string          `json:"url"`
	ID      string          `json:"id"` // the same however often it is posted
	Payload json.RawMessage `json:"payload"`
}

// Event is what is posted.
type Event struct {
	Type      string         `json:"type"` // "invocation.done" or "invocation.failed"
	Timestamp time.Time      `json:"timestamp"`
	Data      api.Invocation `json:"data"`
}

// Message returns the message that has the answer in rec posted to its URL.
func Message(rec *wire.Invocation) *wire.Envelope {
	doc := api.Invocation{ID: string(rec.ID), Status: api.Done, Target: rec.To.String(), Created: instant(rec.Created), Finished: instant(rec.Finished), Expires: instant(rec.Expires)}
	if f := rec.Fail; f != nil {
		doc.Status, doc.Error = api.Failed, &api.Failure{Kind: f.Kind, Code: f.Code, Message: f.Message}
	}
	switch rec.Body.Format {
	case wire.JSON:
		doc.Result = rec.Body.Data
	case wire.CBOR:
		text, err := view.Value(rec.Body.Data)
		if err != nil { // it is in the record all the same
			text = nil
		}
		doc.Result = text
	case wire.None:
	}
	payload, err := json.Marshal(Event{"invocation." + doc.Status, doc.Finished, doc})
	if err != nil { // a result that is no JSON
		doc.Result = nil
		payload, _ = json.Marshal(Event{"invocation." + doc.Status, doc.Finished, doc}) // nothing is left that could fail
	}
	body, _ := json.Marshal(Delivery{rec.URL, string(rec.ID), payload}) // of text that is JSON
	return &wire.Envelope{Kind: wire.Call, To: wire.Address{Method: Function}, Body: wire.Payload{Format: wire.JSON, Data: body},
		Made: rec.Finished, Lineage: &wire.Lineage{Chain: rec.ID}}
}

func instant(t wire.Time) time.Time { return time.Unix(0, int64(t)).UTC() }
