package command

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/bench/chain"
	"github.com/situ-dev/situ/bench/counter"
	"github.com/situ-dev/situ/bench/fan"
	"github.com/situ-dev/situ/bench/payload"
	"github.com/situ-dev/situ/bench/suite"
	"github.com/situ-dev/situ/bench/workflow"
	"github.com/situ-dev/situ/examples/airline/airgen"
	"github.com/situ-dev/situ/internal/cli"
)

// The workloads whose platform is in the process of the callers.

func (b *bench) airlineCommand() *cobra.Command {
	s := airgen.Size{Seed: 1}
	cmd := &cobra.Command{
		Use:   "airline",
		Short: "Cancel flights: their passengers rebook by messages",
		Long: `Airline cancels the flights of examples/airline; each passenger picks another
flight, leaves the old one and boards the new. Measured is the time from the
call that cancels until nothing is left to do. p50 and p99 are of durable calls
to counters beside it, one begun each millisecond. In mode worker the same is
run embedded, too.`,
		Args: cli.Between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.Validate(); err != nil {
				return cli.Usage("%v", err)
			}
			return b.measure(cmd.Context(), suite.Airline(s))
		},
	}
	cmd.Flags().IntVar(&s.Flights, "flights", 25, "flights to cancel")
	cmd.Flags().IntVar(&s.Passengers, "passengers", 100, "passengers on each flight")
	cmd.Flags().Uint64Var(&s.Seed, "seed", s.Seed, "seed of the airline")
	return cmd
}

func (b *bench) counterCommand() *cobra.Command {
	k := counter.Config{Objects: 10_000, Callers: 1024, Calls: 500_000}
	cmd := &cobra.Command{
		Use:   "counter",
		Short: "Add to many counters from many callers",
		Args:  cli.Between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.measure(cmd.Context(), suite.Counter("counter", k))
		},
	}
	cmd.Flags().IntVar(&k.Objects, "objects", k.Objects, "counters")
	callFlags(cmd, &k)
	return cmd
}

func (b *bench) hotCommand() *cobra.Command {
	k := counter.Config{Objects: 1, Callers: 1024, Calls: 500_000}
	cmd := &cobra.Command{
		Use:   "hot",
		Short: "Add to one counter from many callers",
		Args:  cli.Between(0, 0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return b.measure(cmd.Context(), suite.Counter("hot", k)) },
	}
	callFlags(cmd, &k)
	return cmd
}

func callFlags(cmd *cobra.Command, k *counter.Config) {
	cmd.Flags().IntVar(&k.Callers, "callers", k.Callers, "callers, each of which makes one call after another")
	cmd.Flags().IntVar(&k.Calls, "calls", k.Calls, "calls in all")
	seconds := cmd.Flags().Float64("seconds", 0, "call for so long instead")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if *seconds > 0 {
			k.Calls, k.Time = 0, time.Duration(*seconds*float64(time.Second))
		}
		if k.Objects < 1 || k.Callers < 1 || k.Calls < 0 || k.Calls == 0 && k.Time <= 0 {
			return cli.Usage("there is nothing to do: counters, callers and calls are at least 1")
		}
		return nil
	}
}

func (b *bench) chainCommand() *cobra.Command {
	c := chain.Config{Links: 10, Callers: 64, Chains: 10_000, Crowd: 10_000}
	cmd := &cobra.Command{
		Use:   "chain",
		Short: "Call through chains of objects and functions",
		Long: `Chain makes calls that go through ten objects or functions, one after another,
until the caller has its answer: nested (each calls the next with Then and goes
on with its answer), tail (each hands its caller over), sends (each sends to
the next; the last answers the caller, whom the first has held), and funcs
(functions that hand their caller over). Then a crowd makes three of each kind of
chains of objects at the same time, and one caller alone has chains whose links are
all on one shard, and chains that go to another shard with each link.`,
		Args: cli.Between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return b.measure(cmd.Context(), suite.Chain(c)) },
	}
	cmd.Flags().IntVar(&c.Links, "links", c.Links, "objects or functions of a chain")
	cmd.Flags().IntVar(&c.Callers, "callers", c.Callers, "callers, each with a chain of its own")
	cmd.Flags().IntVar(&c.Chains, "chains", c.Chains, "chains of each kind, in all")
	cmd.Flags().IntVar(&c.Crowd, "crowd", c.Crowd, "callers of the crowd; 0 leaves out what comes after the kinds")
	return cmd
}

func (b *bench) payloadCommand() *cobra.Command {
	c := payload.Config{Sizes: []int{1 << 10, 16 << 10, 256 << 10, 1 << 20}, Bytes: 1 << 30, Callers: 1024}
	cmd := &cobra.Command{
		Use:   "payload",
		Short: "Store large inputs",
		Long: `Payload stores inputs of 1 KiB, 16 KiB, 256 KiB and 1 MiB as the state of
objects, and measures the disk with writes in sequence, each with fdatasync: of
4 MiB, and of as many inputs as there are callers who wait (at most 4 MiB).
Inputs and the disk are measured when as many bytes were written to warm up.
An input has 64 bytes less data than its name says, for what is around it.`,
		Args: cli.Between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return b.measure(cmd.Context(), suite.Payload(c)) },
	}
	cmd.Flags().IntVar(&c.Callers, "callers", c.Callers, "callers, each with objects of its own; fewer if they would wait with more than 64 MiB")
	cmd.Flags().IntVar(&c.Bytes, "bytes", c.Bytes, "bytes to store of each size, after as many to warm up")
	cmd.Flags().IntSliceVar(&c.Sizes, "sizes", c.Sizes, "sizes of inputs in bytes")
	return cmd
}

func (b *bench) workflowCommand() *cobra.Command {
	c := workflow.Config{Steps: 3, Callers: 512, Workflows: 20_000}
	cmd := &cobra.Command{
		Use:   "workflow",
		Short: "Run workflows of steps",
		Long: `Workflow runs workflows that do three steps, one after another, each durable
before the next is run, until the caller has the result.`,
		Args: cli.Between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return b.measure(cmd.Context(), suite.Flow(c)) },
	}
	cmd.Flags().IntVar(&c.Steps, "steps", c.Steps, "steps of a workflow")
	cmd.Flags().IntVar(&c.Callers, "callers", c.Callers, "callers, who start workflows one after another")
	cmd.Flags().IntVar(&c.Workflows, "workflows", c.Workflows, "workflows, in all")
	return cmd
}

func (b *bench) fanCommand() *cobra.Command {
	c := fan.Config{Calls: 100_000}
	cmd := &cobra.Command{
		Use:   "fan",
		Short: "Have one call make many, and wait for all",
		Long: `Fan makes a call that makes a hundred thousand others, 4,000 at a time, and is
answered with the sum of their answers: to objects that are made by it, to
the same again, and to a function.`,
		Args: cli.Between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return b.measure(cmd.Context(), suite.Fan(c)) },
	}
	cmd.Flags().IntVar(&c.Calls, "calls", c.Calls, "calls of a fan-out")
	return cmd
}
