package main

import (
	"errors"
	"testing"

	"frostline/internal/cli"
	"frostline/postgres"
)

func TestTableName(t *testing.T) {
	for _, c := range []struct {
		in   string
		want postgres.Name
	}{
		{"audit", postgres.Name{Schema: "public", Table: "audit"}},
		{"ops.Audit", postgres.Name{Schema: "ops", Table: "Audit"}},
		{`"o.ps"."a""b.c"`, postgres.Name{Schema: "o.ps", Table: `a"b.c`}},
		{`ops."é"`, postgres.Name{Schema: "ops", Table: "é"}},
		{`"x".y`, postgres.Name{Schema: "x", Table: "y"}},
	} {
		if got, err := tableName(c.in); err != nil || got != c.want {
			t.Errorf("%s: %v, %v, want %v", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{"", ".", "a.", ".b", "a.b.c", `"a`, `"a"b`, `""`, `a."`, `"a""`} {
		if got, err := tableName(in); !errors.Is(err, cli.ErrUsage) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}

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
