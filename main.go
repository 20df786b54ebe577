package situ

import (
	"os"

	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/program"
)

// Main hosts components in a program of its own. It is all that main does, and
// does not return:
//
//	func main() { situ.Main(flights.Component, passengers.Component) }
//
// The platform starts the program: `situ dev .` or `situ serve .`. Started by
// hand, it says so; with the argument "describe" it prints what it hosts as
// JSON; with SITU_ATTACH or the flag -situ.attach set to the data directory of
// a running platform it takes the place of the program that the platform runs,
// so that an IDE or a debugger can start it.
func Main(components ...Component) {
	p := program.Process{Args: os.Args, Env: os.Getenv, Stdout: os.Stdout, Stderr: os.Stderr}
	os.Exit(p.Run(func() (*host.Set, error) { return Assemble(components...) }))
}
