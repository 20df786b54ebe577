package workproto

import (
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Bits of a part.
const (
	partLast = 1 // the frame is complete
	partLate = 2 // of a report: it is late
)

// Bits of a task.
const (
	taskCopy = 1
	taskSolo = 2
	taskLoad = 4
)

// AppendTasks appends f as messages of type Tasks, each about PartSize long or
// as long as its longest task. If task i makes a message longer than max, it
// returns i, and buf as it was; otherwise -1.
func AppendTasks(buf []byte, f *turn.Frame, max int) (_ []byte, tooBig int) {
	begin := len(buf)
	for i := 0; ; {
		at, first := len(buf), i
		buf = Begin(buf, TypeTasks)
		flags := len(buf)
		buf = append(buf, 0)
		buf = appendUint(buf, f.Seq)
		buf = appendUint(buf, uint64(f.Now))
		if i == 0 {
			buf = appendUint(buf, uint64(len(f.Drop)))
			for _, s := range f.Drop {
				buf = appendUint(buf, uint64(s))
			}
		} else {
			buf = append(buf, 0)
		}
		number := len(buf)
		buf = append(buf, 0, 0, 0, 0)
		for ; i < len(f.Tasks) && len(buf)-at < PartSize; i++ {
			buf = appendTask(buf, &f.Tasks[i])
			if len(buf)-at-head > max {
				return buf[:begin], i
			}
		}
		putUint32(buf[number:], i-first)
		if i == len(f.Tasks) {
			buf[flags] = partLast
		}
		buf = End(buf, at)
		if i == len(f.Tasks) {
			return buf, -1
		}
	}
}

func appendTask(buf []byte, t *turn.Task) []byte {
	var flags byte
	if t.Copy {
		flags |= taskCopy
	}
	if t.Solo {
		flags |= taskSolo
	}
	if t.Load != nil {
		flags |= taskLoad
	}
	buf = append(buf, flags)
	buf = appendUint(buf, uint64(t.Slot))
	buf = appendUint64(buf, t.Seed)
	buf = appendEnvelope(buf, t.Env)
	if t.Load != nil {
		buf = appendOptional(buf, t.Load.Root)
		buf = appendEntries(buf, t.Load.Entries)
	}
	return buf
}

// DecodeTasks adds a part of a frame to f, and reports whether it was the
// last. Payloads alias b. The error is of kind fault.Corrupt.
func DecodeTasks(f *turn.Frame, b []byte) (last bool, err error) {
	r := reader{b: b}
	flags := r.byte()
	seq, now := r.uint(), wire.Time(r.uint())
	if f.Tasks == nil {
		f.Seq, f.Now = seq, now
	} else if f.Seq != seq {
		r.fail("a part of frame %d in frame %d", seq, f.Seq)
	}
	for range r.count(r.uint(), 1) {
		f.Drop = append(f.Drop, r.slot())
	}
	n := r.count(uint64(r.uint32()), 15)
	if n == 0 && f.Tasks != nil {
		r.fail("a part without tasks")
	}
	if f.Tasks == nil {
		f.Tasks = make([]turn.Task, 0, n)
	}
	for range n {
		if r.err != nil {
			break
		}
		f.Tasks = append(f.Tasks, r.task())
	}
	return flags&partLast != 0, r.end()
}

func (r *reader) task() (t turn.Task) {
	flags := r.byte()
	t.Copy, t.Solo = flags&taskCopy != 0, flags&taskSolo != 0
	t.Slot = r.slot()
	t.Seed = r.uint64()
	t.Env = r.envelope(false)
	if flags&taskLoad != 0 {
		t.Load = &turn.State{Root: r.optional()}
		t.Load.Entries = r.entries()
	}
	return t
}

func (r *reader) slot() turn.Slot {
	v := r.uint()
	if v > 1<<32-1 {
		r.fail("slot %d", v)
	}
	return turn.Slot(v)
}
