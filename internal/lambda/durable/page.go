package durable

import (
	"encoding/json"
	"strconv"
	"time"
)

// Page returns operations in the order in which they were started, from marker
// ("" is the first): at most most of them, and at most about bytes of what is
// in them, but one at least. Next is "" after the last.
func (s *State) Page(marker string, most, bytes int) (ops []Operation, next string, err error) {
	from, err := s.marker(marker, s.Order.Len())
	if err != nil {
		return nil, "", err
	}
	sum := int64(0)
	for i := from; i < s.Order.Len(); i++ {
		op, _ := s.Ops.Get(s.Order.At(i))
		sum += size(&op) + 256
		if len(ops) == most || len(ops) > 0 && sum > int64(bytes) {
			return ops, strconv.Itoa(i), nil
		}
		ops = append(ops, op)
	}
	return ops, "", nil
}

func (s *State) marker(marker string, length int) (int, error) {
	if marker == "" {
		return 0, nil
	}
	from, err := strconv.Atoi(marker)
	if err != nil || from < 0 || from > length {
		return 0, refuse("the Marker is none that was given out")
	}
	return from, nil
}

// History returns lines of the history from marker, with what came with them if
// data is set. Next is "" after the last.
func (s *State) History(marker string, most int, backwards, data bool, name func(*Operation) string) (events []any, next string, err error) {
	from, err := s.marker(marker, s.Events.Len())
	if err != nil {
		return nil, "", err
	}
	for i := from; i < s.Events.Len(); i++ {
		if len(events) == most {
			return events, strconv.Itoa(i), nil
		}
		at := i
		if backwards {
			at = s.Events.Len() - 1 - i
		}
		events = append(events, s.event(at, data, name))
	}
	return events, "", nil
}

// event returns the line at i as it travels.
func (s *State) event(i int, data bool, name func(*Operation) string) any {
	e := s.Events.At(i)
	op, _ := s.Ops.Get(e.ID)
	out := map[string]any{"EventType": e.Type, "EventId": i + 1, "EventTimestamp": epoch(e.At)}
	if e.Type == "InvocationCompleted" {
		d := map[string]any{"StartTimestamp": epoch(e.Begun), "EndTimestamp": epoch(e.At), "RequestId": e.Request}
		d["Error"] = payload(e.Error, data)
		out["InvocationCompletedDetails"] = d
		return out
	}
	out["Id"] = e.ID
	for k, v := range map[string]*string{"Name": op.Name, "SubType": op.SubType} {
		if v != nil {
			out[k] = *v
		}
	}
	if op.Parent != "" {
		out["ParentId"] = op.Parent
	}
	out[e.Type+"Details"] = s.details(&e, &op, data, name)
	return out
}

func (s *State) details(e *Event, op *Operation, data bool, name func(*Operation) string) map[string]any {
	d := map[string]any{}
	switch e.Type {
	case "ExecutionStarted":
		d["Input"], d["ExecutionTimeout"] = payload(op.Input, data), s.Timeout
	case "ExecutionSucceeded":
		d["Result"] = payload(s.Result, data)
	case "ExecutionFailed", "ExecutionTimedOut", "ExecutionStopped":
		d["Error"] = payload(s.Error, data)
	case "WaitStarted":
		d["Duration"], d["ScheduledEndTimestamp"] = (op.Due-op.Started)/1000, epoch(op.Due)
	case "WaitSucceeded":
		d["Duration"] = (op.Due - op.Started) / 1000
	case "CallbackStarted":
		d["CallbackId"], d["HeartbeatTimeout"] = name(op), op.Every
		if op.Due > 0 {
			d["Timeout"] = (op.Due - op.Started) / 1000
		}
	case "ChainedInvokeStarted":
		d["FunctionName"] = op.Function
	case "ContextStarted", "StepStarted", "WaitCancelled":
	case "StepFailed", "StepSucceeded":
		d["RetryDetails"] = map[string]any{"CurrentAttempt": e.Attempt, "NextAttemptDelaySeconds": e.Delay}
		if e.Type == "StepSucceeded" {
			d["Result"] = payload(op.Result, data)
		} else if e.Error != nil {
			d["Error"] = payload(e.Error, data)
		} else {
			d["Error"] = payload(op.Error, data)
		}
	default: // something has come to its end
		if op.Status == Succeeded {
			d["Result"] = payload(op.Result, data)
		} else {
			d["Error"] = payload(op.Error, data)
		}
	}
	return d
}

// payload is what came with an event, or that it is left out.
func payload[T any](v *T, data bool) map[string]any {
	switch {
	case v == nil:
		return map[string]any{}
	case !data:
		return map[string]any{"Truncated": true}
	}
	return map[string]any{"Payload": v, "Truncated": false}
}

// epoch is how the API writes a time: seconds since 1970.
func epoch(ms int64) json.Number {
	return json.Number(strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64))
}

// Clock says how times are written.
type Clock func(ms int64) any

// Epoch writes times as the API does: seconds since 1970.
func Epoch(ms int64) any { return epoch(ms) }

// ISO writes them as the events of invocations do: ISO 8601, with milliseconds.
func ISO(ms int64) any { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// Wire returns op as it travels. Name gives callbacks their id.
func (o *Operation) Wire(clock Clock, name func(*Operation) string) any {
	out := map[string]any{"Id": o.ID, "Type": o.Type, "Status": o.Status, "StartTimestamp": clock(o.Started)}
	for k, v := range map[string]*string{"Name": o.Name, "SubType": o.SubType} {
		if v != nil {
			out[k] = *v
		}
	}
	if o.Parent != "" {
		out["ParentId"] = o.Parent
	}
	if o.Ended != 0 {
		out["EndTimestamp"] = clock(o.Ended)
	}
	d := map[string]any{}
	switch o.Type {
	case Execution:
		if o.Input != nil {
			d["InputPayload"] = *o.Input
		}
		out["ExecutionDetails"] = d
		return out
	case Wait:
		out["WaitDetails"] = map[string]any{"ScheduledEndTimestamp": clock(o.Due)}
		return out
	case Context:
		d["ReplayChildren"] = o.Children
		out["ContextDetails"] = d
	case Step:
		d["Attempt"] = o.Attempt
		if o.Due != 0 {
			d["NextAttemptTimestamp"] = clock(o.Due)
		}
		out["StepDetails"] = d
	case Callback:
		d["CallbackId"] = name(o)
		out["CallbackDetails"] = d
	case ChainedInvoke:
		out["ChainedInvokeDetails"] = d
	}
	if o.Result != nil {
		d["Result"] = *o.Result
	}
	if o.Error != nil {
		d["Error"] = o.Error
	}
	return out
}
