package api

import (
	"encoding/json"
	"time"
)

// Trace is what is known of the chain of a recorded call. Times are in
// milliseconds. SyncMS is for how long its calls would be billed, in all, if
// callers waited for each other.
type Trace struct {
	ID        string    `json:"id"`
	Status    string    `json:"status"`
	Target    string    `json:"target"`
	Created   time.Time `json:"created,omitzero"`
	Finished  time.Time `json:"finished,omitzero"`
	Now       time.Time `json:"now,omitzero"`
	WallMS    float64   `json:"wallMs"`
	ActiveMS  float64   `json:"activeMs"`
	WaitingMS float64   `json:"waitingMs"`
	SyncMS    float64   `json:"syncMs"`
	Total     int       `json:"total"`            // calls that are known
	LeftOut   uint64    `json:"leftOut,omitzero"` // calls that no row tells of
	Calls     []Span    `json:"calls"`            // parents before their children
}

// Span is one call of a chain, or a later turn that took an answer.
type Span struct {
	ID        string          `json:"id"`
	Parent    string          `json:"parent,omitempty"`
	Depth     int             `json:"depth"`
	Kind      string          `json:"kind"` // "call" or "continuation"
	Target    string          `json:"target"`
	State     string          `json:"state"`
	Since     time.Time       `json:"since,omitzero"`
	Until     time.Time       `json:"until,omitzero"`
	Made      time.Time       `json:"made,omitzero"`
	Begun     time.Time       `json:"begun,omitzero"`
	Ended     time.Time       `json:"ended,omitzero"`
	Answered  time.Time       `json:"answered,omitzero"`
	ActiveMS  float64         `json:"activeMs"`
	WaitingMS float64         `json:"waitingMs"`
	SyncMS    float64         `json:"syncMs"`
	Runs      uint32          `json:"runs"`
	OneWay    bool            `json:"oneWay,omitempty"`
	Missing   uint32          `json:"missing,omitzero"` // calls that it made and that are on their way, or left out
	InputSize int             `json:"inputSize"`
	Input     json.RawMessage `json:"input,omitempty"` // if it is short
	Error     *Failure        `json:"error,omitempty"`
}

// Usage is what was counted, and what it costs: as it is, where nobody pays for
// waiting, and as it would be if callers waited. Prices are of time alone.
type Usage struct {
	By       string      `json:"by"` // "function" or "chain"
	Since    time.Time   `json:"since,omitzero"`
	MemoryMB int         `json:"memoryMb"`
	GBSecond float64     `json:"gbSecondPrice"`
	Lines    []UsageLine `json:"lines"`
	Total    UsageLine   `json:"total"`
	Next     string      `json:"next,omitempty"`
}

// UsageLine is the usage of one function, method or chain.
type UsageLine struct {
	Name       string  `json:"name"`
	Target     string  `json:"target,omitempty"` // of a chain
	Turns      uint64  `json:"turns"`
	Errors     uint64  `json:"errors"`
	Retries    uint64  `json:"retries"`
	Dead       uint64  `json:"dead"`
	ActiveMS   float64 `json:"activeMs"`
	Calls      uint64  `json:"chainCalls"` // answered, in chains
	WallMS     float64 `json:"wallMs"`     // of those, from when they were made to their answer
	WaitingMS  float64 `json:"waitingMs"`
	OwnMS      float64 `json:"chainActiveMs"` // what ran for them
	SyncMS     float64 `json:"syncMs"`        // for how long they would be billed if callers waited
	ActiveCost float64 `json:"activeCost"`    // of chainActiveMs
	SyncCost   float64 `json:"syncCost"`
}
