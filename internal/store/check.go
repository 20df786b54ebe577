package store

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/database"
	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/file"
	"github.com/situ-dev/situ/internal/store/identity"
	"github.com/situ-dev/situ/internal/store/inspect"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/problem"
	"github.com/situ-dev/situ/internal/wire"
)

// Report is what Check found in a directory.
type Report struct {
	Dir      string
	ID       string // identity of the directory, when it could be read
	Format   int
	Shards   []ShardReport
	Rows     uint64 // of all shards and tables
	Bytes    uint64 // of their keys and values
	DiskSize uint64 // of the tables, the log and the files of values
	Problems []problem.Problem
}

// ShardReport counts one shard.
type ShardReport struct {
	Shard  wire.ShardID
	Last   wire.Seq // the last commit
	Links  uint64   // commits in the log, all verified
	Tables []TableReport
}

// TableReport counts one table of one shard.
type TableReport struct {
	Table Table
	Rows  uint64
	Bytes uint64
}

// Check reads a closed store as far as it can and says all that is wrong
// with it. It changes nothing. The error is for what stopped it from looking
// at all: no such directory, no rights, another format than this program reads
// (Invalid), or Locked, when a situ runs on it. Damage is in the report. A nil
// fs is the real disk.
func Check(dir string, fs vfs.FS) (Report, error) {
	o := Options{FS: fs, Logger: slog.New(slog.DiscardHandler)}.withDefaults()
	fs = o.FS
	r := Report{Dir: dir}
	if _, err := fs.Stat(dir); err != nil {
		if file.NotExist(err) {
			return r, fault.Wrap(fault.NotFound, opCheck, dir, err)
		}
		return r, problem.Classify(fault.Invalid, opCheck, dir, err)
	}
	st, err := look(fs, dir)
	if err == nil && st == stateNew {
		return r, fault.New(fault.NotFound, opCheck, dir, "there is no situ data in this directory")
	}
	if err != nil {
		r.add(dir, err)
		return r, nil
	}
	l, err := lockDir(fs, dir, opCheck)
	if err != nil {
		return r, err
	}
	defer func() { _ = l.Close() }()
	id, err := identity.Read(fs, dir)
	if fault.Is(err, fault.Invalid) {
		return r, err // it is not damaged, and says what to do
	}
	if err != nil {
		r.add(fs.PathJoin(dir, layout.IdentityFile), err)
		return r, nil
	}
	r.ID, r.Format = id.ID, id.Format
	r.read(o, id)
	return r, nil
}

// add notes an error as a problem of a file.
func (r *Report) add(file string, err error) {
	r.Problems = append(r.Problems, problem.As(file, err))
}

// read looks at all that needs the database.
func (r *Report) read(o Options, id identity.Identity) {
	ins, err := inspect.Directory(o.FS, r.Dir, id, o.Cache, o.Logger)
	if err != nil {
		r.add(o.FS.PathJoin(r.Dir, layout.PebbleDir), problem.Classify(fault.Corrupt, opCheck, r.Dir, err))
		return
	}
	defer ins.Close()
	for _, p := range ins.Problems {
		r.Problems = append(r.Problems, *p)
	}
	if ins.DB == nil {
		return
	}
	if err := ins.DB.CheckLevels(&pebble.CheckLevelsStats{}); err != nil {
		r.add(ins.File(), fmt.Errorf("the order of the tables: %w", err))
	}
	v := view(ins, o, r.Dir)
	defer v.files.Close()
	for i, sh := range v.shards {
		r.scan(ins, sh, ins.Chains[i].Count)
	}
	r.foreign(o, ins, id)
	r.usages(o, ins)
	r.DiskSize = ins.DB.Metrics().DiskSpaceUsage() + ins.Tail.Bytes + ins.Live.Size()
}

// scan reads every row of a shard, and so every checksum, a table at a time:
// a damaged table does not hide the others.
func (r *Report) scan(ins *inspect.Inspection, sh *Shard, links uint64) {
	sr := ShardReport{Shard: sh.id, Last: sh.Last(), Links: links}
	for _, tab := range layout.Tables {
		n := TableReport{Table: tab}
		err := sh.Scan(tab, nil, nil, func(k, v []byte) (bool, error) {
			n.Rows++
			n.Bytes += uint64(len(k) + len(v))
			return true, nil
		})
		if err != nil {
			p := problem.As(ins.File(), err)
			p.Shard, p.What = int(sh.id), fmt.Sprintf("table %s cannot be read: %s", tab, p.What)
			r.Problems = append(r.Problems, p)
		}
		r.Rows += n.Rows
		r.Bytes += n.Bytes
		if n.Rows > 0 {
			sr.Tables = append(sr.Tables, n)
		}
	}
	r.Shards = append(r.Shards, sr)
}

// view is the rows as a store would show them.
func view(ins *inspect.Inspection, o Options, dir string) *Store {
	s := &Store{db: ins.DB, files: far.NewFiles(o.FS, dir)}
	for i, t := range ins.Tips {
		sh := &Shard{s: s, id: wire.ShardID(i)}
		sh.last.Store(uint64(t.Last))
		sh.layers.Store(&layers{now: ins.Memtables[i]})
		s.shards = append(s.shards, sh)
	}
	return s
}

// usages looks whether a start would know of all the far values that rows have:
// of a file that counts fewer, it might remove what is needed.
func (r *Report) usages(o Options, ins *inspect.Inspection) {
	there, err := database.Recount(ins.DB)
	if err != nil {
		return // the shard whose rows cannot be read was told of
	}
	files := far.NewFiles(o.FS, r.Dir)
	for _, n := range there.Numbers() {
		if u := ins.Live.Files[n]; u == nil || u.Live < there.Files[n].Live {
			r.add(files.Path(n), fmt.Errorf("rows have %d bytes of values in the file, and fewer are counted", there.Files[n].Live))
		}
	}
	for t, n := range there.Rows {
		if ins.Live.Rows[t] < n {
			r.add(o.FS.PathJoin(r.Dir, layout.PebbleDir), fmt.Errorf("table %s has %d far values, and %d are counted", t, n, ins.Live.Rows[t]))
		}
	}
}

// foreign looks for rows of shards that the directory does not have.
func (r *Report) foreign(o Options, ins *inspect.Inspection, id identity.Identity) {
	lo, _ := layout.Bounds(wire.ShardID(id.Shards), 0, nil, nil)
	hi, _ := layout.Bounds(layout.NoShard, 0, nil, nil)
	n, err := count(ins.DB, lo, hi)
	if err != nil {
		r.add(ins.File(), err)
	} else if n.Rows > 0 {
		r.add(o.FS.PathJoin(r.Dir, layout.PebbleDir), fmt.Errorf("%d rows belong to shards beyond the %d of this directory", n.Rows, id.Shards))
	}
}

func count(db *pebble.DB, lo, hi []byte) (n TableReport, err error) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		return n, err
	}
	defer func() { _ = it.Close() }()
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return n, err
		}
		n.Rows++
		n.Bytes += uint64(len(it.Key()) + len(v))
	}
	return n, it.Error()
}
