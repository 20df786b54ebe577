package program

import "testing"

// A program is told by a flag or by the environment what to attach to.
func TestAttachTo(t *testing.T) {
	for _, c := range []struct {
		args      []string
		env, want string
	}{
		{[]string{"x"}, "", ""},
		{[]string{"x"}, "e", "e"},
		{[]string{"x", "-situ.attach"}, "", ".situ"},
		{[]string{"x", "-situ.attach", "d"}, "e", "d"},
		{[]string{"x", "-v", "--situ.attach=d"}, "", "d"},
		{nil, "", ""},
	} {
		p := Process{Args: c.args, Env: func(name string) string { return map[string]string{"SITU_ATTACH": c.env}[name] }}
		if got := p.attachTo(); got != c.want {
			t.Errorf("%q: %q", c.args, got)
		}
	}
}
