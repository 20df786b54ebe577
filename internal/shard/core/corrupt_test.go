package core_test

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/conf"
	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/store"
)

// TestKeysOfAWrongLength has a row in each table whose key cannot be: the shard
// stops with an error that names the table and the shard.
func TestKeysOfAWrongLength(t *testing.T) {
	for _, table := range []store.Table{store.Mail, store.Timers, store.Outbox, store.Inbox, store.Expiry, store.Dead} {
		for _, key := range []string{"", "\x00", "\x00\x00\x00\x00\x00\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"} {
			if table == store.Expiry && len(key) > 8 {
				continue // a name of any length follows the time
			}
			t.Run(table.String(), func(t *testing.T) {
				st, err := store.Open("data", store.Options{FS: vfs.NewMem(), Shards: 4})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = st.Close() }()
				sh := st.Shard(3)
				b := sh.NewBatch(0)
				b.Set(table, []byte(key), nil)
				if _, err := sh.Commit(b); err != nil {
					t.Fatal(err)
				}
				b.Close()
				c := core.New(conf.Config{ID: 3, Shards: 4}, sh, "boot", 1e18)
				if err = c.Open(); err == nil {
					c.TakeTime(2e18) // what is not read at the start is read now
					err = c.Err()
				}
				if !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), table.String()) || !strings.Contains(err.Error(), "shard 3") {
					t.Errorf("a key of %d bytes: %v", len(key), err)
				}
			})
		}
	}
}
