package project

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time as people write it: 90s, 1h30m, 2d.
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	text := string(b)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 36500 {
			*d = Duration(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	v, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return fmt.Errorf("%q is no time: write it like 500ms, 30s, 5m, 2h or 7d", text)
	case v < 0 || v%time.Millisecond != 0:
		return fmt.Errorf("%q is to be whole milliseconds, and not less than none", text)
	}
	*d = Duration(v)
	return nil
}

// ms returns milliseconds.
func (d Duration) ms() int64 { return time.Duration(d).Milliseconds() }

// Bytes is a size as people write it: 256MiB, 1GB, 4096.
type Bytes int64

var sizes = []struct {
	suffix string
	unit   float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1}}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Bytes) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	for _, u := range sizes {
		num, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
		if v *= u.unit; err != nil || v < 0 || v > math.MaxInt64/2 || v != math.Trunc(v) {
			break
		}
		*s = Bytes(v)
		return nil
	}
	return fmt.Errorf("%q is no size: write it like 65536, 64KiB, 256MiB or 1GiB", text)
}

// Rate is how often, as people write it: 100/s, 600/min, 10/h. It is a second's.
type Rate float64

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(b []byte) error {
	num, unit, ok := strings.Cut(string(b), "/")
	per, known := map[string]float64{"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}[strings.TrimSpace(unit)]
	v, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
	if !ok || !known || err != nil || v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return fmt.Errorf("%q is no rate: write it like 100/s, 600/min or 10/h", b)
	}
	*r = Rate(v / per)
	return nil
}
