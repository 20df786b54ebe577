package execution

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/lambda/durable"
	"github.com/situ-dev/situ/internal/lambda/runtimeapi"
)

// Function is a function that can be invoked.
type Function struct {
	runtimeapi.Function
	Durable   bool
	Lasts     int64 // seconds that an execution may last; default 24 hours
	Retention int64 // days that it is kept after its end; default 14
}

// Spec returns the start of an execution of f.
func (f *Function) Spec(region, name, input string) durable.Spec {
	id := requestID()
	return durable.Spec{ARN: ARN(region, f.Name, name, id), Function: f.Name, Version: Version, Name: name, Input: input,
		Timeout: f.Lasts, Retention: f.Retention}
}

// Bridge is between executions and the processes of functions. Close it.
type Bridge struct {
	region    string
	functions map[string]*Function
	hosts     map[string]*runtimeapi.Host

	ready  chan struct{} // closed when caller is set
	caller situ.Caller
	stop   context.CancelFunc
	ctx    context.Context // done when the platform stops
}

// New returns a bridge to functions. The error says what is wrong with them. Its
// components are to be hosted, and Use called with what hosts them.
func New(functions []Function, cfg runtimeapi.Config) (*Bridge, error) {
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	b := &Bridge{region: cfg.Region, functions: map[string]*Function{}, hosts: map[string]*runtimeapi.Host{}, ready: make(chan struct{})}
	b.ctx, b.stop = context.WithCancel(context.Background())
	for _, f := range functions {
		if b.functions[f.Name] != nil {
			return nil, fmt.Errorf("the function %s is given twice", f.Name)
		}
		h, err := runtimeapi.NewHost(f.Function, cfg)
		if err != nil {
			return nil, err
		}
		if f.Lasts == 0 {
			f.Lasts = 24 * 3600
		}
		if f.Retention == 0 {
			f.Retention = 14
		}
		f.Function = h.Function
		b.functions[f.Name], b.hosts[f.Name] = &f, h
	}
	return b, nil
}

// Components returns what is to be hosted.
func (b *Bridge) Components() []situ.Component {
	return []situ.Component{b.component(), situ.Function(run, b.run), situ.Function(Call, b.call)}
}

// Use says who hosts the components. It is called once.
func (b *Bridge) Use(c situ.Caller) {
	b.caller = c
	close(b.ready)
}

// Caller returns who hosts the components.
func (b *Bridge) Caller() situ.Caller { return b.caller }

// Region returns the region of the ARNs.
func (b *Bridge) Region() string { return b.region }

// Function returns the function with that name.
func (b *Bridge) Function(name string) (*Function, bool) { return b.function(name) }

func (b *Bridge) function(name string) (*Function, bool) {
	f, ok := b.functions[name]
	return f, ok
}

// Names returns the names of the functions, in order.
func (b *Bridge) Names() []string {
	names := make([]string, 0, len(b.functions))
	for name := range b.functions {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Stop gives invocations up: they are made again when the platform runs again.
// Close ends what still runs, and waits for it.
func (b *Bridge) Stop() { b.stop() }

// Close ends all processes of functions. It may be called twice.
func (b *Bridge) Close() {
	b.stop()
	for _, h := range b.hosts {
		h.Close()
	}
}

// run is an invocation of a durable function: it asks the execution for its
// state as it is now, because it may be run again after a crash, and hands it to
// a process.
func (b *Bridge) run(t *situ.Turn, in runIn) (runOut, error) {
	ctx, cancel := context.WithCancel(t)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	select {
	case <-b.ready:
	case <-ctx.Done():
		return runOut{Lost: true}, nil
	}
	out := runOut{Request: requestID()}
	e, err := situ.Do(ctx, b.caller, next.To(in.Key, in.Run))
	switch {
	case b.ctx.Err() != nil:
		return runOut{Lost: true}, nil
	case err != nil:
		return out, err
	case e.Stale:
		return runOut{Stale: true}, nil
	}
	res, err := b.invokeIn(ctx, e.Function, runtimeapi.Event{Payload: e.Body, Request: out.Request, ARN: FunctionARN(b.region, e.Function) + ":" + Version})
	if b.ctx.Err() != nil {
		return runOut{Lost: true}, nil
	}
	out.Body, out.Failed = res.Payload, res.Failed
	return out, err
}

// call is an invocation of a function that is not durable.
func (b *Bridge) call(t *situ.Turn, in CallIn) (Outcome, error) {
	ctx, cancel := context.WithCancel(t)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	res, err := b.invokeIn(ctx, in.Function, runtimeapi.Event{Payload: []byte(in.Payload), Request: in.Request,
		ARN: FunctionARN(b.region, in.Function), Client: in.Client})
	if err != nil {
		return Outcome{}, err
	}
	body := string(res.Payload)
	if res.Failed {
		return Outcome{Status: durable.Failed, Error: errorOf(res.Payload), Body: body}, nil
	}
	return Outcome{Status: durable.Succeeded, Result: &body}, nil
}

func (b *Bridge) invokeIn(ctx context.Context, function string, e runtimeapi.Event) (runtimeapi.Result, error) {
	h := b.hosts[function]
	if h == nil {
		return runtimeapi.Result{}, situ.Errorf(durable.NotFound, "there is no function %q here: the functions are %s", function, strings.Join(b.Names(), ", "))
	}
	return h.Invoke(ctx, e)
}

// errorOf makes the error that a runtime tells an error object.
func errorOf(body []byte) *durable.ErrorObject {
	var e struct {
		Type    string   `json:"errorType"`
		Message string   `json:"errorMessage"`
		Stack   []string `json:"stackTrace"`
	}
	if json.Unmarshal(body, &e) != nil || e.Type == "" && e.Message == "" {
		e.Type, e.Message = "Unhandled", string(body)
	}
	o := durable.NewError(e.Type, e.Message)
	o.Stack = e.Stack
	return o
}

// requestID returns an id in the form of a UUID.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// RequestID returns a new id for a request.
func RequestID() string { return requestID() }

// FunctionName returns the name in what callers write for a function: its name,
// with a version or alias behind a colon, an ARN, or part of one.
func FunctionName(s string) string {
	parts := strings.Split(s, ":")
	if i := slices.Index(parts, "function"); i >= 0 && i+1 < len(parts) {
		return parts[i+1]
	}
	return parts[0]
}
