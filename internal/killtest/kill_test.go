package killtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/proc"
	"github.com/situ-dev/situ/internal/seed"
)

// TestMain makes this binary the client, too.
func TestMain(m *testing.M) {
	if cfg := os.Getenv(envClient); cfg != "" {
		if err := runClient(cfg); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// cycles returns the number of times that the server is killed.
func cycles(t *testing.T) int {
	n := 200
	if testing.Short() {
		n = 8
	}
	if env := os.Getenv("KILL_CYCLES"); env != "" {
		var err error
		if n, err = strconv.Atoi(env); err != nil || n < 1 {
			t.Fatalf("KILL_CYCLES: %q is not a number of cycles", env)
		}
	}
	return n
}

// perRound is the number of kills after which everything is verified. The next
// round goes on with the same directory and other keys.
const perRound = 100

// step is what happens to whom, and how long after the server's first answer.
type step struct {
	what  string
	after time.Duration
}

// The steps.
const (
	killServer = "kill server"
	killBoth   = "kill worker and server"
	killWorker = "kill worker"
	killAll    = "kill client and server"
	stopServer = "stop server"
	freeze     = "freeze server"
	freezeWork = "freeze worker"
)

// plan returns the steps of a round with n kills of the server.
func plan(r *rand.Rand, n int) (steps []step) {
	some := func(what string, n int) {
		for range n {
			steps = append(steps, step{what, time.Duration(5_000+r.IntN(295_001)) * time.Microsecond})
		}
	}
	both, all := (n+7)/8, (n+12)/16
	some(killServer, n-both-all)
	some(killBoth, both)
	some(killAll, all)
	some(killWorker, (n+9)/10)
	some(stopServer, (n+12)/25)
	some(freeze, (n+12)/25)
	some(freezeWork, (n+12)/25)
	r.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	return steps
}

// run is the whole test.
type run struct {
	*server
	seed    uint64
	client  *peer
	counts  map[string]int // of steps
	acked   int
	unknown int
	late    []time.Duration
}

// TestKill kills the server again and again while a client calls it, and then
// looks whether everything that was acknowledged is there, once.
func TestKill(t *testing.T) {
	dir, err := os.MkdirTemp("", "situ-killtest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("kept: the data directory, histories and logs in %s", dir)
		} else if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	r := &run{seed: seed.New(t), server: newServer(t, dir), counts: map[string]int{}}
	began := time.Now()
	left := cycles(t)
	r.start()
	for round := 0; left > 0; round++ {
		n := min(left, perRound)
		r.round(round, n)
		if left -= n; t.Failed() {
			break
		}
	}
	r.stop()
	r.report(time.Since(began))
}

// round kills the server n times, then verifies, then verifies again after an
// orderly end.
func (r *run) round(round, n int) {
	r.t.Helper()
	rng := rand.New(rand.NewPCG(r.seed, uint64(round)))
	cfg := clientConfig{URL: "http://" + r.listen, Round: round, History: filepath.Join(r.dir, fmt.Sprintf("history-%d.log", round))}
	r.connect(cfg, rng)
	for i, s := range plan(rng, n) {
		<-time.After(s.after)
		r.t.Logf("round %d, step %d: %s after %v", round, i, s.what, s.after)
		r.counts[s.what]++
		r.do(s.what, rng, i)
		if s.what == killAll {
			r.connect(cfg, rng)
		}
		r.client.say("tick")
	}
	r.finish(cfg.History)
	stopped := time.Now()
	r.quiet(30 * time.Second)
	quiet := time.Now()
	fates, err := readHistory(cfg.History)
	if err != nil {
		r.t.Fatal(err)
	}
	v := &verdict{t: r.t, s: r.server, round: round, fates: fates}
	v.verify()
	r.stop()
	r.doctor()
	r.start()
	v.verify()
	r.note(v)
	r.t.Logf("round %d: quiet after %v, verified in %v", round, quiet.Sub(stopped), time.Since(quiet))
}

// finish has the client finish what it began. One that cannot says what it is.
func (r *run) finish(history string) {
	r.t.Helper()
	r.client.say("stop")
	select {
	case <-r.client.exited:
		if err := r.client.err; err != nil {
			r.t.Fatalf("the client failed: %v; see client.log", err)
		}
		return
	case <-time.After(time.Minute):
	}
	fates, err := readHistory(history)
	if err != nil {
		r.t.Fatal(err)
	}
	shown := 0
	for _, f := range fates {
		if f.Word == "" && f.Kind.keyed() && shown < 20 {
			r.t.Errorf("I8: %s %s is not answered a minute after the last kill; it was asked for %d times", f.Kind, f.ID, f.Retries+1)
			shown++
		}
	}
	r.t.FailNow()
}

// do carries out a step, and has the server running after.
func (r *run) do(what string, rng *rand.Rand, i int) {
	r.t.Helper()
	switch what {
	case killWorker:
		r.renewWorker()
		return
	case freeze, freezeWork:
		pid := r.worker
		if what == freeze {
			pid = r.proc.cmd.Process.Pid
		}
		r.freeze(pid, time.Duration(rng.IntN(300_000))*time.Microsecond, what == freezeWork)
		r.seeWorker()
		return
	case killAll:
		r.kill()
		_ = r.client.end(r.t, syscall.SIGKILL, 30*time.Second) // "signal: killed"
		r.start()
		r.quiet(30 * time.Second) // by itself: no new call gives anything a push (I9)
		return
	case killBoth:
		r.killWorker()
		<-time.After(time.Duration(rng.IntN(20_000)) * time.Microsecond)
		r.kill()
	case killServer:
		r.kill()
	case stopServer:
		r.server.stop()
	}
	if i%10 == 0 {
		r.doctor()
	}
	r.start()
}

// freeze stops a process for a while (SIGSTOP): then it goes on as if nothing
// had happened. A worker that stands still for so long may be replaced meanwhile,
// or have been before, on a machine with too much to do.
func (r *run) freeze(pid int, d time.Duration, replaced bool) {
	r.t.Helper()
	for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		if err := proc.Kill(pid, sig); err != nil && !(replaced && errors.Is(err, syscall.ESRCH)) {
			r.t.Fatalf("%v to %d: %v", sig, pid, err)
		}
		if sig == syscall.SIGSTOP {
			<-time.After(d)
		}
	}
}

// connect starts a client process.
func (r *run) connect(cfg clientConfig, rng *rand.Rand) {
	r.t.Helper()
	cfg.Seed = rng.Uint64()
	b, err := json.Marshal(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(r.dir, "client.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the process has its own
	cmd := exec.Command(filepath.Join(r.dir, "client"))
	cmd.Env = append(os.Environ(), envClient+"="+string(b))
	cmd.Stdout, cmd.Stderr = log, log
	p := &peer{}
	if p.in, err = cmd.StdinPipe(); err != nil {
		r.t.Fatal(err)
	}
	if p.process, err = startProcess(cmd); err != nil {
		r.t.Fatal(err)
	}
	r.client = p
	r.t.Cleanup(func() {
		select {
		case <-p.exited:
		default:
			_ = p.end(r.t, syscall.SIGKILL, time.Minute)
		}
	})
}

// note counts what a round did.
func (r *run) note(v *verdict) {
	for _, f := range v.fates {
		if f.Word != "" {
			r.acked++
		}
		if f.Retries > 0 {
			r.unknown++
		}
	}
	r.late = append(r.late, v.late...)
	slices.Sort(r.late)
}

// report says what was done.
func (r *run) report(took time.Duration) {
	if kills := r.counts[killServer] + r.counts[killBoth] + r.counts[killAll]; r.acked < 500*kills && !r.t.Failed() {
		r.t.Errorf("only %d operations were acknowledged in %d cycles; 500 in each are asked for", r.acked, kills)
	}
	slices.Sort(r.restart)
	slices.Sort(r.workers)
	ms := func(all []time.Duration, p int) int64 {
		if len(all) == 0 {
			return 0
		}
		return all[(len(all)-1)*p/100].Milliseconds()
	}
	r.t.Logf("%d cycles (and %d workers, %d clients killed, %d processes frozen, %d orderly ends) in %.1f s: %d operations acknowledged, %d of them or others with an unknown outcome at first; "+
		"restart to first reply p50 %d ms, p99 %d ms; worker killed to first reply p50 %d ms, p99 %d ms; timers late p50 %d ms, p99 %d ms",
		r.counts[killServer]+r.counts[killBoth]+r.counts[killAll], r.counts[killWorker], r.counts[killAll], r.counts[freeze]+r.counts[freezeWork], r.counts[stopServer], took.Seconds(),
		r.acked, r.unknown, ms(r.restart, 50), ms(r.restart, 99), ms(r.workers, 50), ms(r.workers, 99), ms(r.late, 50), ms(r.late, 99))
}
