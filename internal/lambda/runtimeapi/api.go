package runtimeapi

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds what a function may answer, as Lambda does.
const maxAnswer = 6 << 20

const prefix = "/2018-06-01/runtime/"

// routes is the Runtime API.
func (in *instance) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+prefix+"invocation/next", in.next)
	mux.HandleFunc("POST "+prefix+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { in.answer(w, r, false) })
	mux.HandleFunc("POST "+prefix+"invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { in.answer(w, r, true) })
	mux.HandleFunc("POST "+prefix+"init/error", in.initError)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		say(w, http.StatusNotFound, "Runtime.NotFound", "there is no "+r.Method+" "+r.URL.Path+" in this Runtime API")
	})
	return mux
}

// next hands out the next event, when there is one.
func (in *instance) next(w http.ResponseWriter, r *http.Request) {
	in.mu.Lock()
	forgotten := in.current
	in.current = nil
	in.mu.Unlock()
	if forgotten != nil {
		forgotten.done <- failure("Runtime.NoAnswer", "RequestId: %s Error: the runtime asked for the next event before it had answered this", forgotten.Request)
	}
	select {
	case j := <-in.work:
		j.deadline = time.Now().Add(in.h.Timeout)
		in.mu.Lock()
		in.current = j
		in.mu.Unlock()
		close(j.taken)
		head := w.Header()
		head.Set("Content-Type", "application/json")
		head.Set("Lambda-Runtime-Aws-Request-Id", j.Request)
		head.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(j.deadline.UnixMilli(), 10))
		head.Set("Lambda-Runtime-Invoked-Function-Arn", j.ARN)
		for name, v := range map[string]string{"Lambda-Runtime-Trace-Id": j.Trace, "Lambda-Runtime-Client-Context": j.Client} {
			if v != "" {
				head.Set(name, v)
			}
		}
		_, _ = w.Write(j.Payload) // a process that is not there any more has ended
	case <-in.over:
	case <-r.Context().Done():
	}
}

// answer takes what became of an event. One that nobody waits for any more is
// taken, too: runtimes end when it is not.
func (in *instance) answer(w http.ResponseWriter, r *http.Request, failed bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswer+1))
	in.mu.Lock()
	j := in.current
	if j != nil && j.Request == r.PathValue("id") {
		in.current = nil
	} else {
		j = nil
	}
	in.mu.Unlock()
	switch {
	case j == nil:
	case len(body) > maxAnswer:
		j.done <- failure("Function.ResponseSizeTooLarge", "RequestId: %s Error: the answer is larger than %d bytes", j.Request, maxAnswer)
		say(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "an answer has at most "+strconv.Itoa(maxAnswer)+" bytes")
		return
	case err != nil:
		j.done <- failure("Runtime.TruncatedResponse", "RequestId: %s Error: %v", j.Request, err)
	case r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "":
		j.done <- failure(r.Trailer.Get("Lambda-Runtime-Function-Error-Type"), "RequestId: %s Error: the stream of the answer broke off", j.Request)
	default:
		j.done <- Result{Payload: body, Failed: failed}
	}
	w.WriteHeader(http.StatusAccepted)
}

// initError takes why the function could not be loaded.
func (in *instance) initError(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err == nil && strings.HasPrefix(strings.TrimSpace(string(body)), "{") {
		in.mu.Lock()
		in.failed = body
		in.mu.Unlock()
	}
	w.WriteHeader(http.StatusAccepted)
}

func say(w http.ResponseWriter, status int, typ, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(failure(typ, "%s", text).Payload)
}
