// Package deployment is the platform's deployments: each is an object, written
// with the SDK like a user's, that says which versions there are and which part of
// the calls each has. Every act is one turn of it, so that a crash leaves what was
// before or what comes after. What an act means is of package deploy; fleet asks for
// acts and does what follows.
package deployment

import (
	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/deploy"
)

// Type is the type of deployments; the key is the name.
var Type = situ.NewType("situ.deployment", situ.Doc("Versions of a program, and which part of the calls each has."))

// What can be asked of a deployment.
var (
	Do     = situ.NewMethod[deploy.Act, deploy.State](Type, "do", situ.Doc("Does something to the deployment. The platform calls it, and acts on what it says."))
	Info   = situ.NewMethod[situ.None, deploy.State](Type, "info", situ.ReadOnly, situ.Doc("How the deployment is."))
	Forget = situ.NewMethod[situ.None, situ.None](Type, "forget", situ.Doc("Forgets the deployment if it was deleted and its time is over."))
)

// Component hosts deployments.
func Component() situ.Component {
	return situ.Object(Type,
		situ.On(Do, func(s *deploy.State, t *situ.Turn, a deploy.Act) (deploy.State, error) {
			err := s.Do(t.Key(), a, t.Now())
			return *s, err
		}),
		situ.On(Info, func(s *deploy.State, _ *situ.Turn, _ situ.None) (deploy.State, error) { return *s, nil }),
		situ.On(Forget, func(s *deploy.State, t *situ.Turn, _ situ.None) (none situ.None, err error) {
			if s.Last == 0 || s.Ended(t.Now()) {
				t.Delete()
			}
			return none, nil
		}))
}

// Read returns the deployment that rests as that state, as CBOR.
func Read(root []byte) (deploy.State, error) {
	var s deploy.State
	err := codec.Decode(root, &s)
	return s, err
}
