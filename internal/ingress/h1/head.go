package h1

import (
	"net/http"
	"strconv"
	"strings"
)

// Field is a header field.
type Field struct{ Name, Value string }

// Head is all of a request but its body.
type Head struct {
	Method string
	Path   string // as it came, escaped
	Query  string // as it came, without the '?'
	Host   string
	Fields []Field // in the order in which they came, Host too; Add adds one
	Length int64   // of the body; -1 if it comes in chunks
	Again  bool    // it is byte for byte that of the request before on its connection

	lengths  uint64 // of the names of Fields, a bit for each length
	minor    int    // of the version: HTTP/1.0 or 1.1
	last     bool   // the connection ends after the answer
	closes   bool   // the client said so
	expects  bool   // the client waits to be asked for the body
	absolute string
}

// maxFields bounds the header fields of a request.
const maxFields = 128

// Refusal says why a request is not taken. Its connection ends.
type Refusal struct {
	Status int
	Why    string
}

func (r *Refusal) Error() string { return r.Why }

func bad(why string) error { return &Refusal{http.StatusBadRequest, why} }

// parseHead reads s, which ends with the empty line after the header fields.
// The strings of h are pieces of s.
func parseHead(s string, h *Head) error {
	*h = Head{Fields: h.Fields[:0]}
	line, rest, err := cutLine(s)
	if err == nil {
		err = h.requestLine(line)
	}
	for err == nil {
		if line, rest, err = cutLine(rest); err != nil {
			break
		}
		if line == "" {
			return h.frame()
		}
		err = h.field(line)
	}
	return err
}

// cutLine returns the first line of s, which must end with CR LF.
func cutLine(s string) (line, rest string, err error) {
	i := strings.IndexByte(s, '\n')
	if i < 1 || s[i-1] != '\r' {
		return "", "", bad("a line does not end with CR LF")
	}
	return s[:i-1], s[i+1:], nil
}

func (h *Head) requestLine(line string) error {
	method, rest, _ := strings.Cut(line, " ")
	target, version, ok := strings.Cut(rest, " ")
	if !ok || !token(method) {
		return bad("the request line is not: METHOD SP TARGET SP VERSION")
	}
	h.Method = method
	switch version {
	case "HTTP/1.1":
		h.minor = 1
	case "HTTP/1.0":
		h.last = true
	default:
		if len(version) == 8 && version[:5] == "HTTP/" && digit(version[5]) && version[6] == '.' && digit(version[7]) {
			return &Refusal{http.StatusHTTPVersionNotSupported, "only HTTP/1.1 and HTTP/1.0 are spoken here"}
		}
		return bad("the request line does not end with a version of HTTP")
	}
	return h.target(target)
}

// target takes the path and the query apart. The target "*" is a path that
// nothing is at.
func (h *Head) target(s string) error {
	escapes := false
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ' || c >= 0x7f || c == '#':
			return bad("the target has a character that must be escaped")
		case c == '%':
			escapes = true
		}
	}
	if len(s) > 7 && s[0] != '/' {
		for _, scheme := range []string{"http://", "https://"} {
			if len(s) > len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
				s = s[len(scheme):]
				i := strings.IndexAny(s, "/?")
				if i < 1 || s[i] == '?' {
					return bad("the target is a URL without a path")
				}
				h.absolute, s = s[:i], s[i:]
				break
			}
		}
	}
	h.Path, h.Query, _ = strings.Cut(s, "?")
	if h.Path == "" || h.Path[0] != '/' && (s != "*" || h.Method != http.MethodOptions) {
		return bad("the target is not a path")
	}
	if !escapes {
		return nil
	}
	for rest := h.Path; ; {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			return nil
		}
		if len(rest) < i+3 || unhex(rest[i+1]) < 0 || unhex(rest[i+2]) < 0 {
			return bad("the path has a '%' that escapes nothing")
		}
		rest = rest[i+3:]
	}
}

func (h *Head) field(line string) error {
	end := 0
	for end < len(line) && sorts[line[end]]&ofToken != 0 {
		end++
	}
	if end == 0 || end == len(line) || line[end] != ':' {
		return bad("a header field is not: NAME: VALUE")
	}
	name, value := line[:end], trim(line[end+1:])
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return bad("the value of a header field has a control character")
		}
	}
	if len(h.Fields) == maxFields {
		return &Refusal{http.StatusRequestHeaderFieldsTooLarge, "there are more than " + strconv.Itoa(maxFields) + " header fields"}
	}
	h.Add(name, value)
	return nil
}

// Add adds a field.
func (h *Head) Add(name, value string) {
	h.Fields = append(h.Fields, Field{name, value})
	h.lengths |= 1 << (len(name) & 63)
}

// trim returns s without spaces and tabs around it.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// frame finds out where the request ends, and whether another may follow it.
func (h *Head) frame() error {
	var hosts, lengths int
	var chunked bool
	var err error
	for i := range h.Fields {
		f := &h.Fields[i]
		switch len(f.Name) { // most fields are told by their length
		case len("Host"):
			if f.Name == "Host" || strings.EqualFold(f.Name, "Host") {
				hosts++
				h.Host = f.Value
			}
		case len("Content-Length"):
			if f.Name == "Content-Length" || strings.EqualFold(f.Name, "Content-Length") {
				lengths++
				if h.Length = number(f.Value); h.Length < 0 {
					return bad("Content-Length is not a length")
				}
			}
		case len("Transfer-Encoding"):
			if f.Name == "Transfer-Encoding" || strings.EqualFold(f.Name, "Transfer-Encoding") {
				chunked, err = true, h.coding(f.Value, chunked)
			}
		case len("Connection"):
			if f.Name == "Connection" || strings.EqualFold(f.Name, "Connection") {
				h.connection(f.Value)
			}
		case len("Expect"):
			if f.Name == "Expect" || strings.EqualFold(f.Name, "Expect") {
				err = h.expectation(f.Value)
			}
		case len("Trailer"):
			if f.Name == "Trailer" || strings.EqualFold(f.Name, "Trailer") {
				err = bad("trailers are not taken")
			}
		}
		if err != nil {
			return err
		}
	}
	switch {
	case lengths > 1:
		return bad("there are two Content-Lengths")
	case chunked && lengths > 0:
		return bad("a request has a Content-Length or a Transfer-Encoding, not both")
	case hosts > 1 || hosts == 0 && h.minor > 0:
		return bad("a request has one Host")
	case !hostName(h.Host):
		return bad("Host is not the name of a host")
	case h.absolute != "" && h.absolute != h.Host:
		return bad("the target names another host than Host")
	}
	if chunked {
		h.Length = -1
	}
	return nil
}

func (h *Head) coding(value string, again bool) error {
	switch {
	case !strings.EqualFold(value, "chunked"):
		return &Refusal{http.StatusNotImplemented, "the only Transfer-Encoding is chunked"}
	case again || h.minor == 0:
		return bad("a Transfer-Encoding is there once, in HTTP/1.1")
	}
	return nil
}

func (h *Head) expectation(value string) error {
	if !strings.EqualFold(value, "100-continue") {
		return &Refusal{http.StatusExpectationFailed, "the only expectation that can be met is 100-continue"}
	}
	h.expects = h.minor == 1
	return nil
}

func (h *Head) connection(value string) {
	for option := range strings.SplitSeq(value, ",") {
		switch option = strings.Trim(option, " \t"); {
		case strings.EqualFold(option, "close"):
			h.last, h.closes = true, true
		case strings.EqualFold(option, "keep-alive") && !h.closes:
			h.last = false
		}
	}
}

// Values returns the values of a field, whatever the case of its name.
func (h *Head) Values(name string) []string {
	if h.lacks(name) {
		return nil
	}
	var all []string
	for i := range h.Fields {
		if f := &h.Fields[i]; len(f.Name) == len(name) && strings.EqualFold(f.Name, name) {
			all = append(all, f.Value)
		}
	}
	return all
}

// Value returns the first value of a field, and how often the field is there.
func (h *Head) Value(name string) (value string, n int) {
	if h.lacks(name) {
		return "", 0
	}
	for i := range h.Fields {
		if f := &h.Fields[i]; len(f.Name) == len(name) && strings.EqualFold(f.Name, name) {
			if n == 0 {
				value = f.Value
			}
			n++
		}
	}
	return value, n
}

// lacks reports whether no name of a field is as long as name: most of those
// that are asked for are not there.
func (h *Head) lacks(name string) bool { return h.lengths>>(len(name)&63)&1 == 0 }

// number reads a length of up to 18 digits; -1 is none.
func number(s string) (n int64) {
	if s == "" || len(s) > 18 {
		return -1
	}
	for i := range len(s) {
		if !digit(s[i]) {
			return -1
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func unhex(c byte) int {
	switch {
	case digit(c):
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// The sorts of characters, by bit.
const (
	ofToken = 1 << iota
	ofHost
)

// sorts says which characters may be where.
var sorts = func() (t [256]byte) {
	for c := range 256 {
		alnum := digit(byte(c)) || 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80
		if alnum || c < 0x80 && c > 0 && strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0 {
			t[c] |= ofToken
		}
		if alnum || c < 0x80 && c > 0 && strings.IndexByte("!$%&'()*+-.:;=[]_~", byte(c)) >= 0 {
			t[c] |= ofHost
		}
	}
	return t
}()

// token reports whether s is one, as names of methods and fields are.
func token(s string) bool {
	for i := range len(s) {
		if sorts[s[i]]&ofToken == 0 {
			return false
		}
	}
	return s != ""
}

func hostName(s string) bool {
	for i := range len(s) {
		if sorts[s[i]]&ofHost == 0 {
			return false
		}
	}
	return true
}
