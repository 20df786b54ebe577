package h1

import (
	"slices"
	"strings"
	"testing"
)

// A head that is the one before byte for byte is known again, and any other is
// read anew.
func TestSameHeadAgain(t *testing.T) {
	var again []bool
	var paths []string
	h := handling{serve: func(c *Conn) bool {
		again, paths = append(again, c.Head().Again), append(paths, c.Head().Path)
		return echo(c)
	}}
	long := "GET /long HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", memorable) + "\r\n\r\n"
	bubble(t, h, Limits{}, func(t *testing.T, _ *Server, p *pipes) {
		c, r := p.dial()
		for _, req := range []string{request("1"), request("2"), request("33"), request("44"), request("1"), long, long, request("1"), request("2")} {
			want := req[strings.Index(req, "\r\n\r\n")+4:]
			if status, body := ask(t, c, r, req); status != 200 || body != want {
				t.Errorf("%.20q was answered %d %q", req, status, body)
			}
		}
	})
	if want := []bool{false, true, false, true, false, false, false, false, true}; !slices.Equal(again, want) {
		t.Errorf("known again: %v, want %v", again, want)
	}
	if want := []string{"/a", "/a", "/a", "/a", "/a", "/long", "/long", "/a", "/a"}; !slices.Equal(paths, want) {
		t.Errorf("paths: %v", paths)
	}
}

// What was no request is not answered as the one before it would be: that was
// for a head alone.
func TestRefusalAfterHead(t *testing.T) {
	bubble(t, handling{serve: echo}, Limits{}, func(t *testing.T, _ *Server, p *pipes) {
		c, r := p.dial()
		const head = "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n"
		for range 2 {
			if status, _ := ask(t, c, r, head); status != 200 {
				t.Fatal(status)
			}
		}
		go func() { _, _ = c.Write([]byte("NONSENSE\r\n\r\n")) }()
		if status, body := hear(t, r); status != 400 || body == "" {
			t.Errorf("nonsense after HEAD: %d %q", status, body)
		}
	})
}
