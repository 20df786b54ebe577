package store

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/database"
	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/file"
	"github.com/situ-dev/situ/internal/store/identity"
	"github.com/situ-dev/situ/internal/store/inspect"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/mark"
	"github.com/situ-dev/situ/internal/store/problem"
	"github.com/situ-dev/situ/internal/store/space"
	"github.com/situ-dev/situ/internal/store/wal"
	"github.com/situ-dev/situ/internal/wire"
)

// What an Open writes: options, marks, the head of a segment, and a manifest with
// an entry for each table.
const (
	openBytes  = 64 << 10
	tableBytes = 512
)

// lockDir takes the lock of the whole directory.
func lockDir(fs vfs.FS, dir, op string) (io.Closer, error) {
	l, err := fs.Lock(fs.PathJoin(dir, layout.LockFile))
	if err == nil {
		return l, nil
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return nil, problem.Classify(fault.Invalid, op, dir, err)
	}
	return nil, &fault.Error{Kind: fault.Locked, Op: op, On: dir,
		Msg: "another situ runs on this directory: stop it, or use another directory", Err: err}
}

// open does the work of Open under the lock.
func (s *Store) open(o Options) error {
	fs, dir := o.FS, s.dir
	st, err := look(fs, dir)
	if err != nil {
		return err
	}
	if st == stateNew {
		if err := s.create(o); err != nil {
			return err
		}
	} else if err := file.Remove(fs, fs.PathJoin(dir, layout.MakingFile)); err != nil {
		return err
	}
	if s.id, err = identity.Read(fs, dir); err != nil {
		return err
	}
	if o.Shards != 0 && o.Shards != s.id.Shards {
		return fault.New(fault.Invalid, opOpen, dir,
			"the directory was made with %d shards, not %d: leave the option out, or use a new directory", s.id.Shards, o.Shards)
	}
	ins, err := s.verify(o)
	if err != nil {
		return err
	}
	if need := uint64(openBytes + tableBytes*ins.Tables); !s.disk.Fits(need) {
		return fault.New(fault.Full, opOpen, dir,
			"to start takes up to %d bytes on this disk, and not so many are free: free some space and start again; nothing was changed", need)
	}
	s.adopt(ins)
	return s.start(o, ins)
}

type state int

const (
	stateNew state = iota
	stateThere
)

// look says what dir is, and refuses what is neither new nor whole.
func look(fs vfs.FS, dir string) (state, error) {
	there := func(name string) bool {
		_, err := fs.Stat(fs.PathJoin(dir, name))
		return err == nil
	}
	files, err := fs.List(fs.PathJoin(dir, layout.PebbleDir))
	if err != nil && !file.NotExist(err) {
		return 0, err
	}
	desc := &pebble.DBDesc{}
	if err == nil {
		if desc, err = pebble.Peek(fs.PathJoin(dir, layout.PebbleDir), fs); err != nil {
			return 0, err
		}
	}
	bad := func(file, what string) (state, error) {
		return 0, refuse(dir, &problem.Problem{File: fs.PathJoin(dir, file), Shard: problem.NoShard, What: what, Do: problem.DoRestore})
	}
	switch identity := there(layout.IdentityFile); {
	case identity && desc.Exists:
		return stateThere, nil
	case identity:
		return bad(layout.PebbleDir, "situ.json is there, but the database beside it is missing or has lost its manifest marker")
	case there(layout.MakingFile):
		return stateNew, nil // its making was cut short: nothing was ever acknowledged
	case len(files) > 0 || there(layout.MarksFile) || holds(fs, dir, layout.LogDir) || holds(fs, dir, layout.ValuesDir):
		return bad(layout.IdentityFile, "the identity of the directory is missing, though it holds data")
	}
	return stateNew, nil
}

// holds reports whether there are segments in a directory of dir.
func holds(fs vfs.FS, dir, name string) bool {
	nums, err := wal.List(fs, fs.PathJoin(dir, name))
	return err != nil || len(nums) > 0
}

// logOptions says how the log is written.
func (s *Store) logOptions(fs vfs.FS) wal.Options {
	return wal.Options{FS: fs, Dir: fs.PathJoin(s.dir, layout.LogDir), ID: s.id.Short(), Ahead: s.ahead(), Spare: s.spare, Fail: s.fatal}
}

// ahead is how much room a segment gets at once.
func (s *Store) ahead() int64 { return min(4<<20, s.memTable/2) }

// create makes the files of a new directory. The making file stands until
// all is synced, so that a crash in between starts over.
func (s *Store) create(o Options) error {
	fs, db := o.FS, o.FS.PathJoin(s.dir, layout.PebbleDir)
	shards := o.Shards
	if shards == 0 {
		shards = defaultShards()
	}
	s.id = identity.New(shards, time.Now())
	making := fs.PathJoin(s.dir, layout.MakingFile)
	if err := file.Write(fs, making, []byte(s.id.ID+"\n")); err != nil {
		return err
	}
	if err := fs.RemoveAll(db); err != nil {
		return err
	}
	if err := file.MakeDir(fs, db); err != nil {
		return err
	}
	m := mark.New(s.id.Short(), shards)
	if err := file.Write(fs, fs.PathJoin(s.dir, layout.MarksFile), m.Encode()); err != nil {
		return err
	}
	for _, sub := range []string{layout.LogDir, layout.ValuesDir} {
		if err := fs.RemoveAll(fs.PathJoin(s.dir, sub)); err != nil {
			return err
		}
		if err := file.MakeDir(fs, fs.PathJoin(s.dir, sub)); err != nil {
			return err
		}
	}
	log, err := wal.Open(s.logOptions(fs), wal.Tail{})
	if err != nil {
		return err
	}
	if err := log.Close(); err != nil {
		return err
	}
	if err := s.openPebble(o, m); err != nil {
		return err
	}
	err = s.db.Close()
	if e := s.guard.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if err := file.Write(fs, fs.PathJoin(s.dir, layout.IdentityFile), s.id.Encode()); err != nil {
		return err
	}
	return file.Remove(fs, making)
}

// verify reads the directory without changing it, and refuses it when
// anything acknowledged is missing.
func (s *Store) verify(o Options) (*inspect.Inspection, error) {
	ins, err := inspect.Directory(o.FS, s.dir, s.id, o.Cache, o.Logger)
	if err != nil {
		return nil, err
	}
	defer ins.Close()
	accepted := false
	if b, err := file.Read(o.FS, o.FS.PathJoin(s.dir, layout.AcceptFile), 1<<10); err == nil {
		accepted = strings.TrimSpace(string(b)) == s.id.ID
	}
	for _, p := range ins.Problems {
		if !accepted || !p.Accept {
			return nil, refuse(s.dir, p)
		}
		s.log.Error("store: a loss was accepted by "+layout.AcceptFile, "problem", p.Error())
	}
	return ins, nil
}

// adopt makes the shards from what was read.
func (s *Store) adopt(ins *inspect.Inspection) {
	s.shards = make([]*Shard, len(ins.Tips))
	for i, t := range ins.Tips {
		sh := &Shard{s: s, id: wire.ShardID(i), hash: t.Hash}
		sh.last.Store(uint64(t.Last))
		sh.layers.Store(&layers{now: ins.Memtables[i]})
		s.shards[i] = sh
		s.unflushed.Add(sh.weigh())
	}
	s.live = ins.Live
	s.segments = ins.Tail.Segments
	s.filesSize.Store(s.live.Size())
	s.ended.Store(int64(ins.Tail.Bytes))
}

// start opens Pebble and the log for writing and brings the marks up to the chains.
func (s *Store) start(o Options, ins *inspect.Inspection) error {
	m := ins.Marks
	for i, t := range ins.Tips {
		// Only an accepted loss lowers a mark. None is raised yet: after
		// kill -9 the end of the log may be in the page cache only, and is
		// durable when the log is open for writing.
		if k := &m.All[i]; wire.Seq(k.Seq) > t.Last {
			k.Seq, k.Hash = uint64(t.Last), t.Hash
		}
	}
	s.files = far.NewFiles(o.FS, s.dir)
	// A copy of a directory may have left out what was empty.
	if err := file.MakeDir(o.FS, s.files.Values); err != nil {
		return err
	}
	if err := s.openPebble(o, m); err != nil {
		return err
	}
	err := s.clean(o.FS)
	if err == nil {
		s.wal, err = wal.Open(s.logOptions(o.FS), ins.Tail)
	}
	if err == nil {
		for i, t := range ins.Tips {
			s.guard.Commit(wire.ShardID(i), t.Last, t.Hash)
		}
		err = s.guard.Sync()
	}
	if err == nil {
		err = file.Remove(o.FS, o.FS.PathJoin(s.dir, layout.AcceptFile))
	}
	if err != nil {
		if s.wal != nil {
			err = errors.Join(err, s.wal.Close())
		}
		return errors.Join(err, s.db.Close(), s.guard.Close())
	}
	return nil
}

// clean removes what a crash has left of files that nobody needs, and finds
// the number of the next file of values.
func (s *Store) clean(fs vfs.FS) error {
	for _, name := range []string{layout.TableFile, space.Kept} {
		if err := file.Remove(fs, fs.PathJoin(s.dir, name)); err != nil {
			return err
		}
	}
	logs, err := wal.List(fs, s.files.Logs)
	if err != nil {
		return err
	}
	values, err := wal.List(fs, s.files.Values)
	if err != nil {
		return err
	}
	first := s.segments[0].Number
	s.nextValues = 1
	for _, n := range values {
		s.nextValues = n + 1
	}
	for i := range values {
		values[i] |= far.InValues
	}
	for _, n := range append(logs, values...) {
		if s.live.Files[n] == nil && (n < first || n&far.InValues != 0) {
			if err := fs.Remove(s.files.Path(n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// openPebble writes the marks and opens Pebble for writing under them.
func (s *Store) openPebble(o Options, m mark.Marks) error {
	path := o.FS.PathJoin(s.dir, layout.MarksFile)
	// Replaced whole, not in place: there is no moment without valid marks.
	if err := file.Write(o.FS, path, m.Encode()); err != nil {
		return err
	}
	f, err := o.FS.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	s.guard = mark.NewGuard(f, m, func(err error) {
		s.log.Error("store: damage at the end of the log may go unseen", "error", err)
	})
	s.opts = database.Options(o.Cache, mark.Watch(o.FS, s.guard), database.Log{Logger: s.log, Fatal: s.fatal})
	s.opts.EventListener = s.listener()
	s.opts.EnsureDefaults()
	if s.db, err = database.Open(o.FS.PathJoin(s.dir, layout.PebbleDir), s.opts); err == nil {
		err = s.broken()
	}
	if err != nil {
		if s.db != nil {
			err = errors.Join(err, s.db.Close())
		}
		return errors.Join(err, s.guard.Close())
	}
	return nil
}
