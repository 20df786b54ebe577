package door

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/lambda/durable"
	"github.com/situ-dev/situ/internal/lambda/execution"
)

// checkpoint is CheckpointDurableExecution.
func (x *exchange) checkpoint() error {
	key, err := execution.OfARN(x.args[0])
	if err != nil {
		return err
	}
	var in struct {
		CheckpointToken string
		ClientToken     string
		Updates         []durable.Update
	}
	if err := x.decode(&in); err != nil {
		return err
	}
	out, err := situ.Do(x.r.Context(), x.bridge.Caller(), execution.Checkpoint.To(key,
		execution.CheckpointIn{ARN: x.args[0], Token: in.CheckpointToken, Client: in.ClientToken, Updates: in.Updates}))
	if err != nil {
		return err
	}
	x.answer(http.StatusOK, map[string]any{"CheckpointToken": out.Token,
		"NewExecutionState": map[string]any{"Operations": out.Operations}})
	return nil
}

// state is GetDurableExecutionState.
func (x *exchange) state() error {
	key, err := execution.OfARN(x.args[0])
	if err != nil {
		return err
	}
	most, err := x.number("MaxItems", 1000)
	if err != nil {
		return err
	}
	q := x.r.URL.Query()
	out, err := situ.Do(x.r.Context(), x.bridge.Caller(), execution.Page.To(key,
		execution.PageIn{ARN: x.args[0], Token: q.Get("CheckpointToken"), Marker: q.Get("Marker"), Most: most}))
	if err != nil {
		return err
	}
	x.page("Operations", out.List, out.Next)
	return nil
}

// page answers with a page of a list.
func (x *exchange) page(name string, list any, next string) {
	doc := map[string]any{name: list}
	if next != "" {
		doc["NextMarker"] = next
	}
	x.answer(http.StatusOK, doc)
}

// describe is GetDurableExecution.
func (x *exchange) describe() error {
	key, err := execution.OfARN(x.args[0])
	if err != nil {
		return err
	}
	h, err := situ.Do(x.r.Context(), x.bridge.Caller(), execution.Describe.To(key, x.args[0]))
	if err != nil {
		return err
	}
	doc := x.summary(&h)
	doc["Version"] = h.Version
	doc["DurableConfig"] = map[string]any{"ExecutionTimeout": h.Timeout, "RetentionPeriodInDays": h.Retention}
	data := x.r.URL.Query().Get("IncludeExecutionData") != "false"
	doc["ExecutionDataIncluded"] = data
	if data {
		doc["InputPayload"] = h.Input
		if h.Result != nil {
			doc["Result"] = *h.Result
		}
		if h.Error != nil {
			doc["Error"] = h.Error
		}
	}
	x.answer(http.StatusOK, doc)
	return nil
}

// summary is what lists tell of an execution.
func (x *exchange) summary(h *durable.Head) map[string]any {
	doc := map[string]any{"DurableExecutionArn": h.ARN, "DurableExecutionName": h.Name, "Status": h.Status,
		"FunctionArn": execution.FunctionARN(x.bridge.Region(), h.Function) + ":" + h.Version, "StartTimestamp": durable.Epoch(h.Started)}
	if h.Ended != 0 {
		doc["EndTimestamp"] = durable.Epoch(h.Ended)
	}
	return doc
}

// history is GetDurableExecutionHistory.
func (x *exchange) history() error {
	key, err := execution.OfARN(x.args[0])
	if err != nil {
		return err
	}
	most, err := x.number("MaxItems", 1000)
	if err != nil {
		return err
	}
	out, err := situ.Do(x.r.Context(), x.bridge.Caller(), execution.History.To(key, execution.HistoryIn{ARN: x.args[0],
		Marker: x.r.URL.Query().Get("Marker"), Most: most, Backwards: x.flag("ReverseOrder"), Data: x.flag("IncludeExecutionData")}))
	if err != nil {
		return err
	}
	x.page("Events", out.List, out.Next)
	return nil
}

// stop is StopDurableExecution.
func (x *exchange) stop() error {
	key, err := execution.OfARN(x.args[0])
	if err != nil {
		return err
	}
	in := execution.StopIn{ARN: x.args[0]}
	if err := x.decode(&in.Error); err != nil {
		return err
	}
	if in.Error != nil && in.Error.Message == nil && in.Error.Type == nil {
		in.Error = nil
	}
	at, err := situ.Do(x.r.Context(), x.bridge.Caller(), execution.Stop.To(key, in))
	if err != nil {
		return err
	}
	x.answer(http.StatusOK, map[string]any{"StopTimestamp": durable.Epoch(at)})
	return nil
}

func (x *exchange) succeed() error {
	result := string(x.body)
	return x.callback(func(r *durable.Reply) error { r.Result = &result; return nil })
}

func (x *exchange) fail() error {
	return x.callback(func(r *durable.Reply) error {
		r.Error = &durable.ErrorObject{}
		return x.decode(r.Error)
	})
}

func (x *exchange) heartbeat() error {
	return x.callback(func(r *durable.Reply) error { r.Beat = true; return nil })
}

// callback carries an answer to a callback out.
func (x *exchange) callback(fill func(*durable.Reply) error) error {
	key, r, err := execution.OfCallback(x.args[0])
	if err != nil {
		return err
	}
	if err := fill(&r); err != nil {
		return err
	}
	if _, err := situ.Do(x.r.Context(), x.bridge.Caller(), execution.Answer.To(key, r)); err != nil {
		return err
	}
	x.answer(http.StatusOK, struct{}{})
	return nil
}

// list is ListDurableExecutionsByFunction. A page has fewer than MaxItems if many
// do not fit the filters; the last has no marker.
func (x *exchange) list() error {
	name := execution.FunctionName(x.args[0])
	if _, ok := x.bridge.Function(name); !ok {
		return &durable.Error{Code: durable.NotFound, Message: "Function not found: " + name}
	}
	most, err := x.number("MaxItems", 100)
	if err != nil {
		return err
	}
	q := x.r.URL.Query()
	if x.flag("ReverseOrder") {
		return &durable.Error{Code: durable.InvalidParameter, Message: "ReverseOrder is not there: executions are listed by their names"}
	}
	after, before := seconds(q.Get("StartedAfter")), seconds(q.Get("StartedBefore"))
	infos, next, err := x.objects.List(x.r.Context(), execution.Type.Name(), name+"/"+q.Get("DurableExecutionName"), q.Get("Marker"), most)
	if err != nil {
		return err
	}
	found := []any{}
	for _, info := range infos {
		h, err := situ.Do(x.r.Context(), x.bridge.Caller(), execution.Describe.To(info.ID.Key, ""))
		switch {
		case situ.CodeOf(err) == durable.NotFound: // it was forgotten at this moment
			continue
		case err != nil:
			return fault.Wrap(fault.Unavailable, "list executions", info.ID.Key, err)
		}
		if n := q.Get("DurableExecutionName"); n != "" && n != h.Name || len(q["Statuses"]) > 0 && !slices.Contains(q["Statuses"], h.Status) ||
			after > 0 && h.Started <= after || before > 0 && h.Started >= before {
			continue
		}
		found = append(found, x.summary(&h))
	}
	x.page("DurableExecutions", found, next)
	return nil
}

// seconds reads a time in a query: seconds since 1970, or as ISO 8601 has it. It
// returns milliseconds, 0 if there is none.
func seconds(s string) int64 {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return int64(f * 1000)
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UnixMilli()
	}
	return 0
}
