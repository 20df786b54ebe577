// Package report holds what a benchmark found and prints it: as one JSON
// object for machines, as a table for people, or many of them as Markdown. It
// measures nothing but the conditions.
package report

import (
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Result is what one workload found. A JSON object has exactly these fields.
type Result struct {
	Workload            string  `json:"workload"`
	Mode                string  `json:"mode"`
	Durable             bool    `json:"durable"`
	WallMS              float64 `json:"wall_ms"`
	FloorWallMS         float64 `json:"floor_wall_ms"` // the same on goroutines and channels, in memory
	Turns               uint64  `json:"turns"`
	TurnsPerS           float64 `json:"turns_per_s"`
	CallsPerS           float64 `json:"calls_per_s"` // from outside, answered
	P50MS               float64 `json:"p50_ms"`      // of those calls
	P99MS               float64 `json:"p99_ms"`
	BytesWrittenPerTurn float64 `json:"bytes_written_per_turn"`
	CPUSeconds          float64 `json:"cpu_s"`
	RSSMB               float64 `json:"rss_mb"`
	FsyncP50MS          float64 `json:"fsync_p50_ms"`
	Verified            bool    `json:"verified"`
	// Ratio is the wall time in floors: of several runs the median of each
	// run's own, because a busy machine is slow for both.
	Ratio      float64    `json:"ratio"`
	Figures    []Figure   `json:"figures"` // what this workload measures beside all that
	Bars       []Bar      `json:"bars"`    // what was to be reached, if the conditions are those of the bars
	Notes      []string   `json:"notes"`   // of the first run
	Conditions Conditions `json:"conditions"`
}

// Conditions are what a figure depends on.
type Conditions struct {
	Go       string         `json:"go"`
	OS       string         `json:"os"`
	Cores    int            `json:"cores"`
	MemoryMB int64          `json:"memory_mb"` // of the machine
	Disk     string         `json:"disk"`      // the file system of the data directory
	Date     time.Time      `json:"date"`
	Revision string         `json:"revision"` // of the source, with + if it was changed
	Size     map[string]int `json:"size"`     // of the workload
	Repeat   int            `json:"repeat"`   // figures are medians of so many runs
}

// Median returns the medians of several runs of one workload, figure by
// figure. It is verified if all of them are. All have the same figures in the
// same order; a figure that not all have is left out.
func Median(runs []Result) Result {
	out := runs[0]
	out.Conditions.Repeat = len(runs)
	mid := func(get func(*Result) *float64) {
		all := make([]float64, len(runs))
		for i := range runs {
			all[i] = *get(&runs[i])
		}
		*get(&out) = middle(all)
	}
	mid(func(r *Result) *float64 { return &r.WallMS })
	mid(func(r *Result) *float64 { return &r.FloorWallMS })
	mid(func(r *Result) *float64 { return &r.Ratio })
	mid(func(r *Result) *float64 { return &r.TurnsPerS })
	mid(func(r *Result) *float64 { return &r.CallsPerS })
	mid(func(r *Result) *float64 { return &r.P50MS })
	mid(func(r *Result) *float64 { return &r.P99MS })
	mid(func(r *Result) *float64 { return &r.BytesWrittenPerTurn })
	mid(func(r *Result) *float64 { return &r.CPUSeconds })
	mid(func(r *Result) *float64 { return &r.RSSMB })
	mid(func(r *Result) *float64 { return &r.FsyncP50MS })
	out.Figures = medianFigures(runs)
	turns := make([]float64, len(runs))
	for i, r := range runs {
		turns[i] = float64(r.Turns)
		out.Verified = out.Verified && r.Verified
	}
	out.Turns = uint64(middle(turns))
	return out
}

// middle sorts all and returns the median.
func middle(all []float64) float64 {
	slices.Sort(all)
	n := len(all) / 2
	if len(all)%2 == 0 {
		return (all[n-1] + all[n]) / 2
	}
	return all[n]
}

// ConditionsOf returns the conditions of a workload with its data in dir.
func ConditionsOf(dir string, size map[string]int) Conditions {
	return Conditions{Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.GOMAXPROCS(0),
		MemoryMB: memory(), Disk: fileSystem(dir), Date: time.Now().UTC().Truncate(time.Second), Revision: revision(), Size: size, Repeat: 1}
}

// memory returns the machine's memory in MB, 0 if it is not known.
func memory() int64 {
	var s syscall.Sysinfo_t
	if err := syscall.Sysinfo(&s); err != nil {
		return 0
	}
	return int64(s.Totalram) * int64(s.Unit) >> 20
}

// fileSystem names the file system of dir.
func fileSystem(dir string) string {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return "unknown"
	}
	switch uint32(s.Type) {
	case 0xEF53:
		return "ext4"
	case 0x01021994:
		return "tmpfs"
	case 0x58465342:
		return "xfs"
	case 0x9123683E:
		return "btrfs"
	case 0x794c7630:
		return "overlayfs"
	}
	return "0x" + strconv.FormatUint(uint64(uint32(s.Type)), 16)
}

// revision says what this program was built from: as the toolchain recorded
// it, or as git has it here.
func revision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		rev, dirty := "", ""
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				rev = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = "+"
			}
		}
		if rev != "" {
			return rev[:min(len(rev), 12)] + dirty
		}
	}
	out, err := exec.Command("git", "describe", "--always", "--dirty=+", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
