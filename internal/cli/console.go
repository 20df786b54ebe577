package cli

import (
	"encoding/json"
	"io"

	"github.com/situ-dev/situ/internal/client"
)

// Console is what commands need of the program that they are part of.
type Console struct {
	In      io.Reader
	Out     io.Writer
	JSON    func() bool                           // the output is for machines
	Client  func() *client.Client                 // of the server that is meant
	Input   func(arg string) ([]byte, error)      // the JSON that an argument stands for
	Printf  func(format string, args ...any)      // text for people
	Note    func(format string, args ...any)      // a line beside the output
	Table   func(heading string, rows [][]string) // rows below a heading
	Columns func(heading string, rows [][]string) // the same, of cells that are plain and in which spaces count
	Machine func(v any) error                     // JSON on one line
	Value   func(raw json.RawMessage) error       // JSON, spread over lines on a terminal
}
