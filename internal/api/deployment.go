package api

import (
	"time"

	"github.com/situ-dev/situ/internal/bundle"
)

// Deployed is the answer to an archive that was taken.
type Deployed struct {
	Name    string  `json:"name"`
	Version string  `json:"version"` // NAME@ID
	Number  int     `json:"number"`
	New     bool    `json:"new"`    // there was no such content before
	Weight  float64 `json:"weight"` // the part of the calls that it has now
}

// Deployments is a list of deployments.
type Deployments struct {
	Deployments []Deployment `json:"deployments"`
}

// Deployment tells how a deployment is.
type Deployment struct {
	Name      string            `json:"name"`
	Types     []string          `json:"types,omitempty"` // of objects, of the versions that take calls
	Functions []string          `json:"functions,omitempty"`
	Versions  []DeployedVersion `json:"versions"` // the newest first
	Rollout   *Rollout          `json:"rollout,omitempty"`
	Off       *DeploymentOff    `json:"off,omitempty"`
	Ends      time.Time         `json:"ends,omitzero"`    // it was deleted, and goes then
	Events    []DeploymentEvent `json:"events,omitempty"` // the newest first
}

// DeployedVersion is a version of a deployment.
type DeployedVersion struct {
	Version  string           `json:"version"` // NAME@ID
	Number   int              `json:"number"`
	Bundle   string           `json:"bundle"` // SHA-256 of the content
	Added    time.Time        `json:"added"`
	Weight   float64          `json:"weight"` // the part of the calls that it has
	State    string           `json:"state"`  // of its worker: starting, running, restarting, stopped
	PID      int              `json:"pid,omitempty"`
	Restarts int              `json:"restarts,omitempty"`
	Calls    int              `json:"calls,omitempty"`    // in the last seconds
	Failed   int              `json:"failed,omitempty"`   // of these
	P95MS    float64          `json:"p95Ms,omitempty"`    // 95 in a hundred of them were quicker, in milliseconds
	Manifest *bundle.Manifest `json:"manifest,omitempty"` // of its bundle, if one deployment was asked for
}

// Promotion says how a version takes over. Of the archive that brings a version it is
// the query, with the same names.
type Promotion struct {
	Version string    `json:"version,omitempty"` // a number, or the beginning of an ID
	Steps   []float64 `json:"steps,omitempty"`   // weights, one after another
	Hold    string    `json:"hold,omitempty"`    // a duration: for how long each
	Errors  float64   `json:"errors,omitempty"`  // it is taken back when this part of its calls fails
	Latency string    `json:"latency,omitempty"` // and when 5 in a hundred take so long
	Calls   int       `json:"calls,omitempty"`   // so many calls are looked at, at least
}

// Rollout is a version that takes over in steps, or is watched.
type Rollout struct {
	Version string    `json:"version"` // NAME@ID
	Steps   []float64 `json:"steps"`
	Step    int       `json:"step"` // from 1
	Since   time.Time `json:"since"`
	Hold    string    `json:"hold"`
	Errors  float64   `json:"errors,omitempty"`
	Latency string    `json:"latency,omitempty"`
	Calls   int       `json:"calls,omitempty"`
}

// Weights says which part of the calls versions have, by number or ID.
type Weights struct {
	Weights map[string]float64 `json:"weights"`
}

// DeploymentReason says why something is done.
type DeploymentReason struct {
	Reason string `json:"reason,omitempty"`
}

// DeploymentOn lets go what is parked.
type DeploymentOn struct {
	Rate float64 `json:"rate,omitempty"` // messages a second, 0 is any
}

// DeploymentOff says that a deployment is off.
type DeploymentOff struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
	Parked int       `json:"parked"` // messages that wait
}

// DeploymentEvent is something that was done to a deployment.
type DeploymentEvent struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}
