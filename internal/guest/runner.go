package guest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/workproto"
)

// runner is the connection of one shard with the host.Runner behind it. Frames
// come in on one goroutine, reports go out on another.
type runner struct {
	w    *worker
	id   wire.ShardID
	conn *workproto.Conn
	host *host.Runner

	submitted chan *turn.Frame // to write, which counts what is open
	broken    chan struct{}    // closed when the connection is
	once      sync.Once
	reported  atomic.Uint64 // the last frame whose report was sent
	done      chan struct{} // closed when write has ended

	// Owned by write.
	buf   []byte
	frame *turn.Frame    // submitted and not reported
	held  []*turn.Report // late reports that came before that of their frame
	apart map[uint64]*open
}

// heldFor bounds how long a report may take to be written: an engine that does
// not read is gone.
const heldFor = time.Minute

// open is a frame of which tasks run on, detached.
type open struct {
	frame *turn.Frame
	tasks int
}

func newRunner(w *worker, id wire.ShardID, c *workproto.Conn) *runner {
	c.Limit(w.welcome.MaxFrame)
	return &runner{w: w, id: id, conn: c, host: host.NewRunner(w.cfg.Set, w.config()),
		submitted: make(chan *turn.Frame), broken: make(chan struct{}), done: make(chan struct{}), apart: map[uint64]*open{}}
}

// close breaks the connection and cancels what runs. It may be called twice.
func (r *runner) close() {
	r.once.Do(func() {
		close(r.broken)
		_ = r.conn.Close() // nothing was written that matters
		r.host.Close()
	})
}

// read takes frames until the connection is closed.
func (r *runner) read() {
	defer r.close()
	for f := (*turn.Frame)(nil); ; {
		t, body, err := r.conn.Next()
		if err != nil {
			return
		}
		if t == workproto.TypeCancel && r.cancel(body) == nil {
			continue
		}
		if f == nil {
			f = &turn.Frame{}
		}
		last, err := workproto.DecodeTasks(f, body)
		if t != workproto.TypeTasks || err != nil {
			r.w.cfg.Log.Error("the platform sent something unknown", "shard", r.id, "type", t.String(), "error", err)
			return
		}
		if !last {
			continue
		}
		if f.Shard = r.id; int(r.id) >= r.w.welcome.Shards {
			f.Shard = wire.NoShard // a lane: its functions are of many
		}
		select {
		case r.submitted <- f:
		case <-r.broken:
			return
		}
		f = nil
	}
}

// cancel tells a run that its answer is not needed any more.
func (r *runner) cancel(body []byte) error {
	m, err := workproto.Decode(workproto.TypeCancel, body)
	if c, ok := m.(*workproto.Cancel); ok {
		r.host.Cancel(c.Frame, c.Index)
	}
	return err
}

// write submits frames and sends the reports, until the connection is closed,
// or until the worker is to end and nothing runs any more.
func (r *runner) write() {
	defer close(r.done)
	defer r.close()
	drain := r.w.drain
	for {
		frames := r.submitted
		if drain == nil { // no more frames: the engine runs them elsewhere
			if frames = nil; r.frame == nil && len(r.apart) == 0 {
				return
			}
		}
		select {
		case f := <-frames:
			r.frame = f
			r.host.Submit(f)
		case rep := <-r.host.Reports():
			if err := r.take(rep); err != nil {
				return
			}
		case <-drain:
			drain = nil
		case <-r.broken:
			return
		}
	}
}

// take sends a report, a frame's own before the late ones.
func (r *runner) take(rep *turn.Report) error {
	if rep.Late && r.frame != nil && rep.Frame == r.frame.Seq {
		r.held = append(r.held, rep)
		return nil
	}
	if err := r.send(rep); err != nil {
		return err
	}
	for _, late := range r.held {
		if err := r.send(late); err != nil {
			return err
		}
	}
	r.held = nil
	return nil
}

func (r *runner) send(rep *turn.Report) error {
	f := r.frame
	if rep.Late {
		if o := r.apart[rep.Frame]; o != nil {
			f = o.frame
			if o.tasks -= len(rep.Results); o.tasks <= 0 {
				delete(r.apart, rep.Frame)
			}
		}
	} else {
		r.frame = nil
		n := 0
		for i := range rep.Results {
			if rep.Results[i].Outcome == turn.Detached {
				n++
			}
		}
		if n > 0 {
			r.apart[rep.Frame] = &open{f, n}
		}
	}
	for {
		buf, big := workproto.AppendReport(r.buf[:0], rep, r.w.welcome.MaxFrame)
		if big == nil {
			r.buf = buf
			break
		}
		shrink(rep, f, big)
	}
	if err := r.conn.SetWriteDeadline(time.Now().Add(heldFor)); err != nil {
		return err
	}
	_, err := r.conn.Write(r.buf)
	if err == nil && !rep.Late {
		r.reported.Store(rep.Frame)
	}
	if cap(r.buf) > 4*workproto.PartSize {
		r.buf = nil
	}
	return err
}

// shrink makes the tasks of an object, one of which left more behind than a
// message holds, count as not run: each is to be run again alone, and one that
// was alone is answered with an error. The engine loads the object anew.
func shrink(rep *turn.Report, f *turn.Frame, big *workproto.TooBig) {
	slot := big.Slot
	if big.Result >= 0 {
		slot = f.Tasks[rep.Results[big.Result].Index].Slot
	}
	why := wire.FailureOf(fault.New(fault.TooLarge, "run", "",
		"the turn's messages, answer and state together have more than %d bytes: send less in one turn", big.Bytes))
	var ran []*turn.Result
	for i := range rep.Results {
		res := &rep.Results[i]
		task := &f.Tasks[res.Index]
		same := slot != 0 && task.Slot == slot && !task.Copy
		if i == big.Result || same && res.Outcome == turn.Done {
			ran = append(ran, res)
		}
	}
	for _, res := range ran {
		task := &f.Tasks[res.Index]
		*res = turn.Result{Index: res.Index, Outcome: turn.Redo, Unloaded: task.Slot != 0 && !task.Copy}
		if len(ran) == 1 {
			why.Message = fmt.Sprintf("%v: %s", task.Env.To, why.Message)
			res.Outcome, res.Fail = turn.Done, why
		}
	}
	for i := range rep.Changes {
		if slot != 0 && rep.Changes[i].Slot == slot {
			rep.Changes = append(rep.Changes[:i], rep.Changes[i+1:]...)
			break
		}
	}
}
