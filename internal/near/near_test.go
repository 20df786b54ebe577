package near

import "testing"

func TestName(t *testing.T) {
	known := []string{"flight", "passenger", "controller"}
	for name, want := range map[string]string{
		"fligth":    "flight",
		"Flight":    "flight",
		"flights":   "flight",
		"pasenger":  "passenger",
		"control":   "controller",
		"x":         "",
		"":          "",
		"aeroplane": "",
	} {
		if got := Name(name, known); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	if got := Name("f", nil); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}
