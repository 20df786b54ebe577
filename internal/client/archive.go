package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/situ-dev/situ/internal/api"
)

// PutArchive sends an archive of that media type, which becomes a version of the
// deployment with that name. The query says how it takes over.
func (c *Client) PutArchive(ctx context.Context, name, media string, archive []byte, q url.Values) (*api.Deployed, error) {
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
	v := &api.Deployed{}
	return v, decode(body, v, path)
}
