package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/situ-dev/situ/internal/schema"
)

// PointAt shows where a text is malformed.
func PointAt(text []byte, bad *schema.Malformed, quoted bool) string {
	before, after := string(text[:bad.Offset]), string(text[bad.Offset:])
	line := strings.Count(before, "\n") + 1
	before = before[strings.LastIndexByte(before, '\n')+1:]
	after, _, _ = strings.Cut(after, "\n")
	if n := utf8.RuneCountInString(before); n > 50 {
		before = "…" + string([]rune(before)[n-50:])
	}
	if utf8.RuneCountInString(after) > 25 {
		after = string([]rune(after)[:25]) + "…"
	}
	before, after = strings.ToValidUTF8(before, "?"), strings.ToValidUTF8(after, "?")
	s := fmt.Sprintf("%s\n  %s\n  %s^", bad, before+after, strings.Repeat(" ", utf8.RuneCountInString(before)))
	if line > 1 {
		s = fmt.Sprintf("line %d: %s", line, s)
	}
	if quoted {
		s += "\n  a shell eats double quotes: put the whole input into single quotes, as in '{\"name\":\"value\"}'"
	}
	return s
}
