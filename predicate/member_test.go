package predicate

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"frostline/coltype"
)

// What is asked of a membership test, and what its answers decide. The bounds say only that there are no NULLs.
func TestPruneBy(t *testing.T) {
	num := coltype.Type{Kind: coltype.Decimal, Wire: coltype.WireNumeric, Precision: 12, Scale: 2, Base: "numeric", Name: "numeric(12,2)"}
	mood := coltype.Type{Kind: coltype.String, Wire: coltype.WireRaw, Base: "mood", Name: "mood", Labels: []string{"z", "m", "a"}}
	i := func(n int64) coltype.Value { return coltype.Value{Kind: coltype.Int32, I: n} }
	s := func(v string) coltype.Value { return coltype.Value{Kind: coltype.String, S: v} }
	for _, c := range []struct {
		name  string
		typ   coltype.Type
		cells []coltype.Value
		want  map[string]Verdict
	}{
		{"integers", plain[integer], []coltype.Value{i(5), i(7)}, map[string]Verdict{
			"c = 5": Some, "c = 6": None, "c = 6.5": None, "c = 5.0": Some, "c = 1e30": None, "6 = c": None,
			"c IN (1, 2, 6)": None, "c IN (1, 5)": Some, "c <> 6": All, "c <> 5": Some, "c NOT IN (1, 6)": All, "c NOT IN (6, NULL)": None,
			"c BETWEEN 6 AND 6": None, "c BETWEEN 6 AND 7": Some, "c > 5": Some, "c = 6 OR c = 8": None, "c = 6 OR c > 5": Some, "c = 5 AND c = 6": None,
			"NOT c = 6": All, "(c = 6) IS FALSE": All, "c IS DISTINCT FROM 6": All, "c IS NOT DISTINCT FROM 6": None, "c IS NULL": None}},
		{"text", plain[text], []coltype.Value{s("ab "), s("a%")}, map[string]Verdict{
			"c = 'ab '": Some, "c = 'ab'": None, "c LIKE 'ab '": Some, "c LIKE 'ab'": None, `c LIKE 'a\%'`: Some, "c LIKE 'b%'": Some, "c ILIKE 'zz'": Some, "c NOT LIKE 'zz'": All}},
		{"char", plain[bpchar], []coltype.Value{s("ab   ")}, map[string]Verdict{"c = 'ab'": Some, "c = 'xx'": Some, "c IN ('x', 'y')": Some, "c LIKE 'ab'": None, "c LIKE 'ab   '": Some}},
		{"decimals", num, []coltype.Value{{Kind: coltype.Decimal, Big: big.NewInt(150), Scale: 2}}, map[string]Verdict{
			"c = 1.5": Some, "c = 1.500": Some, "c = 1.505": None, "c = 150": None, "c = 'NaN'": None, "c IN (1.5000000, 3)": Some, "c IN (1.501, 2)": None, "c <> 1.501": All}},
		{"numeric as text", plain[numeric], []coltype.Value{s("1.50")}, map[string]Verdict{"c = 1.5": Some, "c = 2": Some}},
		{"floats", plain[float8], nil, map[string]Verdict{"c = 0": Some, "c = 'NaN'": Some}},
		{"booleans", plain[boolean], nil, map[string]Verdict{"c": Some, "c = true": Some}},
		{"enum", mood, []coltype.Value{s("m"), s("a")}, map[string]Verdict{"c = 'z'": None, "c = 'm'": Some, "c < 'm'": None, "c <= 'm'": Some, "c IN ('z', 'm')": Some, "c <> 'z'": All, "c > 'z'": Some}},
		{"dates", plain[date], []coltype.Value{{Kind: coltype.Date, I: 1}}, map[string]Verdict{
			"c = '2000-01-02'": Some, "c = '2000-01-03'": None, "c = TIMESTAMP '2000-01-02 00:00'": Some, "c = TIMESTAMP '2000-01-02 00:01'": None, "c = 'infinity'": None}},
		{"timestamps", plain[timestamptz], []coltype.Value{{Kind: coltype.TimestampTZ, I: 0}}, map[string]Verdict{
			"c = '2000-01-01 00:00+00'": Some, "c = '2000-01-01 01:00+01'": Some, "c = '2000-01-01 00:00:00.000001+00'": None, "c = '-infinity'": None}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for text, want := range c.want {
				p := mustBind(t, text, []coltype.Column{{Name: "c", Type: c.typ}})
				got := p.PruneBy(Known{
					Bounds: func(int) coltype.Bounds { return coltype.Bounds{Rows: 10} },
					May: func(_ int, v coltype.Value) bool {
						for _, cell := range c.cells {
							if coltype.Compare(cell, v) == 0 {
								return true
							}
						}
						return false
					}})
				if got != want {
					t.Errorf("%s: %v, want %v", text, got, want)
				}
			}
		})
	}
}

// Nothing is proven absent where cells may stand in the side column, and long lists are not asked.
func TestPruneByKeeps(t *testing.T) {
	never := func(int, coltype.Value) bool { return false }
	long := "c IN (1" + strings.Repeat(",3", 10) + ")"
	var many strings.Builder
	many.WriteString("c IN (0")
	for n := range maxMembers {
		many.WriteString("," + big.NewInt(int64(n+1)).String())
	}
	many.WriteString(")")
	for _, c := range []struct {
		name string
		typ  coltype.Type
		b    coltype.Bounds
		text string
		want Verdict
	}{
		{"exact cells", plain[timestamp], coltype.Bounds{Rows: 10, Nulls: 1, Exact: 1}, "c = '2024-01-01'", Some},
		{"exact cells unknown", plain[date], coltype.Bounds{Rows: 10, Nulls: -1, Exact: -1}, "c = 'infinity'", Some},
		{"exact cells of others", plain[date], coltype.Bounds{Rows: 10, Nulls: 0, Exact: 1}, "c = '2024-01-01'", None},
		{"exact cells beside text", plain[text], coltype.Bounds{Rows: 10, Nulls: 3, Exact: 3}, "c = 'x'", None},
		{"with NULLs, negated", plain[text], coltype.Bounds{Rows: 10, Nulls: 3}, "c <> 'x'", Some},
		{"rows unknown", plain[text], coltype.Bounds{}, "c = 'x'", Some},
		{"repeated", plain[integer], coltype.Bounds{Rows: 10}, long, None},
		{"too many", plain[integer], coltype.Bounds{Rows: 10}, many.String(), Some},
		{"beyond the last timestamp", plain[timestamp], coltype.Bounds{Rows: 10, Min: &coltype.Value{Kind: coltype.Timestamp, I: math.MinInt64}}, "c = 'infinity'", None},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := mustBind(t, c.text, []coltype.Column{{Name: "c", Type: c.typ}})
			if got := p.PruneBy(Known{Bounds: func(int) coltype.Bounds { return c.b }, May: never}); got != c.want {
				t.Errorf("%s: %v, want %v", c.text, got, c.want)
			}
		})
	}
}
