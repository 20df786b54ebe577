package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/store/mark"
	"github.com/situ-dev/situ/internal/wire"
)

// inspection is a read-only look at a directory with a good identity.
type inspection struct {
	db       *pebble.DB // open for reading, closed by close; nil: its manifest is among the problems
	marks    mark.Marks
	tips     []tip
	problems []*Problem
	old      bool
	log      uint64 // bytes at most that a start makes tables of
	damaged  string // a file Pebble found damaged
}

func (ins *inspection) close() {
	if ins.db != nil {
		_ = ins.db.Close()
	}
}

// inspect opens the database for reading and compares it with the marks.
// An error means that not even reading was possible.
func inspect(o Options, dir string, id identity) (*inspection, error) {
	fs, ins := o.FS, &inspection{}
	m, missing, p, err := readMarks(fs, fs.PathJoin(dir, hwmFile), id)
	if err != nil {
		return nil, err
	}
	ins.marks = m
	if p != nil {
		ins.problems = append(ins.problems, p)
	}
	if p, err = checkManifest(o, dir, m.All[id.Shards]); err != nil {
		return nil, err
	} else if p != nil {
		ins.problems = append(ins.problems, p)
	}
	opts := pebbleOptions(o, fs, pebbleLog{o.Logger, func(err error) {
		o.Logger.Error("store: while reading", "error", err)
	}})
	opts.ReadOnly, opts.ErrorIfNotExists = true, true
	opts.EventListener = &pebble.EventListener{
		BackgroundError: func(err error) { o.Logger.Error("store: while reading", "error", err) },
		DataCorruption:  func(i pebble.DataCorruptionInfo) { ins.damaged = i.Path },
	}
	if ins.db, err = openDB(fs.PathJoin(dir, pebbleDir), opts); err != nil {
		if p != nil {
			return ins, nil // a short manifest explains whatever Pebble misses
		}
		return nil, err
	}
	ins.log = min(ins.db.Metrics().MemTable.Size, logBytes(fs, dir))
	ins.old = ins.db.FormatMajorVersion() < pebble.FormatNewest
	ins.chains(o, dir, missing)
	return ins, nil
}

// readMarks reads the file of the marks. A problem is damage of the file.
func readMarks(fs vfs.FS, path string, id identity) (m mark.Marks, missing bool, p *Problem, err error) {
	b, err := readFile(fs, path, int64(mark.Size(id.Shards)))
	if notExist(err) {
		return mark.New(id.short(), id.Shards), true, nil, nil
	}
	if err != nil {
		return m, false, nil, err
	}
	m, lost := mark.Decode(b, id.short(), id.Shards)
	if lost < 0 {
		return m, false, nil, nil
	}
	if lost == id.Shards {
		lost = NoShard // the manifest's
	}
	return m, false, &Problem{File: path, Shard: lost, Do: doAccept, accept: true,
		What: "no readable high-water mark: the file is damaged or of another directory"}, nil
}

// chains reads the chain of every shard.
func (ins *inspection) chains(o Options, dir string, missing bool) {
	wal := newestLog(o.FS, dir)
	any := false
	for i := range ins.marks.All[:len(ins.marks.All)-1] {
		m := ins.marks.All[i]
		t, at, err := readChain(ins.db, wire.ShardID(i), wire.Seq(m.Seq))
		ins.tips = append(ins.tips, t)
		any = any || t.last > 0
		var p *Problem
		if err == nil {
			p = compare(wire.ShardID(i), t, at, m)
		} else if !errors.As(err, &p) {
			p = problemf(wire.ShardID(i), t.last, "the chain cannot be read: %v", err)
		}
		if p != nil {
			p.File = wal
			if ins.damaged != "" {
				p.File = ins.damaged
			}
			ins.problems = append(ins.problems, p)
		}
	}
	if missing && any {
		p := &Problem{File: o.FS.PathJoin(dir, hwmFile), Shard: NoShard, accept: true,
			What: "the high-water marks are missing, so nobody can say whether the newest commits are all here", Do: doAccept}
		ins.problems = append([]*Problem{p}, ins.problems...)
	}
}

// compare holds a chain against its mark. A chain that is longer is what a
// crash leaves; a shorter one has lost acknowledged commits.
func compare(s wire.ShardID, t tip, at *uint64, m mark.Mark) *Problem {
	if wire.Seq(m.Seq) > t.last {
		p := problemf(s, t.last+1, "commits %d to %d were acknowledged and are missing from the end of the log, or the log file that held them is gone", t.last+1, m.Seq)
		p.Do, p.accept = doAccept, true
		return p
	}
	if at != nil && *at != m.Hash {
		return problemf(s, wire.Seq(m.Seq), "commit %d is another one (hash %016x) than the one that was acknowledged (%016x)", m.Seq, *at, m.Hash)
	}
	return nil
}

// checkManifest holds the manifest against its mark.
func checkManifest(o Options, dir string, m mark.Mark) (*Problem, error) {
	fs := o.FS
	desc, err := pebble.Peek(fs.PathJoin(dir, pebbleDir), fs)
	if err != nil {
		return nil, err
	}
	num, _ := mark.ManifestNumber(fs.PathBase(desc.ManifestFilename))
	p := &Problem{File: desc.ManifestFilename, Shard: NoShard, Do: doRestore}
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
