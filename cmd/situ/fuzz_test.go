package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/cli"
	"github.com/situ-dev/situ/internal/wire"
)

// FuzzCall gives the arguments of situ call anything: they are refused with
// what to do, or name something that can be called with JSON.
func FuzzCall(f *testing.F) {
	f.Add("flight/BA123", "cancel", `{"a":1}`, 3)
	f.Add("flight/BA.123.cancel", `{"a":1}`, "", 2)
	f.Add("cancelAll", "[1,", "", 2)
	f.Add("a/b", "true", "\xff{", 3)
	f.Fuzz(func(t *testing.T, target, second, third string, n int) {
		args := []string{target, second, third}[:1+(n&3)%3]
		to, input, err := cli.ParseCall(args)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		if wire.CheckName("method", to.Method) != nil || !to.Function() && (wire.CheckName("type", to.Type) != nil || wire.CheckKey(to.Key) != nil) {
			t.Errorf("%q is the call of %+v", args, to)
		}
		if strings.HasPrefix(input, "@") || input == "-" {
			return // files
		}
		c := &console{in: bytes.NewReader(nil)}
		text, err := c.input(input)
		if err == nil && len(text) > 0 && !json.Valid(text) {
			t.Errorf("%q is taken for JSON", text)
		}
		if err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
	})
}
