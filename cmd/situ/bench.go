package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/bench/suite"
	"github.com/situ-dev/situ/internal/fault"
)

func benchCommand(c *console) *cobra.Command {
	b := &bench{c: c}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine, and check the results",
		Long: `Bench runs a workload on a platform of its own, in a new data directory,
measures it, checks its result, and measures in the same run what no platform
is faster than: the same work on plain goroutines and channels in memory, the
time that the disk takes to sync 4 KiB, its bandwidth, or servers that do
nothing but answer.`,
		Args: known,
		RunE: help,
	}
	f := cmd.PersistentFlags()
	f.StringVar(&b.Mode, "mode", platform.Embedded, "where the components run: "+strings.Join(platform.Modes, " or "))
	f.StringVar(&b.Dir, "dir", "", "directory for the data, made anew below it and removed at the end (default a temporary one)")
	f.IntVar(&b.Repeat, "repeat", 1, "run so many times, and show medians")
	f.StringVar(&b.CPUProfile, "cpuprofile", "", "write a CPU profile of the measured part (of the last run) to `FILE`")
	f.StringVar(&b.MemProfile, "memprofile", "", "write a profile of allocations to `FILE`")
	f.StringVar(&b.BlockProfile, "blockprofile", "", "write a profile of what goroutines waited for to `FILE`")
	cmd.AddCommand(b.airlineCommand(), b.counterCommand(), b.hotCommand(), b.chainCommand(), b.workflowCommand(), b.fanCommand(), b.httpCommand(),
		b.payloadCommand(), b.memoryCommand(), b.recoverCommand(), b.overloadCommand(), b.waitingCommand(), b.tableCommand())
	return cmd
}

// bench is the flags that all workloads share.
type bench struct {
	c *console
	suite.Config
}

// measure runs a workload and prints what it found.
func (b *bench) measure(ctx context.Context, w suite.Workload) error {
	show := &report.Progress{}
	if isTerminal(os.Stderr) {
		show = report.NewProgress(b.c.err)
	}
	r, err := w.Run(ctx, b.Config, show)
	show.Clear()
	if err != nil {
		return err
	}
	if b.c.json {
		err = r.WriteJSON(b.c.out)
	} else {
		err = r.WriteTable(b.c.out)
	}
	if err == nil && !r.Verified {
		err = fault.New(fault.Internal, "bench", r.Workload, "the check at the end failed: %s", strings.Join(r.Notes, "; "))
	}
	return err
}
