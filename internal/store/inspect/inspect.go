// Package inspect reads a data directory as it is: marks, manifest, tips, log and files of
// values. It changes nothing, and says what is missing or damaged. What is to be done
// about it is its caller's: Open refuses, and Check reports.
package inspect

import (
	"errors"
	"fmt"
	"log/slog"

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

// Inspection is a read-only look at a directory with a good identity.
type Inspection struct {
	DB        *pebble.DB // open for reading, closed by Close; nil: its manifest is among the problems
	Marks     mark.Marks
	Tips      []chain.Tip       // of each shard
	Chains    []*chain.Chain    // of each shard
	Memtables []*memtable.Table // of each shard: what the log has beyond the tables
	Tail      wal.Tail
	Live      far.Usages
	Tables    int // how many there are
	Problems  []*problem.Problem

	fs      vfs.FS
	dir     string
	damaged string // a file Pebble found damaged
}

// Close closes the database.
func (ins *Inspection) Close() {
	if ins.DB != nil {
		_ = ins.DB.Close()
	}
}

// File returns the path that Pebble last found damaged, or its directory.
func (ins *Inspection) File() string {
	if ins.damaged != "" {
		return ins.damaged
	}
	return ins.fs.PathJoin(ins.dir, layout.PebbleDir)
}

func (ins *Inspection) add(p *problem.Problem) {
	if p != nil {
		ins.Problems = append(ins.Problems, p)
	}
}

// Directory opens the database of dir for reading, with a cache of that many bytes, reads the
// log, and compares both with the marks. What it finds wrong is in Problems; an error means
// that not even reading was possible. Close what it returns.
func Directory(fs vfs.FS, dir string, id identity.Identity, cache int64, log *slog.Logger) (*Inspection, error) {
	ins := &Inspection{fs: fs, dir: dir}
	m, missing, p, err := readMarks(fs, fs.PathJoin(dir, layout.MarksFile), id)
	if err != nil {
		return nil, err
	}
	ins.Marks = m
	ins.add(p)
	if p, err = checkManifest(fs, dir, m.All[id.Shards]); err != nil {
		return nil, err
	}
	ins.add(p)
	opts := database.Options(cache, fs, database.Log{Logger: log, Fatal: func(err error) {
		log.Error("store: while reading", "error", err)
	}})
	opts.ReadOnly, opts.ErrorIfNotExists = true, true
	opts.EventListener = &pebble.EventListener{
		BackgroundError: func(err error) { log.Error("store: while reading", "error", err) },
		DataCorruption:  func(i pebble.DataCorruptionInfo) { ins.damaged = i.Path },
	}
	if ins.DB, err = database.Open(fs.PathJoin(dir, layout.PebbleDir), opts); err != nil {
		if p != nil {
			return ins, nil // a short manifest explains whatever Pebble misses
		}
		return nil, err
	}
	for _, l := range ins.DB.Metrics().Levels {
		ins.Tables += int(l.TablesCount)
	}
	if err := ins.read(id, missing); err != nil {
		ins.Close()
		return nil, err
	}
	return ins, nil
}

// read reads the tips of the tables, the log, and what is known of files.
func (ins *Inspection) read(id identity.Identity, missing bool) error {
	first, err := layout.ReadFirst(ins.DB)
	if err != nil {
		return err
	}
	if ins.Live, err = far.ReadUsages(ins.DB); err != nil {
		return err
	}
	for i := range id.Shards {
		t, err := chain.ReadTip(ins.DB, wire.ShardID(i))
		if err != nil {
			return err
		}
		ins.Chains = append(ins.Chains, &chain.Chain{Shard: wire.ShardID(i), Tables: t, Want: wire.Seq(ins.Marks.All[i].Seq)})
		ins.Memtables = append(ins.Memtables, memtable.New())
	}
	logs := ins.fs.PathJoin(ins.dir, layout.LogDir)
	ins.Tail, err = wal.Read(ins.fs, logs, id.Short(), first, func(number uint64, at int64, r wal.Record) error {
		return ins.record(ins.fs.PathJoin(logs, wal.Name(number)), number, at, r)
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
	if err := ins.valueFiles(); err != nil {
		return err
	}
	ins.compare(missing, err != nil)
	return nil
}

// record takes one commit from the log.
func (ins *Inspection) record(path string, number uint64, at int64, r wal.Record) error {
	if int(r.Shard) >= len(ins.Chains) {
		return &wal.Damage{Path: path, What: fmt.Sprintf("a commit is of %s, and there are %d shards", r.Shard, len(ins.Chains))}
	}
	fresh, p := ins.Chains[r.Shard].Next(r)
	if p != nil {
		p.File = path
		return p
	}
	if !fresh {
		return nil
	}
	if err := body.Insert(ins.Memtables[r.Shard], r.Body, number, at); err != nil {
		return &wal.Damage{Path: path, What: fmt.Sprintf("commit %d of %s: %v", r.Seq, r.Shard, err)}
	}
	return nil
}

// valueFiles looks for the files that rows in tables need.
func (ins *Inspection) valueFiles() error {
	files := far.NewFiles(ins.fs, ins.dir)
	for _, n := range ins.Live.Numbers() {
		u := ins.Live.Files[n]
		size, err := sizeOf(ins.fs, files.Path(n))
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
func (ins *Inspection) compare(missing, damaged bool) {
	log := newestLog(ins.fs, ins.dir)
	any := false
	for i, c := range ins.Chains {
		t, p := c.End()
		ins.Tips = append(ins.Tips, t)
		any = any || t.Last > 0
		if p == nil {
			p = compare(wire.ShardID(i), t, c.HashOf(t), ins.Marks.All[i])
		}
		if p != nil && !damaged {
			p.File = log
			ins.add(p)
		}
	}
	if missing && any {
		p := &problem.Problem{File: ins.fs.PathJoin(ins.dir, layout.MarksFile), Shard: problem.NoShard, Accept: true,
			What: "the high-water marks are missing, so nobody can say whether the newest commits are all here", Do: problem.DoAccept}
		ins.Problems = append([]*problem.Problem{p}, ins.Problems...)
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
func checkManifest(fs vfs.FS, dir string, m mark.Mark) (*problem.Problem, error) {
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

// newestLog returns the path of the newest segment of the log, for messages.
func newestLog(fs vfs.FS, dir string) string {
	logs := fs.PathJoin(dir, layout.LogDir)
	nums, _ := wal.List(fs, logs)
	if len(nums) == 0 {
		return fs.PathJoin(logs, "*"+wal.Ext+" (there is none)")
	}
	return fs.PathJoin(logs, wal.Name(nums[len(nums)-1]))
}
