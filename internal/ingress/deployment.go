package ingress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/deploy"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/ingress/h1"
	"github.com/situ-dev/situ/internal/ingress/rollout"
)

// Deployments is what is deployed.
type Deployments interface {
	// Deploy makes a version of an archive, which takes over as the plan says if it is
	// to be promoted.
	Deploy(ctx context.Context, name string, archive io.Reader, zip, promote bool, plan deploy.Plan) (api.Deployed, error)
	// Act does what act says of the state that is there.
	Act(ctx context.Context, name string, act func(*deploy.State) (deploy.Act, error)) (api.Deployment, error)
	Deployment(ctx context.Context, name string) (api.Deployment, error)
	Deployments(ctx context.Context) ([]api.Deployment, error)
}

// maxArchive bounds an archive, in bytes.
const maxArchive = 256 << 20

// Times for an archive to come, and for what is in it to start.
const (
	archiveTimeout = 5 * time.Minute
	startTimeout   = time.Minute
)

// fleet refuses what a platform without deployments cannot do.
func fleet(serve func(*exchange, Deployments) error) func(*exchange) error {
	return func(x *exchange) error {
		if x.h.p.Deployments == nil {
			return &refusal{kind: fault.NotFound, detail: "nothing can be deployed to this platform: it runs one program; situ serve runs one with deployments"}
		}
		x.c.Within(startTimeout)
		return serve(x, x.h.p.Deployments)
	}
}

func (x *exchange) deploy(d Deployments) error {
	q, err := x.query(rollout.Query...)
	if err != nil {
		return err
	}
	promote, plan, err := rollout.Deploy(q)
	if err != nil {
		return err
	}
	zip := false
	value, _ := x.head.Value("Content-Type")
	switch media, _, err := mime.ParseMediaType(string(value)); {
	case err == nil && media == bundle.TypeZip:
		zip = true
	case err != nil || media != bundle.TypeTar && media != "application/gzip" && media != "application/octet-stream":
		return &refusal{kind: fault.Invalid, status: http.StatusUnsupportedMediaType, title: "Unsupported media type",
			detail: fmt.Sprintf("an archive is of type %s or %s, not %q", bundle.TypeTar, bundle.TypeZip, value)}
	}
	name := strings.Clone(x.args[0])
	x.c.Within(archiveTimeout)
	archive, err := x.c.Body(maxArchive)
	if r, ok := errors.AsType[*h1.Refusal](err); ok {
		return &refusal{kind: fault.Invalid, status: r.Status, title: http.StatusText(r.Status), detail: r.Why}
	}
	switch {
	case errors.Is(err, h1.ErrTooLarge):
		return &refusal{kind: fault.TooLarge, detail: fmt.Sprintf("the archive has more than %d MiB", maxArchive>>20)}
	case errors.Is(err, h1.ErrFull):
		return &refusal{kind: fault.Busy, detail: err.Error() + ": try again later"}
	case err != nil:
		return malformed("the archive ended early: %v", err)
	}
	x.c.Within(startTimeout)
	out, err := d.Deploy(x.c, name, bytes.NewReader(archive), zip, promote, plan)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if out.New {
		status = http.StatusCreated
	}
	return x.json(status, out)
}

func (x *exchange) deployments(d Deployments) error {
	all, err := d.Deployments(x.c)
	if err != nil {
		return err
	}
	return x.json(200, api.Deployments{Deployments: all})
}

func (x *exchange) deployment(d Deployments) error {
	doc, err := d.Deployment(x.c, x.args[0])
	if err != nil {
		return err
	}
	return x.json(200, doc)
}

// acts reads a document of type T, which may be left out, and has an act be done that
// is made of it.
func acts[T any](act func(*deploy.State, *T) (deploy.Act, error)) func(*exchange) error {
	return fleet(func(x *exchange, d Deployments) error {
		name := strings.Clone(x.args[0])
		doc := new(T)
		if err := x.parse(doc); err != nil {
			return err
		}
		return x.acted(d, name, func(s *deploy.State) (deploy.Act, error) { return act(s, doc) })
	})
}

func (x *exchange) acted(d Deployments, name string, act func(*deploy.State) (deploy.Act, error)) error {
	doc, err := d.Act(x.c, name, act)
	if err != nil {
		return err
	}
	return x.json(200, doc)
}

func rollback(_ *deploy.State, doc *api.DeploymentReason) (deploy.Act, error) {
	return deploy.Act{Rollback: &deploy.Reason{Why: doc.Reason}}, nil
}

func turnOff(_ *deploy.State, doc *api.DeploymentReason) (deploy.Act, error) {
	return deploy.Act{Off: &deploy.Reason{Why: doc.Reason}}, nil
}

func turnOn(_ *deploy.State, doc *api.DeploymentOn) (deploy.Act, error) {
	return deploy.Act{On: &deploy.On{Rate: doc.Rate}}, nil
}

// undeploy deletes a deployment, after a time of grace.
func (x *exchange) undeploy(d Deployments) error {
	q, err := x.query("grace")
	if err != nil {
		return err
	}
	remove := &deploy.Remove{}
	if s := q.Get("grace"); s != "" {
		if remove.Grace, err = time.ParseDuration(s); err != nil || remove.Grace < 0 {
			return malformed("grace=%s is no duration such as 1h", s)
		}
	}
	return x.acted(d, strings.Clone(x.args[0]), func(*deploy.State) (deploy.Act, error) { return deploy.Act{Remove: remove}, nil })
}
