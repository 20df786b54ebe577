package worker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/guest"
	"github.com/situ-dev/situ/internal/worker/alive"
	"github.com/situ-dev/situ/internal/worker/process"
	"github.com/situ-dev/situ/internal/workproto"
)

// maxSocket is how long the path of a Unix socket may be, here and on other
// systems that Go knows.
const maxSocket = 100

// acceptPause is how long a door waits when it cannot take a connection: there
// may be no files left, and there will be some again.
const acceptPause = 50 * time.Millisecond

// door is a socket at which programs arrive: those that the pool started, or
// those that were started by hand.
type door struct {
	pool   *Pool
	byHand bool
	ln     net.Listener
	dir    string // to be removed
	note   string // file with the address, to be removed
	conns  sync.WaitGroup
}

// openDoor makes the socket for the programs that the pool starts: in a
// directory that only this user can enter, with a short path.
func openDoor(p *Pool) (*door, error) {
	dir, err := os.MkdirTemp("", "situ-")
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, "worker.listen", "", err)
	}
	path := filepath.Join(dir, "w")
	if len(path) > maxSocket {
		_ = os.RemoveAll(dir) // the other error is told
		return nil, fault.New(fault.Invalid, "worker.listen", path, "the path is too long for a socket: set TMPDIR to a short one")
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fault.Wrap(fault.Unavailable, "worker.listen", path, err)
	}
	process.RemoveDead(filepath.Join(os.TempDir(), "situ-*", "w"))
	return &door{pool: p, ln: ln, dir: dir}, nil
}

// openAttach makes the socket for programs that are started by hand. The data
// directory is locked by this process, so what a former one left is removed.
func openAttach(p *Pool) (*door, error) {
	path, note := filepath.Join(p.cfg.Dir, guest.AttachSocket), filepath.Join(p.cfg.Dir, guest.AttachFile)
	_ = os.Remove(path) // usually not there
	_ = os.Remove(note)
	if len(path) <= maxSocket {
		ln, err := net.Listen("unix", path)
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, "worker.listen", path, err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			_ = ln.Close()
			return nil, fault.Wrap(fault.Unavailable, "worker.listen", path, err)
		}
		return &door{pool: p, byHand: true, ln: ln}, nil
	}
	d, err := openDoor(p)
	if err != nil {
		return nil, err
	}
	d.byHand, d.note = true, note
	if err := os.WriteFile(note, []byte(d.addr()+"\n"), 0o600); err != nil {
		d.close()
		return nil, fault.Wrap(fault.Unavailable, "worker.listen", note, err)
	}
	return d, nil
}

func (d *door) addr() string { return d.ln.Addr().String() }

// serve takes connections until close, and returns when all have ended.
func (d *door) serve() {
	for {
		c, err := d.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			d.pool.cfg.Log.Warn("a program cannot connect; it is tried again", "error", err)
			time.Sleep(acceptPause)
			continue
		}
		d.conns.Go(func() { d.greet(workproto.NewConn(alive.NewEar(c))) })
	}
	d.conns.Wait()
}

// close stops taking connections and removes what is on disk.
func (d *door) close() {
	_ = d.ln.Close() // removes the socket, too
	for _, path := range []string{d.dir, d.note} {
		if path != "" {
			_ = os.RemoveAll(path) // a leftover harms nobody
		}
	}
}

// greet finds out what a connection is for, and serves it until it ends.
func (d *door) greet(c *workproto.Conn) {
	defer func() { _ = c.Close() }() // what mattered was written before
	_ = c.SetDeadline(time.Now().Add(d.pool.cfg.Start))
	c.Limit(16 << 20)
	stop := context.AfterFunc(d.pool.closing, func() { _ = c.Close() })
	m, err := c.Receive()
	if stop() && err == nil {
		_ = c.SetReadDeadline(time.Time{})
		_ = c.SetWriteDeadline(time.Time{})
		switch m := m.(type) {
		case *workproto.Hello:
			err = d.hello(c, m)
		case *workproto.Attach:
			if s := d.pool.session(m.Token); s != nil {
				err = s.add(m.Shard, c)
			} else {
				err = fault.New(fault.Corrupt, "worker.attach", m.Shard.String(), "its token is not known")
			}
		default:
			err = fault.New(fault.Corrupt, "worker.greet", "", "the first message is %v", m.Type())
		}
	}
	if err != nil {
		d.pool.cfg.Log.Debug("a connection of a worker was refused", "error", err)
	}
}

// hello takes a program in, or tells it why not.
func (d *door) hello(c *workproto.Conn, m *workproto.Hello) error {
	s, err := d.session(c, m)
	if err != nil {
		_ = c.SetWriteDeadline(time.Now().Add(d.pool.cfg.Start))
		_ = c.Send(&workproto.Refuse{Why: err.Error()}) // it may be gone already
		return err
	}
	d.pool.enter(s)
	defer d.pool.leave(s)
	if err := c.Send(s.welcome()); err != nil {
		s.gone(err)
	}
	if d.byHand {
		t := time.AfterFunc(d.pool.cfg.Start, func() {
			if !isClosed(s.ready) {
				s.fail(fault.New(fault.Timeout, "worker.attach", "", "it did not attach to all shards"))
			}
		})
		defer t.Stop()
		d.conns.Go(func() { d.pool.announce(s) })
	}
	s.run()
	return nil
}

func (d *door) session(c *workproto.Conn, m *workproto.Hello) (*session, error) {
	if m.Version != workproto.Version {
		return nil, fault.New(fault.Invalid, "hello", "", "the program speaks version %d of the protocol and this platform version %d: build it with the module version of the situ command, or the other way round",
			m.Version, workproto.Version)
	}
	var proc *process.Process
	if d.byHand {
		if pid := d.pool.guestPID.Load(); pid != 0 {
			return nil, fault.New(fault.Invalid, "hello", "", "process %d is attached already: end it first", pid)
		}
	} else {
		st := d.pool.expected(m.Token)
		if st == nil {
			return nil, fault.New(fault.Invalid, "hello", "", "the platform did not start this process")
		}
		<-st.started
		proc = st.proc
	}
	return newSession(d.pool, m, c, proc)
}

func newToken() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
