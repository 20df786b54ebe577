package api

import (
	"encoding/json"
	"time"
)

// Callback tells what a callback token is waited for with.
type Callback struct {
	Status      string          `json:"status"` // "pending"
	Created     time.Time       `json:"created"`
	Expires     time.Time       `json:"expires"`
	HeartbeatS  float64         `json:"heartbeat_s,omitempty"` // a sign of life is due that often, in seconds
	SilentSince time.Time       `json:"silent_since,omitzero"` // when the last one came
	Schema      json.RawMessage `json:"schema,omitempty"`      // JSON Schema of the result
}

// Answer is what whoever has a callback token says: one of its members.
type Answer struct {
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *AnswerError    `json:"error,omitempty"`
	Heartbeat bool            `json:"heartbeat,omitempty"`
}

// AnswerError is an answer that is an error.
type AnswerError struct {
	Code    string `json:"code,omitempty"` // the application's own
	Message string `json:"message"`
}
