// Package platform is what Situ itself runs on its engine: the list of its own
// components, written with the SDK as those of users are. They are a program of
// their own, node.Platform, that runs in the process of the engine, whatever the
// user's program does; the doors for people show it only when asked. Local runs
// it, and any other program that is linked into the process.
package platform

import (
	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/platform/deployment"
	"github.com/situ-dev/situ/internal/platform/flows"
	"github.com/situ-dev/situ/internal/platform/schedule"
	"github.com/situ-dev/situ/internal/platform/webhook"
)

// Config is what the components need. Its zero value works.
type Config struct {
	// Webhook says how answers are posted to the URLs of callers.
	Webhook webhook.Config
	// More are components besides those of the list: what runs functions of Lambda, and
	// those of tests. Their names begin with host.Prefix, as those of all others.
	More []situ.Component
}

// Components returns the components of the platform. The names of their types
// and functions begin with host.Prefix.
func Components(cfg Config) []situ.Component {
	return append([]situ.Component{deployment.Component(), flows.Component(), schedule.Component(), webhook.Component(cfg.Webhook)}, cfg.More...)
}

// Assemble makes a program of the platform's components. The error names the
// one that is wrong.
func Assemble(cfg Config) (*host.Set, error) {
	set, err := situ.Assemble(Components(cfg)...)
	if err != nil {
		return nil, err
	}
	m := set.Manifest()
	return set, node.CheckNames(node.Platform, &m)
}
