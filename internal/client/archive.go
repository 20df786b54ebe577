package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/situ-dev/situ/internal/bundle"
)

// Version is what became of an archive that was sent.
type Version struct {
	Name    string  `json:"name"`
	Version string  `json:"version"` // NAME@ID
	Number  int     `json:"number"`
	New     bool    `json:"new"`    // there was no such content before
	Weight  float64 `json:"weight"` // the part of the calls that it has
}

// Deployment tells what of a deployment a plan is made of.
type Deployment struct {
	Name     string            `json:"name"`
	Versions []DeployedVersion `json:"versions"`
}

// DeployedVersion is one version of it.
type DeployedVersion struct {
	Version  string           `json:"version"` // NAME@ID
	Number   int              `json:"number"`
	Bundle   string           `json:"bundle"` // SHA-256 of the content
	Weight   float64          `json:"weight"`
	Manifest *bundle.Manifest `json:"manifest,omitempty"` // nil: the platform does not tell
}

// PutArchive sends an archive of that media type, which becomes a version of the
// deployment with that name. The query says how it takes over.
func (c *Client) PutArchive(ctx context.Context, name, media string, archive []byte, q url.Values) (*Version, error) {
	path := "/v1/deployments/" + segment(name)
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	req, err := c.request(ctx, http.MethodPost, path, archive)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", media)
	_, body, err := c.do(req, name)
	if err != nil {
		return nil, err
	}
	v := &Version{}
	return v, decode(body, v, path)
}

// Versions tells the versions of a deployment. The error is of kind
// fault.NotFound if there is none of that name.
func (c *Client) Versions(ctx context.Context, name string) (*Deployment, error) {
	return get[Deployment](ctx, c, "/v1/deployments/"+segment(name), nil)
}
