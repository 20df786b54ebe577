// Package operate is the commands that steer what a platform does by itself: its
// schedules, dead letters, pauses and cancels.
package operate

import (
	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/cli"
)

type console struct{ cli.Console }

// Dead is situ dead.
func Dead(c cli.Console) *cobra.Command { return deadCommand(&console{c}) }

// Schedule is situ schedule.
func Schedule(c cli.Console) *cobra.Command { return scheduleCommand(&console{c}) }

// Pause is situ pause.
func Pause(c cli.Console) *cobra.Command { return pauseCommand(&console{c}) }

// Resume is situ resume.
func Resume(c cli.Console) *cobra.Command { return resumeCommand(&console{c}) }

// Cancel is situ cancel.
func Cancel(c cli.Console) *cobra.Command { return cancelCommand(&console{c}) }
