package cli

import (
	"errors"
	"testing"

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
		if got, err := TableName(c.in); err != nil || got != c.want {
			t.Errorf("%s: %v, %v, want %v", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{"", ".", "a.", ".b", "a.b.c", `"a`, `"a"b`, `""`, `a."`, `"a""`} {
		if got, err := TableName(in); !errors.Is(err, ErrUsage) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}
