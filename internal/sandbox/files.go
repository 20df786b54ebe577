package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// system are files and directories that any program may need: what runs
// programs, and what finds names and times.
var system = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64",
	"/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group",
	"/etc/localtime", "/etc/timezone", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/protocols", "/etc/services", "/etc/mime.types",
}

// devices are those that any program may use.
var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}

// newRoot is where the file system is built: a directory that is on every
// system, and that nothing comes from.
const newRoot = "/sys"

// files builds a file system and makes it the root: the system's programs, what
// the program reads, its sockets, and an empty /tmp.
func (p *plan) files() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mounts of its own: %w", err)
	}
	if err := unix.Mount("situ", newRoot, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=1m"); err != nil {
		return fmt.Errorf("an empty file system: %w", err)
	}
	// First these: what the program reads may be below /tmp itself.
	for _, dir := range []string{"/tmp", "/dev/shm"} {
		if err := os.MkdirAll(newRoot+dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("tmp", newRoot+dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("mode=1777,size=%d,nr_inodes=10k", p.Limits.Disk)); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	for _, path := range slices.Concat(system, p.Reads) {
		if err := show(path, true); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	for _, path := range p.Sockets {
		if err := show(path, false); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	for _, path := range devices {
		if err := show(path, false); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return p.pivot()
}

// pivot makes what was built the root, with nothing of the old one left.
func (p *plan) pivot() error {
	for _, dir := range []string{"/proc", p.Dir} {
		if err := os.MkdirAll(newRoot+dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	// A system that hides parts of its own /proc does not let us have one: then
	// there is none.
	if err := unix.Mount("proc", newRoot+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("/proc: %w", err)
	}
	if err := os.Chdir(newRoot); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("the old root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("the root, read-only: %w", err)
	}
	return nil
}

// show makes a file or directory appear in the new root, where it is in the old
// one. What is not there is left out.
func show(path string, readOnly bool) error {
	path = filepath.Clean(path)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	to := newRoot + path
	if covered(path) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	from := path
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		if filepath.Dir(path) == "/" { // as /bin is usr/bin
			return os.Symlink(target, to)
		}
		if from, err = filepath.EvalSymlinks(path); err != nil {
			return nil // it leads nowhere
		}
		if info, err = os.Stat(from); err != nil {
			return err
		}
	}
	if info.IsDir() {
		err = os.MkdirAll(to, 0o755)
	} else {
		err = os.WriteFile(to, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID}
	if readOnly {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV
	}
	return unix.MountSetattr(unix.AT_FDCWD, to, unix.AT_RECURSIVE, &attr)
}

// covered reports whether a path is in a directory of the system, which is
// there already.
func covered(path string) bool {
	return slices.ContainsFunc(system, func(dir string) bool { return strings.HasPrefix(path, dir+"/") })
}

// loopback brings up the interface by which a program talks to itself.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }() // it is only a handle
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}
