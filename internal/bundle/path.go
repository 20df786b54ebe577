package bundle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// The bounds of names. What a path has before it, in the directory of bundles,
// must fit into what the kernel takes, too.
const (
	maxElement = 200
	maxPath    = 1024
	maxDepth   = 48
)

// checkPath returns what is wrong with the path of a file in a bundle, nil if
// nothing is: it is relative, has forward slashes, goes down only, and can be
// shown.
func checkPath(p string) error {
	switch {
	case p == "":
		return errors.New("a path is empty")
	case len(p) > maxPath:
		return fmt.Errorf("the path is too long: %d bytes, and %d are allowed", len(p), maxPath)
	case !utf8.ValidString(p):
		return errors.New("the path is no UTF-8")
	case strings.HasPrefix(p, "/"):
		return errors.New("the path is absolute: it is to be relative to the bundle")
	case strings.ContainsRune(p, '\\'):
		return errors.New("the path has a backslash: directories are written with /")
	}
	for _, r := range p {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return fmt.Errorf("the path has the character %U, which cannot be seen", r)
		}
	}
	parts := strings.Split(p, "/")
	if len(parts) > maxDepth {
		return fmt.Errorf("the path has %d directories, and %d are allowed", len(parts)-1, maxDepth-1)
	}
	for i, part := range parts {
		switch {
		case part == "..":
			return errors.New("the path leads out with ..")
		case part == "." || part == "":
			return errors.New("the path has an element that is empty, or a dot")
		case len(part) > maxElement:
			return fmt.Errorf("a name in the path is too long: %d bytes, and %d are allowed", len(part), maxElement)
		case i == 0 && len(part) > 1 && part[1] == ':':
			return errors.New("the path begins with a drive")
		}
	}
	return nil
}

// same returns what all paths have in common that some file system takes for
// one: those that differ in case, or in how Unicode writes a character.
func same(p string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(p)))
}

// cut makes text of an enemy short enough for a message.
func cut(s string) string {
	if len(s) > 120 {
		return s[:120] + "…"
	}
	return s
}

func quote(s string) string { return strconv.Quote(cut(s)) }
