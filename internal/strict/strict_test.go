package strict

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/fault"
)

type level int

func (l *level) UnmarshalText(b []byte) error {
	if string(b) != "high" {
		return errors.New("it is to be high")
	}
	*l = 9
	return nil
}

type settings struct {
	Name  string            `yaml:"name"`
	Count int               `yaml:"count"`
	Share float64           `yaml:"share"`
	On    *bool             `yaml:"on"`
	Level level             `yaml:"level"`
	List  []string          `yaml:"list"`
	Env   map[string]string `yaml:"env"`
	Sub   map[string]sub    `yaml:"sub"`
	Input json.RawMessage   `yaml:"input"`
}

type sub struct {
	TimeZone string `yaml:"time-zone"`
}

func TestDecode(t *testing.T) {
	var s settings
	err := Decode([]byte(`
name: 1.10
count: 7
share: 0.5
on: false
level: high
list: [a, "b"]
env: {PORT: 8080, DEBUG: true}
sub:
  x: {time-zone: UTC}
  y:
input: {a: [1, 2.5, null], "b": <x>}
`), "f.yaml", &s)
	if err != nil {
		t.Fatal(err)
	}
	off := false
	want := settings{"1.10", 7, 0.5, &off, 9, []string{"a", "b"}, map[string]string{"PORT": "8080", "DEBUG": "true"},
		map[string]sub{"x": {"UTC"}, "y": {}}, json.RawMessage(`{"a":[1,2.5,null],"b":"<x>"}`)}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("it reads\n%+v, want\n%+v", s, want)
	}
}

// Each error says where, what, and what is right; and all are told at once.
func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"nam: x":                        "f.yaml:1: there is no nam; did you mean name?",
		"\n\nsub: {x: {timezone: UTC}}": "f.yaml:3: there is no sub.x.timezone; did you mean time-zone?",
		"zzzzzzzz: x":                   "there is no zzzzzzzz; there is name, count",
		"count: many":                   `f.yaml:1: count: it is "many", and is to be a whole number`,
		"count: 1.5":                    "a whole number",
		"count: 99999999999999999999":   "a whole number",
		"share: [1]":                    "share: it is to be one value",
		"on: perhaps":                   "true or false",
		"level: low":                    "level: it is to be high",
		"list: a":                       "list: it is to be a list",
		"env: [a]":                      "env: it is to be a mapping",
		"name: a\nname: b":              "twice",
		"env: {A: x, A: y}":             "twice",
		"- a":                           "f.yaml:1: it is to be a mapping",
		"":                              "it is empty",
		"name: [a":                      "it is no YAML",
		"name: a\n---\nname: b":         "f.yaml:2: a second document",
		"a: &x [1]\nname: *x":           "alias",
		"sub: {x: &a {}, <<: *a}":       "alias",
		"input: .inf":                   "f.yaml:1: input: ",
		"nam: a\ncuont: 1":              "f.yaml:1: there is no nam; did you mean name?\nf.yaml:2: there is no cuont; did you mean count?",
		"input: &a [x]":                 "alias",
		"input: {a: &a [x], b: *a}":     "alias",
	} {
		var s settings
		if err := Decode([]byte(text), "f.yaml", &s); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	var s settings
	if err := Decode([]byte(strings.Repeat("zzzzzzzzzzzz: 1\n", 1)+strings.Repeat("# "+strings.Repeat("x", 1000)+"\n", 1100)), "f", &s); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "larger than") {
		t.Error(err)
	}
}

// FuzzDecode reads anything: it is an error with words, or it is read.
func FuzzDecode(f *testing.F) {
	f.Add("name: a\ncount: 1\nsub: {a: {time-zone: b}}\ninput: {a: [1, {b: c}]}\n")
	f.Add("a: &a [x]\nb: *a\ninput: !!binary aGk=\n? {a: b}\n: c")
	f.Fuzz(func(t *testing.T, text string) {
		var s settings
		if err := Decode([]byte(text), "f", &s); err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%v is of kind %v", err, fault.KindOf(err))
		}
		if s.Input != nil && !json.Valid(s.Input) {
			t.Errorf("%q is no JSON", s.Input)
		}
	})
}
