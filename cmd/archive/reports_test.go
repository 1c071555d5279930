package main

import (
	"errors"
	"testing"

	"frostline/internal/cli"
)

func TestParseShare(t *testing.T) {
	for in, want := range map[string]float64{"": 1, "10%": 0.1, "0.25": 0.25, "1": 1, "100%": 1, "0.5%": 0.005} {
		if got, err := parseShare(in); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"0", "0%", "101%", "1.5", "-1", "x", "%", "NaN", "Inf"} {
		if got, err := parseShare(in); !errors.Is(err, cli.ErrUsage) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}
