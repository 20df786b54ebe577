package cli

import (
	"encoding/json"
	"strings"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// ParseCall understands the arguments of call.
func ParseCall(args []string) (to wire.Address, input string, err error) {
	target := args[0]
	typ, key, object := strings.Cut(target, "/")
	if !object {
		if len(args) == 3 {
			return to, "", Usage("%q is a function, and takes one input; an object is named type/key", target)
		}
		to.Method = target
		if len(args) == 2 {
			input = args[1]
		}
		return to, input, wire.CheckName("function", target)
	}
	to = wire.Address{Type: typ, Key: key}
	rest := args[1:]
	if len(rest) > 0 && (len(rest) == 2 || isMethod(rest[0])) {
		to.Method, rest = rest[0], rest[1:]
	} else {
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return to, "", Usage("which method? Try: situ call %s METHOD, or see: situ describe %s", target, typ)
		}
		to.Key, to.Method = key[:i], key[i+1:]
	}
	if len(rest) > 0 {
		input = rest[0]
	}
	for _, err := range []error{wire.CheckName("type", to.Type), wire.CheckKey(to.Key), wire.CheckName("method", to.Method)} {
		if err != nil {
			return to, "", fault.Wrap(fault.Invalid, "", target, err)
		}
	}
	return to, input, nil
}

// isMethod reports whether an argument is a method's name, not an input.
func isMethod(s string) bool {
	return wire.CheckName("", s) == nil && !json.Valid([]byte(s))
}
