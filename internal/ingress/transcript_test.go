package ingress_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/ingress"
	"github.com/situ-dev/situ/internal/ingress/ingresstest"
)

func newHandler(p *ingresstest.Platform, cfg ingress.Config) *ingress.Handler {
	cfg.Now = func() time.Time { return time.Unix(0, int64(ingresstest.Epoch)).UTC() }
	return ingress.New(ingress.Platform{Engine: p, Objects: p, DeadLetters: p, Monitor: p, Chains: p}, cfg)
}

// TestTranscripts runs testdata/*.txt. The commands, one a block:
//
//	new [max-body=N] [local]   a stub platform and a door before it
//	refuse kind=K              the platform refuses calls (kind=none: no more)
//	unload                     no program is loaded
//	http [hex]                 a request: "METHOD PATH", headers, an empty line, the body
//	last                       the call that the platform got last
//
// Traces that the door made are shown as "new". Run with -rewrite to write
// what came out, and read the diff.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var p *ingresstest.Platform
		var h *ingress.Handler
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "new":
				cfg := ingress.Config{Local: d.HasArg("local")}
				var most int
				d.MaybeScanArgs(t, "max-body", &most)
				cfg.MaxBody = int64(most)
				p = ingresstest.New()
				h = newHandler(p, cfg)
			case "refuse":
				p.Refuse = refusal(d)
			case "unload":
				p.Program = nil
			case "last":
				return fmt.Sprintf("to=%s format=%d want=%d key=%q async=%t due=%d body=%s", p.Last.To, p.Last.Body.Format,
					p.Last.Want, p.Last.Key, p.Last.Async, p.Last.Due, p.Last.Body.Data)
			case "http":
				return exchange(h, d.Input, d.HasArg("hex"))
			default:
				d.Fatalf(t, "no such command")
			}
			return ""
		})
	})
}

func refusal(d *datadriven.TestData) error {
	kind := d.CmdArgs[0].Vals[0]
	if kind == "none" {
		return nil
	}
	return &fault.Error{Kind: fault.ParseKind(kind), Op: "stub.invoke", On: "counter/a", Msg: "as the test has it", Retry: 1500 * time.Millisecond}
}

// exchange makes a request and shows the response.
func exchange(h http.Handler, text string, isHex bool) string {
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimRight(head, "\n"), "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	body = strings.TrimSuffix(body, "\n")
	if isHex {
		b, err := hex.DecodeString(body)
		if err != nil {
			return err.Error()
		}
		body = string(b)
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return show(w, r)
}

func show(w *httptest.ResponseRecorder, r *http.Request) string {
	var b strings.Builder
	fmt.Fprintln(&b, w.Code)
	var names []string
	for name := range w.Header() {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := strings.Join(w.Header()[name], ", ")
		if name == api.HeaderTrace && value != r.Header.Get(name) {
			value = "new"
		}
		if name != "Content-Length" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	body := w.Body.String()
	if w.Header().Get("Content-Type") == "application/cbor" {
		body = hex.EncodeToString(w.Body.Bytes())
	}
	b.WriteString(strings.TrimSuffix(body, "\n"))
	return b.String()
}
