package api

import "time"

// Status says how a node is doing.
type Status struct {
	Version      string        `json:"version"`
	Mode         string        `json:"mode"`  // "dev", "serve" or "embedded"
	State        string        `json:"state"` // "running", "read-only" or "draining"
	Started      time.Time     `json:"started"`
	UptimeS      float64       `json:"uptime_s"`
	DataDir      string        `json:"data_dir"`
	BytesWritten uint64        `json:"bytes_written"` // since the start
	Disk         DiskStatus    `json:"disk"`
	Worker       *WorkerStatus `json:"worker,omitempty"` // nil when user code is in the process
	Shards       []ShardStatus `json:"shards"`
}

// ShardStatus is one shard.
type ShardStatus struct {
	ID       int    `json:"id"`
	Seq      uint64 `json:"seq"`      // of the last commit
	Resident int    `json:"resident"` // objects in memory
	Queued   int    `json:"queued"`   // messages waiting for their turn
	Timers   int    `json:"timers"`   // messages waiting for their time
	Outbox   int    `json:"outbox"`   // messages not yet taken by other shards
	Dead     int    `json:"dead"`     // dead letters
	Parked   int    `json:"parked"`   // messages for what is paused

	Rescued   uint64 `json:"rescued"`         // times that a sweep found work which no wake-up had told of
	OverdueMS int64  `json:"overdue_ms"`      // age of the oldest thing that is due, in milliseconds
	Stuck     string `json:"stuck,omitempty"` // what does not go on, if the watchdog has found something
}

// WorkerStatus is the process that runs user code.
type WorkerStatus struct {
	PID      int    `json:"pid"`
	State    string `json:"state"` // "starting", "running", "restarting" or "attached"
	Restarts int    `json:"restarts"`
}

// DiskStatus is the disk below the data directory.
type DiskStatus struct {
	Free     uint64 `json:"free"`     // bytes
	Writable bool   `json:"writable"` // false while writes are refused with 507
}
