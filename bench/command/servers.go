package command

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/bench/memory"
	"github.com/situ-dev/situ/bench/overload"
	"github.com/situ-dev/situ/bench/recovery"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/bench/suite"
	"github.com/situ-dev/situ/bench/waiting"
	"github.com/situ-dev/situ/bench/web"
	"github.com/situ-dev/situ/internal/cli"
)

// The workloads whose platforms are processes of their own.

func (b *bench) httpCommand() *cobra.Command {
	c := web.Config{Echoes: 64, Calls: 256, Objects: 10_000, Duration: time.Second, Rounds: 9}
	cmd := &cobra.Command{
		Use:   "http",
		Short: "Call over HTTP: a function that echoes, and counters",
		Long: `HTTP calls a function that answers with its input of 64 bytes, and adds to
counters, through the platform's HTTP door. The floors are servers that answer
a request with its body, of fasthttp and of net/http. Each server and the
client is a process of its own; they are measured in turns.`,
		Args: cli.Between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return b.measure(cmd.Context(), suite.HTTP(c)) },
	}
	cmd.Flags().IntVar(&c.Echoes, "connections", c.Echoes, "connections that call the function")
	cmd.Flags().IntVar(&c.Calls, "call-connections", c.Calls, "connections that add to counters")
	cmd.Flags().IntVar(&c.Objects, "objects", c.Objects, "counters")
	cmd.Flags().DurationVar(&c.Duration, "duration", c.Duration, "how long each is measured each time")
	cmd.Flags().IntVar(&c.Rounds, "rounds", c.Rounds, "how often each is measured")
	return cmd
}

func (b *bench) memoryCommand() *cobra.Command {
	c := memory.Config{Residents: 1_000_000, Objects: 10_000_000, Starts: 3}
	cmd := &cobra.Command{
		Use:   "memory",
		Short: "Keep many objects: memory, and time to start",
		Long: `Memory makes objects with 100 bytes of state that all stay in memory, and
compares the memory of the platform's processes with that before, each after a
collection of garbage. Then it makes more, on the disk, and measures the time
from the start of a process to its first answer.`,
		Args: cli.Between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return b.measure(cmd.Context(), suite.Memory(c)) },
	}
	cmd.Flags().IntVar(&c.Residents, "residents", c.Residents, "objects in memory; 0 leaves this part out")
	cmd.Flags().IntVar(&c.Objects, "objects", c.Objects, "objects on the disk; 0 leaves this part out")
	cmd.Flags().IntVar(&c.Starts, "starts", c.Starts, "how often it is started")
	return cmd
}

func (b *bench) recoverCommand() *cobra.Command {
	c := recovery.Config{Objects: 1_000_000, Tail: 256 << 20, Callers: 32, Bytes: 16 << 10, Starts: 3}
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Kill a platform with kill -9, and start it again",
		Long: `Recover makes objects, lets callers write until the log has a tail of a certain
length that is in no table yet, kills the platform with SIGKILL in the middle
of it, and measures the time from the start of a process to its first answer.
Then it checks that nothing is missing that was acknowledged.`,
		Args: cli.Between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return b.measure(cmd.Context(), suite.Recover(c)) },
	}
	cmd.Flags().IntVar(&c.Objects, "objects", c.Objects, "objects")
	cmd.Flags().IntVar(&c.Tail, "tail", c.Tail, "bytes of the log at least")
	cmd.Flags().IntVar(&c.Callers, "callers", c.Callers, "callers who write")
	cmd.Flags().IntVar(&c.Bytes, "bytes", c.Bytes, "bytes of each input")
	cmd.Flags().IntVar(&c.Starts, "starts", c.Starts, "how often it is started, each time on a copy")
	return cmd
}

func (b *bench) overloadCommand() *cobra.Command {
	c := overload.Config{Objects: 1000, Hot: 0.9, Waiting: 64, Connections: 4096, Times: 10, Duration: 30 * time.Second, Work: time.Millisecond, MemoryMB: 256}
	cmd := &cobra.Command{
		Use:   "overload",
		Short: "Call far more than can be done",
		Long: `Overload measures over HTTP what a platform can do for clients that wait, most
of them for one object; then it sends ten times as much, on time whatever is
answered, as long as one of its connections is free; then little again. Each
call hashes for a time (--work): one that does nothing costs its client as much
as the platform, so that ten times as many cannot be sent from the same machine.
The platform has a limit of memory (GOMEMLIMIT).`,
		Args: cli.Between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return b.measure(cmd.Context(), suite.Overload(c)) },
	}
	cmd.Flags().IntVar(&c.Objects, "objects", c.Objects, "counters")
	cmd.Flags().Float64Var(&c.Hot, "hot", c.Hot, "share of the calls that go to one counter")
	cmd.Flags().IntVar(&c.Waiting, "waiting", c.Waiting, "connections of the clients that wait")
	cmd.Flags().IntVar(&c.Connections, "connections", c.Connections, "connections of those that do not")
	cmd.Flags().Float64Var(&c.Times, "times", c.Times, "the overload, in peaks")
	cmd.Flags().DurationVar(&c.Duration, "duration", c.Duration, "how long the overload lasts")
	cmd.Flags().DurationVar(&c.Work, "work", c.Work, "processor time that each call takes, 0 is an addition")
	cmd.Flags().IntVar(&c.MemoryMB, "memory", c.MemoryMB, "`MiB` that are the limit of the platform's memory")
	return cmd
}

func (b *bench) waitingCommand() *cobra.Command {
	c := waiting.Config{Chains: 1_000_000, Wait: time.Minute}
	cmd := &cobra.Command{
		Use:   "waiting",
		Short: "Have many chains wait, kill the platform, and see them end",
		Long: `Waiting runs a million chains that do not wait, to have a platform that has
worked, and measures its memory; then as many that wait, at a timer or for
whoever has a callback token (--for token), and measures again what memory they take. It kills the platform with SIGKILL,
measures the time from the start of the next to its first answer, and waits until
each chain has ended, once.`,
		Args: cli.Between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return b.measure(cmd.Context(), suite.Waiting(c)) },
	}
	cmd.Flags().IntVar(&c.Chains, "chains", c.Chains, "chains")
	cmd.Flags().StringVar(&c.For, "for", waiting.Timer, "what they wait for: "+waiting.Timer+", or a callback "+waiting.Token)
	cmd.Flags().DurationVar(&c.Wait, "wait", c.Wait, "how long they wait, from the first on: all must be there, and the platform have started again, before")
	return cmd
}

func (b *bench) tableCommand() *cobra.Command {
	var into string
	cmd := &cobra.Command{
		Use:   "table DIR",
		Short: "Print results as tables in Markdown",
		Long: `Table reads the results in the files of DIR that end in .json, as
"situ bench WORKLOAD --json" prints them, and prints tables in Markdown. With
--into it puts them between marks in a document, as bench/RESULTS.md has them
for all tables, and README.md for a line of each result.`,
		Args: cli.Between(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := report.Read(args[0])
			if err != nil {
				return cli.Usage("%v", err)
			}
			if into != "" {
				return report.Into(into, all)
			}
			return report.WriteMarkdown(b.c.Out, all)
		},
	}
	cmd.Flags().StringVar(&into, "into", "", "replace what is between the marks in this `FILE` instead")
	return cmd
}
