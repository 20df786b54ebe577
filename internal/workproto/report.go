package workproto

import (
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Bits of a result.
const (
	resMoved    = 1
	resUnloaded = 2
	resFail     = 4
	resAnswer   = 8
)

// TooBig says which item of a report does not fit a message: a result, or,
// when Result is -1, the change of a slot.
type TooBig struct {
	Result int
	Slot   turn.Slot
	Bytes  int
}

// AppendReport appends rep as messages of type Report, each about PartSize
// long or as long as its longest item. If an item makes a message longer than
// max, the other result says which, and buf is as it was.
func AppendReport(buf []byte, rep *turn.Report, max int) ([]byte, *TooBig) {
	begin := len(buf)
	for i, j := 0, 0; ; {
		at, i0, j0 := len(buf), i, j
		buf = Begin(buf, TypeReport)
		flags := len(buf)
		buf = append(buf, 0)
		buf = appendUint(buf, rep.Frame)
		counts := len(buf)
		buf = append(buf, 0, 0, 0, 0, 0, 0, 0, 0)
		for ; i < len(rep.Results) && len(buf)-at < PartSize; i++ {
			buf = appendResult(buf, &rep.Results[i])
			if n := len(buf) - at - head; n > max {
				return buf[:begin], &TooBig{Result: i, Bytes: n}
			}
		}
		for ; i == len(rep.Results) && j < len(rep.Changes) && len(buf)-at < PartSize; j++ {
			buf = appendChange(buf, &rep.Changes[j])
			if n := len(buf) - at - head; n > max {
				return buf[:begin], &TooBig{Result: -1, Slot: rep.Changes[j].Slot, Bytes: n}
			}
		}
		putUint32(buf[counts:], i-i0)
		putUint32(buf[counts+4:], j-j0)
		last := i == len(rep.Results) && j == len(rep.Changes)
		if last {
			buf[flags] |= partLast
		}
		if rep.Late {
			buf[flags] |= partLate
		}
		buf = End(buf, at)
		if last {
			return buf, nil
		}
	}
}

func appendResult(buf []byte, res *turn.Result) []byte {
	var flags byte
	if res.Moved {
		flags |= resMoved
	}
	if res.Unloaded {
		flags |= resUnloaded
	}
	if res.Fail != nil {
		flags |= resFail
	}
	if res.Answer.Format != wire.None {
		flags |= resAnswer
	}
	buf = appendUint(buf, uint64(res.Index))
	buf = append(buf, byte(res.Outcome), flags)
	buf = appendUint(buf, uint64(max(res.Took, 0)))
	if res.Answer.Format != wire.None {
		buf = append(buf, byte(res.Answer.Format))
		buf = appendBytes(buf, res.Answer.Data)
	}
	if res.Fail != nil {
		buf = nested(buf, func(buf []byte) []byte { return wire.AppendFailure(buf, res.Fail) })
	}
	buf = appendUint(buf, uint64(len(res.Sends)))
	for _, env := range res.Sends {
		buf = appendEnvelope(buf, env)
	}
	return buf
}

func appendChange(buf []byte, c *turn.Change) []byte {
	var flags byte
	if c.Clear {
		flags = 1
	}
	buf = append(buf, flags)
	buf = appendUint(buf, uint64(c.Slot))
	buf = appendUint(buf, uint64(max(c.Size, 0)))
	buf = appendOptional(buf, c.Root)
	return appendEntries(buf, c.Entries)
}

// DecodeReport adds a part of a report to rep, and reports whether it was the
// last. State and answers alias b; sent envelopes do not. The error is of kind
// fault.Corrupt.
func DecodeReport(rep *turn.Report, b []byte) (last bool, err error) {
	r := reader{b: b}
	flags := r.byte()
	frame, late := r.uint(), flags&partLate != 0
	if rep.Results == nil {
		rep.Frame, rep.Late = frame, late
	} else if rep.Frame != frame || rep.Late != late {
		r.fail("a part of the report of frame %d in that of frame %d", frame, rep.Frame)
	}
	results, changes := r.count(uint64(r.uint32()), 5), r.count(uint64(r.uint32()), 5)
	if results+changes == 0 {
		r.fail("a part without results")
	}
	if rep.Results == nil {
		rep.Results = make([]turn.Result, 0, results)
	}
	for range results {
		if r.err != nil {
			break
		}
		rep.Results = append(rep.Results, r.result())
	}
	for range changes {
		if r.err != nil {
			break
		}
		rep.Changes = append(rep.Changes, r.change())
	}
	return flags&partLast != 0, r.end()
}

func (r *reader) result() (res turn.Result) {
	res.Index = int(min(r.uint(), 1<<31))
	res.Outcome = turn.Outcome(r.byte())
	flags := r.byte()
	res.Moved, res.Unloaded = flags&resMoved != 0, flags&resUnloaded != 0
	res.Took = wire.Time(min(r.uint(), 1<<62))
	if flags&resAnswer != 0 {
		res.Answer = wire.Payload{Format: wire.Format(r.byte()), Data: r.bytes()}
	}
	if flags&resFail != 0 {
		f, err := wire.DecodeFailure(r.sized())
		r.note(err)
		res.Fail = f
	}
	if n := r.count(r.uint(), 5); n > 0 {
		res.Sends = make([]*wire.Envelope, 0, n)
		for range n {
			if r.err != nil {
				break
			}
			res.Sends = append(res.Sends, r.envelope(true))
		}
	}
	return res
}

func (r *reader) change() (c turn.Change) {
	c.Clear = r.byte()&1 != 0
	c.Slot = r.slot()
	c.Size = int(min(r.uint(), 1<<62))
	c.Root = r.optional()
	c.Entries = r.entries()
	return c
}
