package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/store/body"
	"github.com/situ-dev/situ/internal/store/chain"
	"github.com/situ-dev/situ/internal/store/database"
	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/file"
	"github.com/situ-dev/situ/internal/store/identity"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/mark"
	"github.com/situ-dev/situ/internal/store/memtable"
	"github.com/situ-dev/situ/internal/store/problem"
	"github.com/situ-dev/situ/internal/store/wal"
	"github.com/situ-dev/situ/internal/wire"
)

// inspection is a read-only look at a directory with a good identity.
type inspection struct {
	db       *pebble.DB // open for reading, closed by close; nil: its manifest is among the problems
	marks    mark.Marks
	tips     []chain.Tip
	chains   []*chain.Chain
	tables   []*memtable.Table // what the log has beyond the tables
	tail     wal.Tail
	live     far.Usages
	files    int // tables
	problems []*problem.Problem
	damaged  string // a file Pebble found damaged
}

func (ins *inspection) close() {
	if ins.db != nil {
		_ = ins.db.Close()
	}
}

func (ins *inspection) add(p *problem.Problem) {
	if p != nil {
		ins.problems = append(ins.problems, p)
	}
}

// inspect opens the database for reading, reads the log, and compares both with the marks.
// An error means that not even reading was possible.
func inspect(o Options, dir string, id identity.Identity) (*inspection, error) {
	fs, ins := o.FS, &inspection{}
	m, missing, p, err := readMarks(fs, fs.PathJoin(dir, layout.MarksFile), id)
	if err != nil {
		return nil, err
	}
	ins.marks = m
	ins.add(p)
	if p, err = checkManifest(o, dir, m.All[id.Shards]); err != nil {
		return nil, err
	}
	ins.add(p)
	opts := database.Options(o.Cache, fs, database.Log{Logger: o.Logger, Fatal: func(err error) {
		o.Logger.Error("store: while reading", "error", err)
	}})
	opts.ReadOnly, opts.ErrorIfNotExists = true, true
	opts.EventListener = &pebble.EventListener{
		BackgroundError: func(err error) { o.Logger.Error("store: while reading", "error", err) },
		DataCorruption:  func(i pebble.DataCorruptionInfo) { ins.damaged = i.Path },
	}
	if ins.db, err = database.Open(fs.PathJoin(dir, layout.PebbleDir), opts); err != nil {
		if p != nil {
			return ins, nil // a short manifest explains whatever Pebble misses
		}
		return nil, err
	}
	for _, l := range ins.db.Metrics().Levels {
		ins.files += int(l.TablesCount)
	}
	if err := ins.read(o, dir, id, missing); err != nil {
		ins.close()
		return nil, err
	}
	return ins, nil
}

// read reads the tips of the tables, the log, and what is known of files.
func (ins *inspection) read(o Options, dir string, id identity.Identity, missing bool) error {
	first, err := layout.ReadFirst(ins.db)
	if err != nil {
		return err
	}
	if ins.live, err = far.ReadUsages(ins.db); err != nil {
		return err
	}
	for i := range id.Shards {
		t, err := chain.ReadTip(ins.db, wire.ShardID(i))
		if err != nil {
			return err
		}
		ins.chains = append(ins.chains, &chain.Chain{Shard: wire.ShardID(i), Tables: t, Want: wire.Seq(ins.marks.All[i].Seq)})
		ins.tables = append(ins.tables, memtable.New())
	}
	logs := o.FS.PathJoin(dir, layout.LogDir)
	ins.tail, err = wal.Read(o.FS, logs, id.Short(), first, func(number uint64, at int64, r wal.Record) error {
		return ins.record(o.FS.PathJoin(logs, wal.Name(number)), number, at, r)
	})
	var damage *wal.Damage
	var p *problem.Problem
	switch {
	case errors.As(err, &p):
		ins.add(p)
	case errors.As(err, &damage):
		ins.add(&problem.Problem{File: damage.Path, Shard: problem.NoShard, What: damage.What, Do: problem.DoRestore})
	case err != nil:
		return err
	}
	if err := ins.valueFiles(o.FS, dir); err != nil {
		return err
	}
	ins.compare(o, dir, missing, err != nil)
	return nil
}

// record takes one commit from the log.
func (ins *inspection) record(path string, number uint64, at int64, r wal.Record) error {
	if int(r.Shard) >= len(ins.chains) {
		return &wal.Damage{Path: path, What: fmt.Sprintf("a commit is of %s, and there are %d shards", r.Shard, len(ins.chains))}
	}
	fresh, p := ins.chains[r.Shard].Next(r)
	if p != nil {
		p.File = path
		return p
	}
	if !fresh {
		return nil
	}
	if err := body.Insert(ins.tables[r.Shard], r.Body, number, at); err != nil {
		return &wal.Damage{Path: path, What: fmt.Sprintf("commit %d of %s: %v", r.Seq, r.Shard, err)}
	}
	return nil
}

// valueFiles looks for the files that rows in tables need.
func (ins *inspection) valueFiles(fs vfs.FS, dir string) error {
	files := far.NewFiles(fs, dir)
	for _, n := range ins.live.Numbers() {
		u := ins.live.Files[n]
		size, err := sizeOf(fs, files.Path(n))
		if file.NotExist(err) {
			ins.add(&problem.Problem{File: files.Path(n), Shard: problem.NoShard, Do: problem.DoRestore,
				What: fmt.Sprintf("the file is missing, and rows have %d bytes of values in it", u.Live)})
		} else if err != nil {
			return err
		} else if size < u.Size {
			ins.add(&problem.Problem{File: files.Path(n), Shard: problem.NoShard, Do: problem.DoRestore,
				What: fmt.Sprintf("the file had %d bytes and has %d, and rows have %d bytes of values in it", u.Size, size, u.Live)})
		}
	}
	return nil
}

func sizeOf(fs vfs.FS, path string) (uint64, error) {
	info, err := fs.Stat(path)
	if err != nil {
		return 0, err
	}
	return uint64(info.Size()), nil
}

// readMarks reads the file of the marks. A problem is damage of the file.
func readMarks(fs vfs.FS, path string, id identity.Identity) (m mark.Marks, missing bool, p *problem.Problem, err error) {
	b, err := file.Read(fs, path, int64(mark.Size(id.Shards)))
	if file.NotExist(err) {
		return mark.New(id.Short(), id.Shards), true, nil, nil
	}
	if err != nil {
		return m, false, nil, err
	}
	m, lost := mark.Decode(b, id.Short(), id.Shards)
	if lost < 0 {
		return m, false, nil, nil
	}
	if lost == id.Shards {
		lost = problem.NoShard // the manifest's
	}
	return m, false, &problem.Problem{File: path, Shard: lost, Do: problem.DoAccept, Accept: true,
		What: "no readable high-water mark: the file is damaged or of another directory"}, nil
}

// compare holds the chain of every shard against its mark. What is wrong with
// the log explains whatever is missing at its end.
func (ins *inspection) compare(o Options, dir string, missing, damaged bool) {
	log := newestLog(o.FS, dir)
	any := false
	for i, c := range ins.chains {
		t, p := c.End()
		ins.tips = append(ins.tips, t)
		any = any || t.Last > 0
		if p == nil {
			p = compare(wire.ShardID(i), t, c.HashOf(t), ins.marks.All[i])
		}
		if p != nil && !damaged {
			p.File = log
			ins.add(p)
		}
	}
	if missing && any {
		p := &problem.Problem{File: o.FS.PathJoin(dir, layout.MarksFile), Shard: problem.NoShard, Accept: true,
			What: "the high-water marks are missing, so nobody can say whether the newest commits are all here", Do: problem.DoAccept}
		ins.problems = append([]*problem.Problem{p}, ins.problems...)
	}
}

// compare holds a chain against its mark. A chain that is longer is what a
// crash leaves; a shorter one has lost acknowledged commits.
func compare(s wire.ShardID, t chain.Tip, at *uint64, m mark.Mark) *problem.Problem {
	if wire.Seq(m.Seq) > t.Last {
		p := problem.New(s, t.Last+1, "commits %d to %d were acknowledged and are missing from the end of the log, or the log file that held them is gone", t.Last+1, m.Seq)
		p.Do, p.Accept = problem.DoAccept, true
		return p
	}
	if at != nil && *at != m.Hash {
		return problem.New(s, wire.Seq(m.Seq), "commit %d is another one (hash %016x) than the one that was acknowledged (%016x)", m.Seq, *at, m.Hash)
	}
	return nil
}

// checkManifest holds the manifest against its mark.
func checkManifest(o Options, dir string, m mark.Mark) (*problem.Problem, error) {
	fs := o.FS
	desc, err := pebble.Peek(fs.PathJoin(dir, layout.PebbleDir), fs)
	if err != nil {
		return nil, err
	}
	num, _ := mark.ManifestNumber(fs.PathBase(desc.ManifestFilename))
	p := &problem.Problem{File: desc.ManifestFilename, Shard: problem.NoShard, Do: problem.DoRestore}
	switch {
	case num < m.Seq:
		p.What = fmt.Sprintf("manifest %d was in use; this is an older one", m.Seq)
		return p, nil
	case num > m.Seq:
		return nil, nil // newer than the mark: what a crash leaves
	}
	n, err := mark.ManifestLength(fs, desc.ManifestFilename)
	if err != nil {
		return nil, err
	}
	if uint64(n) < m.Hash {
		p.What = fmt.Sprintf("only %d of %d synced bytes of the manifest can be read: tables would be forgotten", n, m.Hash)
		return p, nil
	}
	return nil, nil
}
