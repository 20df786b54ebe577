// Package command is `situ bench`: a command for each workload of bench/suite, with
// its flags.
package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/bench/suite"
	"github.com/situ-dev/situ/internal/cli"
	"github.com/situ-dev/situ/internal/fault"
)

// Console is where the commands write.
type Console struct {
	Out, Err io.Writer
	JSON     func() bool     // whether a result is printed for machines
	Args     func() []string // of the whole command line, to be run again
}

// New returns the command.
func New(c Console) *cobra.Command {
	b := &bench{c: c}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine, and check the results",
		Long: `Bench runs a workload on a platform of its own, in a new data directory,
measures it, checks its result, and measures in the same run what no platform
is faster than: the same work on plain goroutines and channels in memory, the
time that the disk takes to sync 4 KiB, its bandwidth, or servers that do
nothing but answer.`,
		Args: cli.Known,
		RunE: cli.Help,
	}
	f := cmd.PersistentFlags()
	f.StringVar(&b.Mode, "mode", platform.Embedded, "where the components run: "+strings.Join(platform.Modes, " or "))
	f.StringVar(&b.Dir, "dir", "", "directory for the data, made anew below it and removed at the end (default a temporary one)")
	f.IntVar(&b.Repeat, "repeat", 1, "run so many times, each in a process of its own, and show medians")
	f.StringVar(&b.CPUProfile, "cpuprofile", "", "write a CPU profile of the measured part (of the last run) to `FILE`")
	f.StringVar(&b.MemProfile, "memprofile", "", "write a profile of allocations to `FILE`")
	f.StringVar(&b.BlockProfile, "blockprofile", "", "write a profile of what goroutines waited for to `FILE`")
	cmd.AddCommand(b.airlineCommand(), b.counterCommand(), b.hotCommand(), b.chainCommand(), b.workflowCommand(), b.fanCommand(), b.httpCommand(),
		b.payloadCommand(), b.memoryCommand(), b.recoverCommand(), b.overloadCommand(), b.waitingCommand(), b.tableCommand())
	return cmd
}

// bench is the flags that all workloads share.
type bench struct {
	c Console
	suite.Config
}

// measure runs a workload and prints what it found.
func (b *bench) measure(ctx context.Context, w suite.Workload) error {
	show := &report.Progress{}
	if cli.IsTerminal(os.Stderr) {
		show = report.NewProgress(b.c.Err)
	}
	c := b.Config
	c.Again = func(ctx context.Context, last bool) (report.Result, error) { return b.again(ctx, last, show) }
	r, err := w.Run(ctx, c, show)
	show.Clear()
	if err != nil {
		return err
	}
	if b.c.JSON() {
		err = r.WriteJSON(b.c.Out)
	} else {
		err = r.WriteTable(b.c.Out)
	}
	if err == nil && !r.Verified {
		err = fault.New(fault.Internal, "bench", r.Workload, "the check at the end failed: %s", strings.Join(r.Notes, "; "))
	}
	return err
}

// OnceEnv is in the environment of a process that runs a workload once.
const OnceEnv = "SITU_BENCH_ONCE"

// again runs this command line once, in a process of its own.
func (b *bench) again(ctx context.Context, last bool, show *report.Progress) (r report.Result, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	args := append(slices.Clone(b.c.Args()), "--repeat=1", "--json")
	if !last {
		args = append(args, "--cpuprofile=", "--memprofile=", "--blockprofile=")
	}
	show.Clear()
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), OnceEnv+"=1")
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if cli.IsTerminal(os.Stderr) {
		cmd.Stderr = os.Stderr // for its progress
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // its data is to be removed
	cmd.WaitDelay = 10 * time.Second
	err = cmd.Run()
	if json.Unmarshal(out.Bytes(), &r) == nil && r.Workload != "" {
		return r, nil // not verified is told in it
	}
	if err == nil {
		err = errors.New("it printed no result")
	}
	return r, fault.New(fault.Internal, "bench", strings.Join(args, " "), "a run in a process of its own failed: %v: %s", err, strings.TrimSpace(complaint.String()))
}
