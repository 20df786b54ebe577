// Package killtest proves on the real process that nothing acknowledged is
// lost and nothing happens twice, however the process dies. It has no code but
// its test, which runs `situ serve` as a user does, has a client in a process
// of its own make thousands of calls, and kills the server again and again in
// the middle of them (kill -9; sometimes only its worker, sometimes both,
// sometimes the client with it; one is frozen for a while, or gets a polite
// SIGTERM). The client
// keeps its own history in a file, one line for each event; the verdict comes
// from that history and from what the objects say, never from the server's own
// figures. A client that was killed is followed by another, which reads the
// history and finishes what is open.
//
// What is proved, with the names of the design's invariants: increments happen
// exactly once, compared as sets (I3); transfers neither make nor lose money
// (I1); messages arrive in order and without a gap (I5); every asynchronous
// call that was accepted has its right answer; timers fire once and not early
// (I6); the airline loses nobody (I2); the calls of each register are
// linearizable (I4); all that was acknowledged is there (I8); and when nobody
// calls, all queues become empty (I9). Then the server ends on SIGTERM,
// `situ doctor` finds nothing wrong, and a server that is started once more
// says the same.
//
// The same process meets disks that fail: a sync that says EIO (strace), and a
// file system that is full to its last byte.
//
// TestKillChains does so with chains of each kind: calls through objects and
// functions, callers who are held, timers, workflows and fan-outs. Each that was
// acknowledged ends, once, with the right answer, and each of its calls left one mark.
//
// KILL_CYCLES is the number of kills (default 200), CHAIN_CYCLES that of the chains (default 10). SITU_SEED replays the plan
// of a run: what is killed and when. When something is wrong, the test says
// where the data directory, the histories and the logs are kept.
package killtest
