package control

import (
	"cmp"
	"slices"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/dead"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Redrives is the dead letters of a shard that are being run again, or dropped,
// by a filter. How far each has come is a row, so it goes on after a restart.
type Redrives struct {
	letters *dead.Letters
	rows    Rows
	all     map[string]*redrive
	going   []*redrive // of all, those that are not finished, oldest first
	news    []*redrive // changed since the last seal
	gone    []string   // rows that go with the next seal
}

// redrive is one of them, in one shard.
type redrive struct {
	wire.Redrive
	last    wire.Seq // the newest letter that it is about: what dies again is not run for ever
	cursor  wire.Seq
	bucket  turn.Bucket
	changed bool
	waits   bool // for a commit
}

// keepRedrives is how many that are finished are remembered.
const keepRedrives = 100

// lookLetters bounds the letters that a pump looks at.
const lookLetters = 2000

func newRedrives(letters *dead.Letters, committed Rows) *Redrives {
	return &Redrives{letters: letters, rows: committed, all: map[string]*redrive{}}
}

func (r *Redrives) open() error {
	return r.rows.Scan(store.Redrives, nil, nil, func(k, v []byte) (bool, error) {
		j, err := decodeRedrive(string(k), v)
		if err == nil {
			r.add(j)
		}
		return true, err
	})
}

func (r *Redrives) add(j *redrive) {
	if r.all[j.ID] = j; j.Finished == 0 {
		r.going = append(r.going, j)
		slices.SortFunc(r.going, func(a, b *redrive) int { return cmp.Or(cmp.Compare(a.Made, b.Made), cmp.Compare(a.ID, b.ID)) })
	}
}

// end ends one.
func (r *Redrives) end(j *redrive, now wire.Time) {
	j.Finished = now
	r.going = slices.DeleteFunc(r.going, func(o *redrive) bool { return o == j })
	r.touch(j)
}

// List returns those that go on and the last that ended, oldest first.
func (r *Redrives) List() (list []wire.Redrive) {
	for _, j := range r.all {
		list = append(list, j.Redrive)
	}
	slices.SortFunc(list, func(a, b wire.Redrive) int { return cmp.Or(cmp.Compare(a.Made, b.Made), cmp.Compare(a.ID, b.ID)) })
	return list
}

// Begin begins one: j has an ID, a filter, what is to be done, a rate and a
// Total. Letters that come later are not its business.
func (r *Redrives) Begin(j wire.Redrive, now wire.Time) error {
	if r.all[j.ID] != nil {
		return fault.New(fault.Conflict, "redrive", j.ID, "there is a redrive with this name")
	}
	last, err := r.letters.Last()
	if err != nil {
		return err
	}
	j.Made, j.Done, j.Finished = now, 0, 0
	d := &redrive{Redrive: j, last: last, bucket: turn.Bucket{Rate: j.Rate}}
	r.add(d)
	r.touch(d)
	r.forget()
	return nil
}

// forget forgets the oldest that are finished.
func (r *Redrives) forget() {
	list := r.List()
	list = slices.DeleteFunc(list, func(j wire.Redrive) bool { return j.Finished == 0 })
	for ; len(list) > keepRedrives; list = list[1:] {
		delete(r.all, list[0].ID)
		r.gone = append(r.gone, list[0].ID)
	}
}

// Stop ends one. The error is of kind fault.NotFound if there is none, and of
// kind fault.Conflict if it is finished.
func (r *Redrives) Stop(id string, now wire.Time) error {
	j := r.all[id]
	if j == nil {
		return fault.New(fault.NotFound, "redrive", id, "there is no such redrive")
	}
	if j.Finished != 0 {
		return fault.New(fault.Conflict, "redrive", id, "the redrive is finished")
	}
	j.Stopped = true
	r.end(j, now)
	return nil
}

func (r *Redrives) touch(j *redrive) {
	if !j.changed {
		j.changed = true
		r.news = append(r.news, j)
	}
}

func (r *Redrives) pump(now, tick wire.Time, room int, retry func(*wire.DeadLetter)) error {
	for _, j := range slices.Clone(r.going) {
		n := j.bucket.Take(tick, room)
		if n == 0 {
			continue
		}
		at, did, err := r.letters.Choose(&j.Filter, j.cursor, j.last, n, lookLetters, func(d *wire.DeadLetter) {
			if !j.Drop {
				retry(d)
			}
		})
		if err != nil {
			return err
		}
		j.bucket.Back(n - did)
		room -= did
		if j.waits = at == j.cursor && at < j.last; j.waits {
			continue
		}
		j.cursor, j.Done = at, j.Done+did
		r.touch(j)
		if at >= j.last {
			r.end(j, now)
		}
	}
	return nil
}

func (r *Redrives) next() wire.Time {
	next := Never
	for _, j := range r.going {
		if !j.waits {
			next = min(next, j.bucket.Next())
		}
	}
	return next
}

func (r *Redrives) dirty() bool { return len(r.news)+len(r.gone) > 0 }

func (r *Redrives) seal(w *store.Batch) {
	for _, j := range r.news {
		w.Set(store.Redrives, []byte(j.ID), encodeRedrive(j))
		j.changed = false
	}
	r.news = r.news[:0]
	for _, id := range r.gone {
		w.Delete(store.Redrives, []byte(id))
	}
	r.gone = r.gone[:0]
}

func (r *Redrives) committed() {
	for _, j := range r.going {
		j.waits = false
	}
}

func encodeRedrive(j *redrive) []byte {
	var e wire.Encoder
	f := &j.Filter
	for n, s := range []string{f.Function, f.Type, f.Key, f.Method, f.Kind, f.Text, string(f.Chain)} {
		e.String(byte(n+1), s)
	}
	flag := func(b bool) uint64 {
		if b {
			return 1
		}
		return 0
	}
	for n, v := range []uint64{uint64(f.Since), uint64(f.Until), flag(j.Drop), uint64(j.Rate * 1e3), uint64(j.Made),
		uint64(j.Finished), uint64(j.Total), uint64(j.Done), uint64(j.last), uint64(j.cursor), flag(j.Stopped)} {
		e.Int(byte(n+10), v)
	}
	return e.Buf
}

func decodeRedrive(id string, b []byte) (*redrive, error) {
	j := &redrive{Redrive: wire.Redrive{ID: id}}
	f := &j.Filter
	texts := []*string{&f.Function, &f.Type, &f.Key, &f.Method, &f.Kind, &f.Text, (*string)(&f.Chain)}
	var nums [11]uint64
	d := wire.Decoder{Buf: b}
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch {
		case n >= 1 && int(n) <= len(texts):
			*texts[n-1] = d.Text()
		case n >= 10 && int(n) < 10+len(nums):
			nums[n-10] = d.Int()
		}
	}
	f.Since, f.Until, j.Drop, j.Rate = wire.Time(nums[0]), wire.Time(nums[1]), nums[2] != 0, float64(nums[3])/1e3
	j.Made, j.Finished, j.Total, j.Done = wire.Time(nums[4]), wire.Time(nums[5]), int(nums[6]), int(nums[7])
	j.last, j.cursor, j.Stopped = wire.Seq(nums[8]), wire.Seq(nums[9]), nums[10] != 0
	j.bucket = turn.Bucket{Rate: j.Rate}
	return j, d.Err()
}
