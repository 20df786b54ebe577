package main

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/cli"
)

func statusCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show how the server is doing",
		Long: `Status shows the server, its worker, its disk and its shards. In the table of
shards, SEQ is the last commit, OBJECTS are those in memory, QUEUED messages
wait for their turn and TIMERS for their time, OUTBOX messages have not been
taken by another shard yet, and DEAD ones were given up.`,
		Args: between(0, 0),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.client().Status(cmd.Context())
			if err != nil {
				return err
			}
			if c.json {
				return c.machine(s)
			}
			c.showStatus(s)
			return nil
		},
	}
}

func (c *console) showStatus(s *api.Status) {
	up := time.Duration(s.UptimeS * float64(time.Second)).Round(time.Second)
	c.printf("situ %s, %s, %s for %s\n", s.Version, s.Mode, s.State, up)
	disk := "writable"
	if !s.Disk.Writable {
		disk = "not writable: calls that write are refused until there is space"
	}
	c.printf("data    %s, %s free, %s\n", s.DataDir, cli.Bytes(s.Disk.Free), disk)
	c.printf("written %s since the start\n", cli.Bytes(s.BytesWritten))
	if w := s.Worker; w != nil {
		c.printf("worker  process %d, %s, %s\n", w.PID, w.State, count(w.Restarts, "restart"))
	}
	rows := make([][]string, len(s.Shards))
	dead, rescued := 0, uint64(0)
	for i, sh := range s.Shards {
		rows[i] = []string{strconv.Itoa(sh.ID), strconv.FormatUint(sh.Seq, 10), strconv.Itoa(sh.Resident), strconv.Itoa(sh.Queued),
			strconv.Itoa(sh.Timers), strconv.Itoa(sh.Outbox), strconv.Itoa(sh.Dead)}
		dead += sh.Dead
		rescued += sh.Rescued
	}
	c.printf("\n")
	c.table("SHARD SEQ OBJECTS QUEUED TIMERS OUTBOX DEAD", rows)
	for _, sh := range s.Shards {
		switch overdue := time.Duration(sh.OverdueMS) * time.Millisecond; {
		case sh.Stuck != "":
			c.note("shard %d is stuck: %s", sh.ID, sh.Stuck)
		case overdue >= time.Second:
			c.note("shard %d is behind: the oldest thing that is due has waited for %s", sh.ID, overdue)
		}
	}
	if rescued > 0 {
		c.note("work was found %s that nothing had told of: that is a bug in situ, please report it", count(int(rescued), "time"))
	}
	if dead > 0 {
		c.note("%s: situ dead ls", count(dead, "dead letter"))
	}
}
