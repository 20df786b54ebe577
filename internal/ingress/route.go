package ingress

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/ingress/rollout"
)

// route is one operation of the API.
type route struct {
	method  string
	pattern string
	serve   func(*exchange) error
	parts   []string // of the pattern; "" is a parameter
}

// routes is the whole API; openapi.json describes each line. The order is that
// of use, because it is searched from the top.
var routes = compileRoutes([]route{
	{method: "POST", pattern: "/v1/objects/{type}/{key}/{method}", serve: (*exchange).callObject},
	{method: "POST", pattern: "/v1/functions/{name}", serve: (*exchange).callFunction},
	{method: "GET", pattern: "/v1/objects/{type}/{key}", serve: (*exchange).object},
	{method: "DELETE", pattern: "/v1/objects/{type}/{key}", serve: (*exchange).deleteObject},
	{method: "GET", pattern: "/v1/objects/{type}", serve: (*exchange).listObjects},
	{method: "GET", pattern: "/v1/objects", serve: (*exchange).listTypes},
	{method: "GET", pattern: "/v1/functions", serve: (*exchange).listFunctions},
	{method: "GET", pattern: "/v1/invocations/{id}", serve: (*exchange).invocation},
	{method: "GET", pattern: "/v1/invocations/{id}/trace", serve: (*exchange).showTrace},
	{method: "GET", pattern: "/v1/usage", serve: (*exchange).usage},
	{method: "POST", pattern: "/v1/flows", serve: (*exchange).submitFlow},
	{method: "GET", pattern: "/v1/flows/{key}", serve: (*exchange).flowStatus},
	{method: "GET", pattern: "/v1/flows.schema.json", serve: (*exchange).flowSchema},
	{method: "POST", pattern: "/v1/invocations/{id}/cancel", serve: controlled((*exchange).cancel)},
	{method: "POST", pattern: "/v1/pauses", serve: controlled((*exchange).pause)},
	{method: "GET", pattern: "/v1/pauses", serve: controlled((*exchange).listPauses)},
	{method: "DELETE", pattern: "/v1/pauses/{id}", serve: controlled((*exchange).resume)},
	{method: "POST", pattern: "/v1/dead/retry", serve: controlled((*exchange).redriveDead)},
	{method: "POST", pattern: "/v1/dead/drop", serve: controlled((*exchange).dropAllDead)},
	{method: "GET", pattern: "/v1/redrives", serve: controlled((*exchange).listRedrives)},
	{method: "GET", pattern: "/v1/redrives/{id}", serve: controlled((*exchange).showRedrive)},
	{method: "DELETE", pattern: "/v1/redrives/{id}", serve: controlled((*exchange).stopRedrive)},
	{method: "GET", pattern: "/v1/dead", serve: (*exchange).listDead},
	{method: "GET", pattern: "/v1/dead/{id}", serve: (*exchange).deadLetter},
	{method: "DELETE", pattern: "/v1/dead/{id}", serve: (*exchange).dropDead},
	{method: "POST", pattern: "/v1/dead/{id}/retry", serve: (*exchange).retryDead},
	{method: "GET", pattern: "/v1/schedules", serve: (*exchange).listSchedules},
	{method: "PUT", pattern: "/v1/schedules/{name}", serve: (*exchange).putSchedule},
	{method: "GET", pattern: "/v1/schedules/{name}", serve: (*exchange).schedule},
	{method: "DELETE", pattern: "/v1/schedules/{name}", serve: (*exchange).deleteSchedule},
	{method: "POST", pattern: "/v1/schedules/{name}/pause", serve: (*exchange).pauseSchedule},
	{method: "POST", pattern: "/v1/schedules/{name}/resume", serve: (*exchange).resumeSchedule},
	{method: "POST", pattern: "/v1/schedules/{name}/run", serve: (*exchange).runSchedule},
	{method: "POST", pattern: "/v1/callbacks/{token}", serve: (*exchange).answerCallback},
	{method: "GET", pattern: "/v1/callbacks/{token}", serve: (*exchange).callback},
	{method: "GET", pattern: "/v1/deployments", serve: fleet((*exchange).deployments)},
	{method: "POST", pattern: "/v1/deployments/{name}", serve: fleet((*exchange).deploy)},
	{method: "GET", pattern: "/v1/deployments/{name}", serve: fleet((*exchange).deployment)},
	{method: "DELETE", pattern: "/v1/deployments/{name}", serve: fleet((*exchange).undeploy)},
	{method: "POST", pattern: "/v1/deployments/{name}/promote", serve: acts(rollout.Promote)},
	{method: "POST", pattern: "/v1/deployments/{name}/weights", serve: acts(rollout.Weigh)},
	{method: "POST", pattern: "/v1/deployments/{name}/rollback", serve: acts(rollback)},
	{method: "POST", pattern: "/v1/deployments/{name}/off", serve: acts(turnOff)},
	{method: "POST", pattern: "/v1/deployments/{name}/on", serve: acts(turnOn)},
	{method: "GET", pattern: "/v1/describe", serve: (*exchange).describe},
	{method: "GET", pattern: "/v1/status", serve: (*exchange).status},
	{method: "GET", pattern: "/v1/openapi.json", serve: (*exchange).openAPI},
	{method: "GET", pattern: "/healthz", serve: (*exchange).health},
})

func compileRoutes(list []route) []route {
	for i := range list {
		for part := range strings.SplitSeq(list[i].pattern[1:], "/") {
			if part[0] == '{' {
				part = ""
			}
			list[i].parts = append(list[i].parts, part)
		}
	}
	return list
}

// maxParts is the number of segments of the longest path, and one more.
const maxParts = 6

// split cuts an escaped path into its segments. It returns 0 if there are too
// many.
func split(path string, parts *[maxParts]string) (n int) {
	if path == "" || path[0] != '/' {
		return 0
	}
	for path = path[1:]; n < maxParts; n++ {
		i := strings.IndexByte(path, '/')
		if i < 0 {
			parts[n] = path
			return n + 1
		}
		parts[n], path = path[:i], path[i+1:]
	}
	return 0
}

// fits reports whether the segments are those of rt.
func (rt *route) fits(parts []string) bool {
	if len(parts) != len(rt.parts) {
		return false
	}
	for i, p := range rt.parts {
		if p != "" && p != parts[i] {
			return false
		}
	}
	return true
}

// route finds the route of the request and takes its parameters.
func (x *exchange) route() (*route, error) {
	var room [maxParts]string
	parts := room[:split(x.head.Path, &room)]
	method := x.head.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var allow []string
	for i := range routes {
		rt := &routes[i]
		if !rt.fits(parts) {
			continue
		}
		if rt.method == method {
			return rt, x.take(rt, parts)
		}
		allow = append(allow, rt.method)
	}
	if allow == nil {
		return nil, &refusal{kind: fault.NotFound, detail: "there is no such path; " + pathHint(parts) + "the paths are described at /v1/openapi.json"}
	}
	x.set("Allow", strings.Join(allow, ", "))
	return nil, &refusal{kind: fault.Invalid, status: http.StatusMethodNotAllowed, title: "Method not allowed",
		detail: "this path takes " + strings.Join(allow, " and ") + ", not " + x.head.Method}
}

// pathHint says what is often wrong with a path.
func pathHint(parts []string) string {
	switch {
	case len(parts) > 0 && (parts[0] == "objects" || parts[0] == "functions"):
		return "did you leave out /v1? "
	case len(parts) == 0 || len(parts) == maxParts:
		return "in a key, '/' is written as %2F; "
	}
	return ""
}

// take decodes the parameters of the path.
func (x *exchange) take(rt *route, parts []string) error {
	n := 0
	for i, p := range rt.parts {
		if p != "" {
			continue
		}
		s, err := url.PathUnescape(parts[i])
		if err != nil {
			return &refusal{kind: fault.Invalid, detail: "the path has a malformed escape: " + err.Error()}
		}
		x.args[n] = s
		n++
	}
	return nil
}

// admit refuses what a web page of somebody else may have made a browser send.
func (x *exchange) admit() error {
	if x.foreign() {
		return &refusal{kind: fault.Invalid, status: http.StatusForbidden, title: "Forbidden",
			detail: "requests that change something are not taken from web pages of another origin"}
	}
	if !x.h.cfg.Local || x.local != "" && x.local == x.head.Host {
		return nil
	}
	if !localHost(x.head.Host) {
		return &refusal{kind: fault.Invalid, status: http.StatusForbidden, title: "Forbidden",
			detail: "this address serves only this machine: call it by localhost or an IP address, not " + x.head.Host}
	}
	x.local = strings.Clone(x.head.Host)
	return nil
}

// foreign reports whether a browser says that a page of another origin made
// the request.
func (x *exchange) foreign() bool {
	_, site := x.head.Value("Sec-Fetch-Site")
	_, origin := x.head.Value("Origin")
	if site+origin == 0 {
		return false
	}
	r := &http.Request{Method: x.head.Method, Host: x.head.Host, URL: &url.URL{Path: x.head.Path},
		Header: http.Header{"Sec-Fetch-Site": x.values("Sec-Fetch-Site"), "Origin": x.values("Origin")}}
	return x.h.cross.Check(r) != nil
}

// localHost reports whether the Host of a request is this machine's or an
// address.
func localHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(strings.Trim(host, "[]")) != nil
}
