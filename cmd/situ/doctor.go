package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/cli"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store"
)

func doctorCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor [DATA]",
		Short: "Check a closed data directory",
		Long: `Doctor reads a data directory (./.situ unless DATA says otherwise) that no situ
runs on, verifies everything that can be verified, and says what is wrong: its
identity, the chain of commits of every shard, the marks of what was
acknowledged, and the checksum of every block. It changes nothing.

The exit code is 0 when nothing is wrong, and 76 when something is.`,
		Args: between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := ".situ"
			if len(args) == 1 {
				dir = args[0]
			}
			r, err := store.Check(dir, nil)
			if err != nil {
				return err
			}
			if c.json {
				if err := c.machine(r); err != nil {
					return err
				}
			} else {
				c.showReport(&r)
			}
			if n := len(r.Problems); n > 0 {
				return fault.New(fault.Corrupt, "doctor", dir, "%s found; nothing was changed", count(n, "problem"))
			}
			return nil
		},
	}
}

func (c *console) showReport(r *store.Report) {
	c.printf("%s  id %s, format %d, %d rows, %s on disk\n\n", r.Dir, r.ID, r.Format, r.Rows, cli.Bytes(r.DiskSize))
	var rows [][]string
	for _, s := range r.Shards {
		total := uint64(0)
		for _, t := range s.Tables {
			total += t.Rows
		}
		rows = append(rows, []string{strconv.Itoa(int(s.Shard)), strconv.FormatUint(uint64(s.Last), 10),
			strconv.FormatUint(s.Links, 10), strconv.FormatUint(total, 10)})
	}
	c.table("SHARD COMMITS VERIFIED ROWS", rows)
	if len(r.Problems) == 0 {
		c.printf("\nnothing is wrong\n")
	}
	for _, p := range r.Problems {
		c.printf("\n%s\n  %s\n", p.File, p.What)
		if p.Shard >= 0 {
			c.printf("  shard %d, commit %d\n", p.Shard, p.Seq)
		}
		c.printf("  what to do: %s\n", p.Do)
	}
}
