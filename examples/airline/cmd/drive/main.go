// Command drive loads an airline into a running platform, cancels its flights,
// shows how the passengers rebook, and checks at the end that nobody was lost.
//
// Usage:
//
//	drive [-server URL] [-flights N] [-passengers N] [-seed N]
//	drive [-server URL] -data DIR -cancel FLIGHTS
//	drive -write DIR [-flights N] [-passengers N] [-seed N]
//
// The first form makes an airline from a seed, the second reads flights.csv and
// passengers.csv, and the third writes them. With -load, -cancel-only or -check
// it does these steps only. It exits with 1 if something went wrong, and with 2
// if the command line is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/airline/airgen"
	"github.com/situ-dev/situ/examples/airline/drive"
	"github.com/situ-dev/situ/examples/airline/flight"
)

// options is the command line.
type options struct {
	server, data, cancel, write string
	size                        airgen.Size
	steps                       [3]bool // load, cancel, check: none is all
	patience                    time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.server, "server", "http://127.0.0.1:8080", "address of the platform")
	flag.IntVar(&o.size.Flights, "flights", 25, "flights to cancel; as many again have free seats")
	flag.IntVar(&o.size.Passengers, "passengers", 100, "passengers on each of them")
	flag.Uint64Var(&o.size.Seed, "seed", 1, "seed of the airline")
	flag.StringVar(&o.data, "data", "", "directory with flights.csv and passengers.csv")
	flag.StringVar(&o.cancel, "cancel", "", "with -data: the flights to cancel, as SI1000-1007,SI1010")
	flag.StringVar(&o.write, "write", "", "write the airline as flights.csv and passengers.csv into this directory, and do nothing else")
	flag.BoolVar(&o.steps[0], "load", false, "only load")
	flag.BoolVar(&o.steps[1], "cancel-only", false, "only cancel what was loaded before")
	flag.BoolVar(&o.steps[2], "check", false, "only check")
	flag.DurationVar(&o.patience, "patience", 5*time.Minute, "how long to wait for things to settle")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "drive:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.write != "" {
		return airgen.Write(o.write, o.size)
	}
	a, err := o.airline()
	if err != nil {
		return err
	}
	client := situ.NewClient(o.server)
	defer client.Close()
	all := o.steps == [3]bool{}
	ctx, stop := context.WithTimeout(ctx, o.patience)
	defer stop()
	if all || o.steps[0] {
		begin := time.Now()
		if err := a.Load(ctx, client, show); err != nil {
			return err
		}
		if err := settle(ctx, a, client, false); err != nil {
			return fmt.Errorf("after loading: %w", err)
		}
		say("loaded %d passengers in %v", a.Passengers, time.Since(begin).Round(time.Millisecond))
	}
	begin := time.Now()
	if all || o.steps[1] {
		if err := a.Cancel(ctx, client); err != nil {
			return err
		}
		if err := a.Watch(ctx, client, 100*time.Millisecond, show); err != nil {
			return err
		}
		say("cancelled %d flights; all passengers have left them after %v", a.Cancels, time.Since(begin).Round(time.Millisecond))
	}
	if o.steps[2] {
		begun, err := a.Begun(ctx, client)
		if err != nil {
			return err
		}
		return settle(ctx, a, client, begun)
	}
	if all {
		return settle(ctx, a, client, true)
	}
	return nil
}

// airline is the one that the command line asks for.
func (o options) airline() (drive.Airline, error) {
	if o.data == "" {
		if o.cancel != "" {
			return drive.Airline{}, errors.New("-cancel goes with -data: the flights of an airline from a seed are known")
		}
		return drive.Generated(o.size), o.size.Validate()
	}
	flights, err := airgen.ReadDir(o.data)
	if err != nil {
		return drive.Airline{}, err
	}
	return drive.Listed(flights, flight.Span(o.cancel))
}

// settle waits until the check finds nothing wrong, and says what it found.
func settle(ctx context.Context, a drive.Airline, client *situ.Client, cancelled bool) error {
	r, err := a.Settle(ctx, client, cancelled, 200*time.Millisecond, show)
	if err != nil {
		return err
	}
	say("%v", r)
	if r.Faults > 0 {
		return errors.New("the check failed")
	}
	return nil
}

// terminal says whether standard error is one, and so whether to show progress.
var terminal = func() bool {
	info, err := os.Stderr.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}()

var shown struct {
	sync.Mutex
	stage string
	last  time.Time
}

// show is the progress display: one line that is written again and again.
func show(stage string, done, total int) {
	if !terminal {
		return
	}
	shown.Lock()
	defer shown.Unlock()
	if stage == shown.stage && done != total && time.Since(shown.last) < 100*time.Millisecond {
		return
	}
	shown.stage, shown.last = stage, time.Now()
	fmt.Fprintf(os.Stderr, "\r\x1b[K%-8s %3d %%  %d of %d", stage, done*100/max(total, 1), done, total)
}

func say(format string, args ...any) {
	if terminal {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
	fmt.Printf(format+"\n", args...)
}
