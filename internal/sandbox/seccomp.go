package sandbox

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refused are calls of the kernel that no function needs, and that break walls:
// they fail with EPERM.
var refused = []uint32{
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE, unix.SYS_SETNS,
	unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_FSCONFIG, unix.SYS_MOUNT_SETATTR,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_REBOOT,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_ADJTIMEX, unix.SYS_CLOCK_ADJTIME,
	unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_SYSLOG, unix.SYS_PIDFD_GETFD, unix.SYS_FANOTIFY_INIT, unix.SYS_VHANGUP, unix.SYS_PERSONALITY,
}

// Offsets in what a filter sees of a call.
const (
	atCall = 0
	atArch = 4
	atArg0 = 16 // its lower half
)

// arches are the numbers of architectures, and x32 the first call of another
// table of the same one.
var arches = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64, "riscv64": unix.AUDIT_ARCH_RISCV64}

const x32 = 0x40000000

// newUser is what clone makes a namespace of users with.
const newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// filterSupported reports whether there is a filter for this architecture.
func filterSupported() bool { return arches[runtime.GOARCH] != 0 }

// program returns the filter.
func program() []unix.SockFilter {
	stmt := func(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }
	jump := func(op uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	load := uint16(unix.BPF_LD | unix.BPF_W | unix.BPF_ABS)
	fails := func(errno uint32) unix.SockFilter { return stmt(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ERRNO|errno) }
	f := []unix.SockFilter{
		stmt(load, atArch),
		jump(unix.BPF_JEQ, arches[runtime.GOARCH], 1, 0),
		stmt(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_KILL_PROCESS),
		stmt(load, atCall),
	}
	if runtime.GOARCH == "amd64" {
		f = append(f, jump(unix.BPF_JGE, x32, 0, 1), fails(uint32(unix.ENOSYS)))
	}
	for _, call := range refused {
		f = append(f, jump(unix.BPF_JEQ, call, 0, 1), fails(uint32(unix.EPERM)))
	}
	// What clone3 asks for cannot be seen here: libraries then use clone.
	f = append(f, jump(unix.BPF_JEQ, unix.SYS_CLONE3, 0, 1), fails(uint32(unix.ENOSYS)))
	f = append(f, jump(unix.BPF_JEQ, unix.SYS_CLONE, 0, 3), stmt(load, atArg0), jump(unix.BPF_JSET, newNamespaces, 0, 1), fails(uint32(unix.EPERM)))
	return append(f, stmt(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ALLOW))
}

// filter refuses calls of the kernel from now on, on this thread and what
// becomes of it.
func filter() error {
	if !filterSupported() {
		return nil
	}
	f := program()
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}
