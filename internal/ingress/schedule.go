package ingress

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/near"
	"github.com/situ-dev/situ/internal/platform/schedule"
	"github.com/situ-dev/situ/internal/wire"
)

// askSchedule hands a call of a schedule's method to the engine, and answers with
// what that says, if something is wanted.
func (x *exchange) askSchedule(method string, in []byte, want wire.Format) error {
	name := strings.Clone(x.args[0])
	if err := wire.CheckKey(name); err != nil {
		return err
	}
	x.req = &wire.Request{To: wire.Address{Type: schedule.Type.Name(), Key: name, Method: method}, Want: want, Trace: x.trace()}
	if in != nil {
		x.req.Body = wire.Payload{Format: wire.JSON, Data: in}
	}
	return x.ask()
}

func (x *exchange) schedule() error       { return x.askSchedule("info", nil, wire.JSON) }
func (x *exchange) deleteSchedule() error { return x.askSchedule("remove", []byte("false"), wire.None) }
func (x *exchange) pauseSchedule() error  { return x.askSchedule("pause", nil, wire.JSON) }
func (x *exchange) resumeSchedule() error { return x.askSchedule("resume", nil, wire.JSON) }
func (x *exchange) runSchedule() error    { return x.askSchedule("run", nil, wire.JSON) }

// putSchedule checks a schedule as far as can be known before it is there, and
// puts it.
func (x *exchange) putSchedule() error {
	if err := x.fitting(); err != nil {
		return err
	}
	body, err := x.body()
	if err != nil {
		return err
	}
	spec, err := scheduleSpec(body)
	if err != nil {
		return err
	}
	if err := x.h.checkSchedule(x.args[0], spec); err != nil {
		return err
	}
	return x.askSchedule("put", body, wire.JSON)
}

// scheduleSpec reads a spec, in which every field is known.
func scheduleSpec(body []byte) (*api.ScheduleSpec, error) {
	spec := new(api.ScheduleSpec)
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(spec)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil, malformed("the field %s of the schedule is a %s, and that is a %s", wrong.Field, wrong.Type, wrong.Value)
	}
	if err != nil {
		const unknown = "json: unknown field "
		if field, ok := strings.CutPrefix(err.Error(), unknown); ok {
			hint := near.Name(strings.Trim(field, `"`), []string{"cron", "every", "at", "zone", "jitter", "target", "input", "retry", "missed", "tolerance", "catchUp",
				"overlap", "start", "end", "paused", "attempts", "backoff", "maxBackoff", "most", "perSecond"})
			if hint != "" {
				hint = "; did you mean " + hint + "?"
			}
			return nil, malformed("a schedule has no field %s%s", field, hint)
		}
		return nil, malformed("the body is not a schedule as JSON: %v", err)
	}
	return spec, nil
}

// checkSchedule refuses a schedule that cannot do what it is for: its times are
// wrong, or its target is not there, or does not take the input.
func (h *Handler) checkSchedule(name string, spec *api.ScheduleSpec) error {
	plan, err := schedule.Compile(name, spec, h.cfg.Now())
	if err != nil {
		return err
	}
	op, to := (*operation)(nil), plan.Target
	if to.Function() {
		op, err = h.catalogue().function(to.Method)
	} else {
		op, err = h.catalogue().method(to.Type, to.Method)
	}
	if err != nil {
		if r, ok := errors.AsType[*refusal](err); ok && r.kind == fault.NotFound {
			r.kind, r.detail = fault.Invalid, "the target of the schedule: "+r.detail
		}
		return err
	}
	text := []byte(spec.Input)
	if len(text) == 0 {
		if op.empty {
			return nil
		}
		text = emptyInput
	}
	found, bad := op.input.Check(text)
	if bad != nil {
		return malformed("the input of the schedule is not well-formed JSON: %v", bad)
	}
	if len(found) == 0 {
		return nil
	}
	r := &refusal{kind: fault.Unfit, detail: "the input of the schedule does not fit " + to.String() + ": " + found[0].Pointer + " " + found[0].Detail}
	for _, m := range found {
		r.errors = append(r.errors, api.Misfit(m))
	}
	return r
}

func (x *exchange) listSchedules() error {
	q, err := x.query("prefix", "limit", "cursor")
	if err != nil {
		return err
	}
	limit, err := pageSize(q)
	if err != nil {
		return err
	}
	infos, next, err := x.h.p.Objects.List(x.c, schedule.Type.Name(), q.Get("prefix"), q.Get("cursor"), limit)
	if err != nil {
		return err
	}
	page := api.Schedules{Schedules: []api.Schedule{}, Next: next}
	for _, info := range infos {
		st, _, err := x.h.p.Objects.Object(x.c, info.ID)
		if fault.Is(err, fault.NotFound) {
			continue // it was removed since
		}
		if err != nil {
			return err
		}
		doc, err := schedule.Tell(info.ID.Key, st.Root, x.h.cfg.Now())
		if err != nil {
			return fault.Wrap(fault.Corrupt, "show", info.ID.String(), err)
		}
		page.Schedules = append(page.Schedules, doc)
	}
	return x.json(200, page)
}
