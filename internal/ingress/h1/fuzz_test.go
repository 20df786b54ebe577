package h1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"
)

// tape is a connection that was recorded: it says its bytes, and then nothing.
type tape struct {
	net.Conn
	r *bytes.Reader
}

func (t *tape) Read(b []byte) (int, error)       { return t.r.Read(b) }
func (t *tape) Write(b []byte) (int, error)      { return len(b), nil }
func (t *tape) Close() error                     { return nil }
func (t *tape) SetDeadline(time.Time) error      { return nil }
func (t *tape) SetReadDeadline(time.Time) error  { return nil }
func (t *tape) SetWriteDeadline(time.Time) error { return nil }

// taken is a request as a server understood it.
type taken struct {
	head Head
	body []byte
}

// requests returns the requests that the server takes from b, and whether all
// of b was taken.
func requests(b []byte) (all []taken, clean bool) {
	s := &Server{Handler: handling{serve: func(c *Conn) bool {
		t := taken{head: *c.Head()}
		t.head.Fields = slices.Clone(t.head.Fields)
		var err error
		if t.body, err = c.Body(1 << 20); err == nil {
			all = append(all, t)
			c.Reply(200, nil, nil)
		} else {
			c.Reply(400, nil, nil)
		}
		return true
	}}}
	s.open()
	c := newConn(s, &tape{r: bytes.NewReader(b)})
	s.conns[c] = struct{}{}
	s.group.Add(1)
	c.run()
	return all, c.r == c.w
}

// FuzzRequests compares what the server takes with what net/http does: nothing
// is taken that net/http refuses, and what both take, both understand alike.
func FuzzRequests(f *testing.F) {
	for _, s := range []string{
		"POST /a/b%2Fc?d=e HTTP/1.1\r\nHost: h:80\r\nContent-Length: 3\r\nX-Y:  z \t\r\n\r\nabcGET / HTTP/1.1\r\nhost: h\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b;c\r\nabc\r\n0a\r\n0123456789\r\n0\r\n\r\nGET http://h/x HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nHEAD /x HTTP/1.1\r\nHost: [::1]:1\r\nExpect: 100-continue\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost:\r\nConnection: a, close\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\nHost: h\n\n", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, _ := requests(b)
		br := bufio.NewReader(bytes.NewReader(b))
		for i := range ours {
			r, err := http.ReadRequest(br)
			if err != nil {
				t.Fatalf("request %d was taken, and net/http says %v:\n%q", i, err, b)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatalf("the body of request %d was taken, and net/http says %v:\n%q", i, err, b)
			}
			if err := same(&ours[i], r, body); err != nil {
				t.Fatalf("request %d: %v:\n%q\nours: %+v", i, err, b, ours[i])
			}
		}
	})
}

// same compares our reading of a request with that of net/http.
func same(ours *taken, r *http.Request, body []byte) error {
	h := &ours.head
	path, err := r.URL.EscapedPath(), error(nil)
	if h.Path != "*" && !equalPaths(h.Path, path) {
		return errors.New("the path is " + path)
	}
	switch {
	case h.Method != r.Method:
		return errors.New("the method is " + r.Method)
	case h.Query != r.URL.RawQuery:
		return errors.New("the query is " + r.URL.RawQuery)
	case h.Host != r.Host:
		return errors.New("the host is " + r.Host)
	case !bytes.Equal(ours.body, body):
		return errors.New("the body is " + string(body))
	}
	for _, f := range h.Fields {
		switch name := http.CanonicalHeaderKey(f.Name); name {
		case "Host", "Transfer-Encoding":
		default:
			if !slices.Equal(h.Values(f.Name), r.Header[name]) && name != "Connection" {
				err = errors.New(name + " is not the same")
			}
		}
	}
	return err
}

// equalPaths compares paths: net/http escapes what may stand for itself.
func equalPaths(a, b string) bool {
	if a == b {
		return true
	}
	return unescape(a) == unescape(b)
}

func unescape(s string) string {
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			out = append(out, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}
