package h1

import (
	"bufio"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// A server is packed when many connections are busy, until few are, not when
// many are open.
func TestPacked(t *testing.T) {
	twoProcessors(t)
	bubble(t, handling{serve: echo}, Limits{}, func(t *testing.T, s *Server, p *pipes) {
		type client struct {
			c net.Conn
			r *bufio.Reader
		}
		many := make([]client, packed*runtime.GOMAXPROCS(0))
		all := func(who []client) {
			for _, c := range who {
				if status, body := ask(t, c.c, c.r, request("x")); status != 200 || body != "x" {
					t.Fatal(status, body)
				}
			}
			time.Sleep(tick) // virtual
			synctest.Wait()  // the server has looked
		}
		for i := range many {
			many[i].c, many[i].r = p.dial()
			defer func() { _ = many[i].c.Close() }() // nothing is under way
		}
		for _, want := range []bool{true, false, true} {
			who := many
			if !want {
				who = many[:len(many)/4-1]
				time.Sleep(3 * tick)
			}
			all(who)
			if got := s.packed.Load(); got != want {
				t.Errorf("%d of %d connections are busy: packed is %v", len(who), len(many), got)
			}
		}
	})
}
