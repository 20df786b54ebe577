package process

import (
	"bytes"
	"io"
	"log/slog"
	"testing"
)

// FuzzLines prints anything, in two pieces: where it is cut makes no
// difference, and what is kept is bounded.
func FuzzLines(f *testing.F) {
	f.Add([]byte("plain\n{\"time\":\"2026-01-02T03:04:05Z\",\"level\":\"INFO\",\"msg\":\"m\",\"n\":1}\nfatal error: x\r\nrest"), 9)
	f.Add(bytes.Repeat([]byte("long"), maxLine/2), maxLine)
	f.Fuzz(func(t *testing.T, text []byte, at int) {
		show := func(parts ...[]byte) string {
			var out bytes.Buffer
			l := &lines{log: slog.New(slog.NewJSONHandler(io.MultiWriter(&out), nil)), out: &out}
			for _, p := range parts {
				if n, err := l.Write(p); n != len(p) || err != nil {
					t.Fatal(n, err)
				}
			}
			if len(l.buf) > maxLine+16 || len(l.last) > 200 {
				t.Errorf("%d and %d bytes are kept", len(l.buf), len(l.last))
			}
			return out.String()
		}
		at = max(0, min(at, len(text)))
		if whole, cut := show(text), show(text[:at], text[at:]); whole != cut {
			t.Errorf("got  %q\nwant %q", cut, whole)
		}
	})
}
