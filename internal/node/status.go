package node

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/situ-dev/situ/internal/api"
)

// Version returns the version of the running binary, as the Go toolchain
// recorded it.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// Status says how the node is doing. Worker is left to who runs one.
func (n *Node) Status(ctx context.Context) (*api.Status, error) {
	disk := n.store.Stats()
	st := &api.Status{Version: Version(), Mode: n.cfg.Mode, State: "running", Started: n.started,
		UptimeS: time.Since(n.started).Seconds(), DataDir: n.cfg.Dir, BytesWritten: disk.BytesWritten,
		Disk: api.DiskStatus{Free: disk.Free, Writable: !disk.Full}}
	if disk.Full {
		st.State = "read-only"
	}
	if n.draining.Load() {
		st.State = "draining"
	}
	for i := range n.shards {
		f, stuck, err := n.figures(ctx, i)
		if err != nil {
			return nil, err
		}
		st.Shards = append(st.Shards, api.ShardStatus{ID: i, Seq: uint64(f.Seq), Resident: f.Resident, Queued: f.Queued,
			Timers: f.Timers, Outbox: f.Outbox, Dead: f.Dead, Parked: f.Parked, Rescued: f.Rescued, OverdueMS: f.Overdue.Milliseconds(), Stuck: stuck})
	}
	return st, nil
}
