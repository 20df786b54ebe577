package store

import (
	"github.com/cockroachdb/pebble/v2"
)

// listener returns the events the store follows.
func (s *Store) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			s.log.Error("store: background work failed; it is tried again", "error", err)
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			// The read that met it fails; other rows can still be served.
			s.damaged.Store(&i.Path)
			s.log.Error("store: damaged file", "file", i.Path, "details", i.Details)
		},
		ManifestCreated: func(i pebble.ManifestCreateInfo) {
			if i.Err == nil {
				s.guard.ManifestUsed(uint64(i.FileNum))
			}
		},
	}
}
