package door

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/lambda/durable"
	"github.com/situ-dev/situ/internal/lambda/execution"
	"github.com/situ-dev/situ/internal/wire"
)

// Objects lists objects, as a node does.
type Objects interface {
	List(ctx context.Context, typ, prefix, cursor string, limit int) (infos []wire.ObjectInfo, next string, err error)
}

// maxBody bounds a request, as Lambda does.
const maxBody = 6 << 20

// Door answers the requests of Lambda's clients.
type Door struct {
	bridge  *execution.Bridge
	objects Objects
	local   bool
	log     *slog.Logger
}

// New returns a door to the executions of a bridge. If it is local, it serves
// only this machine.
func New(b *execution.Bridge, objects Objects, local bool, log *slog.Logger) *Door {
	return &Door{bridge: b, objects: objects, local: local, log: log}
}

// Server returns a server for the door. Callers who wait for an execution may
// wait for long, so there is no bound on writing.
func (d *Door) Server() *http.Server {
	return &http.Server{Handler: d, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelWarn)}
}

// exchange is a request under way.
type exchange struct {
	*Door
	w    http.ResponseWriter
	r    *http.Request
	args []string // of the path
	body []byte
}

// route is an operation: "*" in its path is a parameter.
type route struct {
	method, path string
	serve        func(*exchange) error
}

var routes = []route{
	{"POST", "2025-12-01/durable-executions/*/checkpoint", (*exchange).checkpoint},
	{"GET", "2025-12-01/durable-executions/*/state", (*exchange).state},
	{"POST", "2015-03-31/functions/*/invocations", (*exchange).invoke},
	{"GET", "2025-12-01/durable-executions/*", (*exchange).describe},
	{"GET", "2025-12-01/durable-executions/*/history", (*exchange).history},
	{"POST", "2025-12-01/durable-executions/*/stop", (*exchange).stop},
	{"GET", "2025-12-01/functions/*/durable-executions", (*exchange).list},
	{"POST", "2025-12-01/durable-execution-callbacks/*/succeed", (*exchange).succeed},
	{"POST", "2025-12-01/durable-execution-callbacks/*/fail", (*exchange).fail},
	{"POST", "2025-12-01/durable-execution-callbacks/*/heartbeat", (*exchange).heartbeat},
}

// ServeHTTP implements http.Handler.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{Door: d, w: w, r: r}
	w.Header().Set("X-Amzn-RequestId", execution.RequestID())
	if err := x.serve(); err != nil {
		x.refuse(err)
	}
}

func (x *exchange) serve() error {
	if site := x.r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return &refusal{http.StatusForbidden, "AccessDeniedException", "requests of web pages are not taken"}
	}
	if x.local && !localHost(x.r.Host) { // a page whose name was made to mean this machine
		return &refusal{http.StatusForbidden, "AccessDeniedException", "this address serves only this machine: call it by localhost or an IP address, not " + x.r.Host}
	}
	rt, err := x.route()
	if err != nil {
		return err
	}
	x.body, err = io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &refusal{http.StatusRequestEntityTooLarge, "RequestTooLargeException", "the request has more than " + strconv.Itoa(maxBody) + " bytes"}
	} else if err != nil {
		return &refusal{http.StatusBadRequest, "InvalidRequestContentException", "the request cannot be read: " + err.Error()}
	}
	return rt.serve(x)
}

// localHost reports whether the Host of a request is this machine's or an address.
func localHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "localhost" || net.ParseIP(strings.Trim(host, "[]")) != nil
}

// route finds the operation, and takes the parameters of the path.
func (x *exchange) route() (*route, error) {
	parts := strings.Split(strings.Trim(x.r.URL.EscapedPath(), "/"), "/")
	known := false
next:
	for i := range routes {
		pattern := strings.Split(routes[i].path, "/")
		if len(pattern) != len(parts) {
			continue
		}
		var args []string
		for j, p := range pattern {
			if p == "*" {
				arg, err := url.PathUnescape(parts[j])
				if err != nil {
					return nil, &refusal{http.StatusBadRequest, durable.InvalidParameter, "the path has a malformed escape: " + err.Error()}
				}
				args = append(args, arg)
			} else if p != parts[j] {
				continue next
			}
		}
		known = true
		if routes[i].method == x.r.Method {
			x.args = args
			return &routes[i], nil
		}
	}
	if known {
		return nil, &refusal{http.StatusMethodNotAllowed, "MethodNotAllowedException", "this path does not take " + x.r.Method}
	}
	return nil, &refusal{http.StatusNotFound, "UnknownOperationException", x.r.Method + " " + x.r.URL.Path +
		" is no operation that Situ has: it has Invoke and the durable executions of 2025-12-01"}
}

// refusal is an error of this door's own.
type refusal struct {
	status    int
	typ, text string
}

func (e *refusal) Error() string { return e.text }

// statuses are those of exceptions that are not 400.
var statuses = map[string]int{
	durable.NotFound:           http.StatusNotFound,
	durable.AlreadyStarted:     http.StatusConflict,
	"TooManyRequestsException": http.StatusTooManyRequests,
	"RequestTooLargeException": http.StatusRequestEntityTooLarge,
	"ServiceException":         http.StatusInternalServerError,
}

// refuse answers with an error, as clients of the API know it.
func (x *exchange) refuse(err error) {
	typ, status := "ServiceException", 0
	kind := fault.KindOf(err)
	if e, ok := errors.AsType[*situ.Error](err); ok {
		kind = fault.ParseKind(e.Kind)
		if e.Code != "" {
			typ, kind = e.Code, fault.Failed
		}
	}
	if e, ok := errors.AsType[*durable.Error](err); ok {
		typ, kind = e.Code, fault.Failed
	} else if e, ok := errors.AsType[*refusal](err); ok {
		typ, kind, status = e.typ, fault.Failed, e.status
	}
	switch kind {
	case fault.Failed:
	case fault.Busy:
		typ = "TooManyRequestsException"
	case fault.TooLarge:
		typ = "RequestTooLargeException"
	case fault.Invalid, fault.Unfit:
		typ = durable.InvalidParameter
	default:
		x.log.Warn("a request of the Lambda API failed", "method", x.r.Method, "path", x.r.URL.Path, "error", err)
	}
	if status == 0 {
		if status = statuses[typ]; status == 0 {
			status = http.StatusBadRequest
		}
	}
	x.w.Header().Set("X-Amzn-ErrorType", typ)
	x.answer(status, map[string]string{"Type": side(status), "Message": err.Error(), "message": err.Error()})
}

func side(status int) string {
	if status < 500 {
		return "User"
	}
	return "Server"
}

// answer writes a document. An error means that the client is gone.
func (x *exchange) answer(status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"message":"the answer cannot be written as JSON"}`)
	}
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(status)
	_, _ = x.w.Write(b)
}

// decode reads the body as JSON.
func (x *exchange) decode(v any) error {
	if len(x.body) == 0 {
		return nil
	}
	if err := json.Unmarshal(x.body, v); err != nil {
		return &refusal{http.StatusBadRequest, "InvalidRequestContentException", "the body is not the JSON that this operation takes: " + err.Error()}
	}
	return nil
}

// number reads a parameter of the query between 1 and most; without it, it is most.
func (x *exchange) number(name string, most int) (int, error) {
	s := x.r.URL.Query().Get(name)
	if s == "" || s == "0" {
		return most, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, &durable.Error{Code: durable.InvalidParameter, Message: name + " is not a number: " + s}
	}
	return min(n, most), nil
}

func (x *exchange) flag(name string) bool { return x.r.URL.Query().Get(name) == "true" }
