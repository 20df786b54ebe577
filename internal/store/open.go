package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/mark"
	"github.com/situ-dev/situ/internal/store/wal"
	"github.com/situ-dev/situ/internal/wire"
)

const (
	lockFile   = "LOCK"
	hwmFile    = "situ.hwm"
	pebbleDir  = "pebble"
	logDir     = "log"
	valuesDir  = "values"
	makingFile = "situ.creating" // there while the directory is being made
	acceptFile = "situ.accept"   // made by a person who accepts a loss
)

// What an Open writes: options, marks, the head of a segment, and a manifest with
// an entry for each table.
const (
	openBytes  = 64 << 10
	tableBytes = 512
)

const doAccept = "nothing was changed; restore this directory from a backup, or, to go on without what is lost, " +
	"write the \"id\" of situ.json into a file " + acceptFile + " beside it and start again"

func notExist(err error) bool { return errors.Is(err, os.ErrNotExist) }

// makeDir makes dir and its parents, each synced into the one above.
func makeDir(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil || !notExist(err) {
		return err
	}
	up := fs.PathDir(dir)
	if up != dir && up != "." {
		if err := makeDir(fs, up); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return syncDir(fs, up)
}

// lockDir takes the lock of the whole directory.
func lockDir(fs vfs.FS, dir, op string) (io.Closer, error) {
	l, err := fs.Lock(fs.PathJoin(dir, lockFile))
	if err == nil {
		return l, nil
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return nil, classify(fault.Invalid, op, dir, err)
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
	} else if err := removeIfThere(fs, fs.PathJoin(dir, makingFile)); err != nil {
		return err
	}
	if s.id, err = readIdentity(fs, dir); err != nil {
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
	if need := uint64(openBytes + tableBytes*ins.files); !s.disk.Fits(need) {
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
	files, err := fs.List(fs.PathJoin(dir, pebbleDir))
	if err != nil && !notExist(err) {
		return 0, err
	}
	desc := &pebble.DBDesc{}
	if err == nil {
		if desc, err = pebble.Peek(fs.PathJoin(dir, pebbleDir), fs); err != nil {
			return 0, err
		}
	}
	bad := func(file, what string) (state, error) {
		return 0, refuse(dir, &Problem{File: fs.PathJoin(dir, file), Shard: NoShard, What: what, Do: doRestore})
	}
	switch identity := there(identityFile); {
	case identity && desc.Exists:
		return stateThere, nil
	case identity:
		return bad(pebbleDir, "situ.json is there, but the database beside it is missing or has lost its manifest marker")
	case there(makingFile):
		return stateNew, nil // its making was cut short: nothing was ever acknowledged
	case len(files) > 0 || there(hwmFile) || holds(fs, dir, logDir) || holds(fs, dir, valuesDir):
		return bad(identityFile, "the identity of the directory is missing, though it holds data")
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
	return wal.Options{FS: fs, Dir: fs.PathJoin(s.dir, logDir), ID: s.id.short(), Ahead: s.ahead(), Fail: s.fatal}
}

// ahead is how much room a segment gets at once.
func (s *Store) ahead() int64 { return min(4<<20, s.memTable/2) }

// create makes the files of a new directory. The making file stands until
// all is synced, so that a crash in between starts over.
func (s *Store) create(o Options) error {
	fs, db := o.FS, o.FS.PathJoin(s.dir, pebbleDir)
	shards := o.Shards
	if shards == 0 {
		shards = defaultShards()
	}
	s.id = newIdentity(shards, time.Now())
	making := fs.PathJoin(s.dir, makingFile)
	if err := writeFile(fs, making, []byte(s.id.ID+"\n")); err != nil {
		return err
	}
	if err := fs.RemoveAll(db); err != nil {
		return err
	}
	if err := makeDir(fs, db); err != nil {
		return err
	}
	m := mark.New(s.id.short(), shards)
	if err := writeFile(fs, fs.PathJoin(s.dir, hwmFile), m.Encode()); err != nil {
		return err
	}
	for _, sub := range []string{logDir, valuesDir} {
		if err := fs.RemoveAll(fs.PathJoin(s.dir, sub)); err != nil {
			return err
		}
		if err := makeDir(fs, fs.PathJoin(s.dir, sub)); err != nil {
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
	if err := writeFile(fs, fs.PathJoin(s.dir, identityFile), s.id.encode()); err != nil {
		return err
	}
	return removeIfThere(fs, making)
}

func removeIfThere(fs vfs.FS, path string) error {
	err := fs.Remove(path)
	if notExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(fs, fs.PathDir(path))
}

func readIdentity(fs vfs.FS, dir string) (identity, error) {
	b, err := readFile(fs, fs.PathJoin(dir, identityFile), identityMax)
	if err != nil {
		return identity{}, err
	}
	return decodeIdentity(fs.PathJoin(dir, identityFile), b)
}

// verify reads the directory without changing it, and refuses it when
// anything acknowledged is missing.
func (s *Store) verify(o Options) (*inspection, error) {
	ins, err := inspect(o, s.dir, s.id)
	if err != nil {
		return nil, err
	}
	defer ins.close()
	accepted := false
	if b, err := readFile(o.FS, o.FS.PathJoin(s.dir, acceptFile), 1<<10); err == nil {
		accepted = strings.TrimSpace(string(b)) == s.id.ID
	}
	for _, p := range ins.problems {
		if !accepted || !p.accept {
			return nil, refuse(s.dir, p)
		}
		s.log.Error("store: a loss was accepted by "+acceptFile, "problem", p.Error())
	}
	return ins, nil
}

// adopt makes the shards from what was read.
func (s *Store) adopt(ins *inspection) {
	s.shards = make([]*Shard, len(ins.tips))
	for i, t := range ins.tips {
		sh := &Shard{s: s, id: wire.ShardID(i), hash: t.hash}
		sh.last.Store(uint64(t.last))
		sh.layers.Store(&layers{now: ins.tables[i]})
		s.shards[i] = sh
		s.unflushed.Add(sh.weigh())
	}
	s.live = ins.live
	s.segments = ins.tail.Segments
	s.filesSize.Store(s.live.size())
	s.ended.Store(int64(ins.tail.Bytes))
}

// start opens Pebble and the log for writing and brings the marks up to the chains.
func (s *Store) start(o Options, ins *inspection) error {
	m := ins.marks
	for i, t := range ins.tips {
		// Only an accepted loss lowers a mark. None is raised yet: after
		// kill -9 the end of the log may be in the page cache only, and is
		// durable when the log is open for writing.
		if k := &m.All[i]; wire.Seq(k.Seq) > t.last {
			k.Seq, k.Hash = uint64(t.last), t.hash
		}
	}
	s.files = newFiles(o.FS, s.dir)
	// A copy of a directory may have left out what was empty.
	if err := makeDir(o.FS, s.files.vals); err != nil {
		return err
	}
	if err := s.openPebble(o, m); err != nil {
		return err
	}
	err := s.clean(o.FS)
	if err == nil {
		s.wal, err = wal.Open(s.logOptions(o.FS), ins.tail)
	}
	if err == nil {
		for i, t := range ins.tips {
			s.guard.Commit(wire.ShardID(i), t.last, t.hash)
		}
		err = s.guard.Sync()
	}
	if err == nil {
		err = removeIfThere(o.FS, o.FS.PathJoin(s.dir, acceptFile))
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
	if err := removeIfThere(fs, fs.PathJoin(s.dir, tableFile)); err != nil {
		return err
	}
	logs, err := wal.List(fs, s.files.logs)
	if err != nil {
		return err
	}
	values, err := wal.List(fs, s.files.vals)
	if err != nil {
		return err
	}
	first := s.segments[0].Number
	s.nextValues = 1
	for _, n := range values {
		s.nextValues = n + 1
	}
	for i := range values {
		values[i] |= inValues
	}
	for _, n := range append(logs, values...) {
		if s.live.files[n] == nil && (n < first || n&inValues != 0) {
			if err := fs.Remove(s.files.path(n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// openPebble writes the marks and opens Pebble for writing under them.
func (s *Store) openPebble(o Options, m mark.Marks) error {
	path := o.FS.PathJoin(s.dir, hwmFile)
	// Replaced whole, not in place: there is no moment without valid marks.
	if err := writeFile(o.FS, path, m.Encode()); err != nil {
		return err
	}
	f, err := o.FS.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	s.guard = mark.NewGuard(f, m, func(err error) {
		s.log.Error("store: damage at the end of the log may go unseen", "error", err)
	})
	s.opts = pebbleOptions(o, mark.Watch(o.FS, s.guard), pebbleLog{s.log, s.fatal})
	s.opts.EventListener = s.listener()
	s.opts.EnsureDefaults()
	if s.db, err = openDB(o.FS.PathJoin(s.dir, pebbleDir), s.opts); err == nil {
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

// openDB opens Pebble; damage that makes it panic is an error too.
func openDB(dir string, opts *pebble.Options) (db *pebble.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, fmt.Errorf("pebble panicked while opening %s: %v", dir, r)
		}
	}()
	return pebble.Open(dir, opts)
}

// newestLog returns the path of the newest segment of the log, for messages.
func newestLog(fs vfs.FS, dir string) string {
	logs := fs.PathJoin(dir, logDir)
	nums, _ := wal.List(fs, logs)
	if len(nums) == 0 {
		return fs.PathJoin(logs, "*"+wal.Ext+" (there is none)")
	}
	return fs.PathJoin(logs, wal.Name(nums[len(nums)-1]))
}
