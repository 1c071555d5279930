package predicate

import (
	"math/big"
	"testing"

	"frostline/coltype"
)

func TestPrune(t *testing.T) {
	i := func(n int64) *coltype.Value { return &coltype.Value{Kind: coltype.Int32, I: n} }
	s := func(v string) *coltype.Value { return &coltype.Value{Kind: coltype.String, S: v} }
	f := func(v float64) *coltype.Value { return &coltype.Value{Kind: coltype.Float64, F: v} }
	d := func(v int64) *coltype.Value {
		return &coltype.Value{Kind: coltype.Decimal, Big: big.NewInt(v), Scale: 2}
	}
	ts := func(v int64) *coltype.Value { return &coltype.Value{Kind: coltype.Timestamp, I: v} }
	full := func(lo, hi *coltype.Value) coltype.Bounds { return coltype.Bounds{Rows: 10, Min: lo, Max: hi} }
	with := func(b coltype.Bounds, nulls, nans, exact int64) coltype.Bounds {
		b.Nulls, b.NaNs, b.Exact = nulls, nans, exact
		return b
	}
	mood := coltype.Type{Kind: coltype.String, Wire: coltype.WireRaw, Base: "mood", Name: "mood", Labels: []string{"z", "m", "a"}}
	for _, c := range []struct {
		name string
		typ  coltype.Type
		b    coltype.Bounds
		want map[string]Verdict
	}{
		{"integers", plain[integer], full(i(10), i(20)), map[string]Verdict{
			"c = 9": None, "c = 10": Some, "c <> 9": All, "c < 10": None, "c <= 10": Some, "c < 21": All, "c <= 20": All, "c > 20": None, "c >= 10": All, "c > 9.5": All, "c = 10.5": None, "c < 1e30": All, "c > 1e30": None,
			"c IN (1, 2, 30)": None, "c IN (1, 15)": Some, "c NOT IN (1, 2)": All, "c BETWEEN 10 AND 20": All, "c BETWEEN 21 AND 30": None, "c NOT BETWEEN 0 AND 30": None, "c IS NULL": None, "c IS NOT NULL": All,
			"NOT c < 10": All, "NOT c <= 20": None, "c < 10 OR c > 20": None, "c < 15 OR c >= 10": All, "c >= 10 AND c <= 20": All, "c >= 10 AND c = NULL": None, "c = NULL": None, "c = 9 OR NULL": None,
			"(c = 9) IS FALSE": All, "(c = 9) IS UNKNOWN": None, "(c = NULL) IS UNKNOWN": All, "c NOT IN (1, NULL)": None, "c IS DISTINCT FROM 9": All, "c IS NOT DISTINCT FROM 9": None}},
		{"one value", plain[integer], full(i(7), i(7)), map[string]Verdict{"c = 7": All, "c <> 7": None, "c IN (7, 8)": All, "c NOT IN (7)": None}},
		{"with NULLs", plain[integer], with(full(i(10), i(20)), 3, 0, 0), map[string]Verdict{
			"c >= 10": Some, "NOT c < 10": Some, "c > 20": None, "NOT c >= 10": None, "c IS NULL": Some, "c >= 10 OR c IS NULL": Some, "(c > 20) IS NOT TRUE": All, "(c >= 10) IS NOT FALSE": All}},
		{"all NULL", plain[integer], with(full(nil, nil), 10, 0, 0), map[string]Verdict{"c = 1": None, "NOT c = 1": None, "c IS NULL": All, "c IS NOT NULL": None, "(c = 1) IS UNKNOWN": All, "c = 1 OR TRUE": All}},
		{"NULLs unknown", plain[integer], with(full(i(10), i(20)), -1, 0, 0), map[string]Verdict{"c >= 10": Some, "c > 20": None, "c IS NULL": Some, "c IS NOT NULL": Some}},
		{"nothing known", plain[integer], coltype.Bounds{Rows: 10, Nulls: -1, NaNs: -1, Exact: -1}, map[string]Verdict{"c = 1": Some, "NOT c = 1": Some, "c < 1e30": Some, "c = 1.5": None}},
		{"the zero bounds", plain[integer], coltype.Bounds{}, map[string]Verdict{"c = 1": Some, "c IS NULL": Some, "c IS NOT NULL": Some}},
		{"no minimum", plain[integer], full(nil, i(20)), map[string]Verdict{"c > 20": None, "c <= 20": All, "c < 5": Some, "c >= 10": Some, "c <> 21": All}},
		{"another kind", plain[integer], full(s("a"), s("b")), map[string]Verdict{"c = 1": Some}},
		{"promoted", plain[bigint], full(i(10), i(20)), map[string]Verdict{"c = 9": None, "c >= 10": All}},
		{"floats without NaN", plain[float8], full(f(1), f(2)), map[string]Verdict{"c > 2": None, "c <= 2": All, "c = 'NaN'": None, "c <> 3": All, "c < 'NaN'": All}},
		{"floats with NaN", plain[float8], with(full(f(1), f(2)), 0, 1, 0), map[string]Verdict{"c > 2": Some, "c <= 2": Some, "c >= 1": All, "c = 'NaN'": Some, "c < 1": None, "NOT c >= 1": None}},
		{"NaN unknown", plain[float8], with(full(f(1), f(2)), 0, -1, 0), map[string]Verdict{"c > 2": Some, "c <= 2": Some, "c >= 1": All, "c = 3": None, "c <> 1.5": Some, "c NOT IN (3, 4)": All}},
		{"text", plain[text], full(s("b"), s("d")), map[string]Verdict{
			"c = 'a'": None, "c = 'c'": Some, "c < 'b'": None, "c < 'e'": All, "c LIKE 'a%'": None, "c LIKE 'c%'": Some, "c NOT LIKE 'a%'": All, "c LIKE '%'": All, "c LIKE 'e'": None, "c ILIKE 'e'": Some, "c LIKE 'e_'": None, "c LIKE '%e'": Some, "c LIKE 'd%'": Some, "c IN ('a', 'e')": None}},
		{"one prefix", plain[text], full(s("abc"), s("abz")), map[string]Verdict{"c LIKE 'ab%'": All, "c LIKE 'a%'": All, "c LIKE 'abc%'": Some, "c NOT LIKE 'ab%'": None, "c LIKE 'ab%c'": Some, "c LIKE 'ab_%'": Some}},
		{"cut ends", plain[text], full(s("ab"), s("ac")), map[string]Verdict{"c = 'abzzz'": Some, "c = 'ac'": Some, "c > 'ac'": None, "c LIKE 'abq%'": Some, "c LIKE 'ab%'": Some}},
		{"char", plain[bpchar], full(s("ab  "), s("abc ")), map[string]Verdict{
			"c = 'ab'": Some, "c = 'ab   '": Some, "c = 'abc'": Some, "c = 'aa'": None, "c = 'abd'": None, "c > 'abd'": None, "c < 'aa'": None, "c >= 'ab'": Some, "c < 'ab'": Some, "c < 'a\x01'": Some, "c IN ('aa', 'b')": None, "c LIKE 'ab%'": All}},
		{"enum", mood, full(s("a"), s("b")), map[string]Verdict{"c = 'a'": Some, "c = 'm'": None, "c > 'm'": Some, "c < 'm'": None, "c <> 'm'": All, "c <> 'a'": Some, "c IN ('z', 'm')": None}},
		{"enum of one label", mood, full(s("m"), s("m")), map[string]Verdict{"c = 'm'": All, "c > 'z'": All, "c >= 'a'": None}},
		{"decimals", coltype.Type{Kind: coltype.Decimal, Wire: coltype.WireNumeric, Precision: 12, Scale: 2, Base: "numeric", Name: "numeric(12,2)"}, full(d(100), d(250)), map[string]Verdict{
			"c = 0.999": None, "c >= 1": All, "c < 2.501": All, "c > 2.5": None, "c = 'NaN'": None, "c IN (0.5, 3)": None, "c IN (1.001, 2)": Some}},
		{"decimals with exact cells", coltype.Type{Kind: coltype.Decimal, Wire: coltype.WireNumeric, Precision: 12, Scale: 2, Base: "numeric", Name: "numeric(12,2)"}, with(full(d(100), d(250)), 1, 0, 1), map[string]Verdict{"c > 2.5": Some, "c >= 1": Some, "c IS NULL": Some}},
		{"exact cells elsewhere", plain[timestamp], with(full(ts(0), ts(5)), 0, 0, 4), map[string]Verdict{"c > '2001-01-01'": None, "c < '2001-01-01'": All, "c IS NULL": None}},
		{"exact cells unknown", plain[timestamp], with(full(ts(0), ts(5)), 2, 0, -1), map[string]Verdict{"c > '2001-01-01'": Some, "c IS NULL": Some, "c IS NOT NULL": Some}},
		{"all NULL or exact", plain[timestamp], with(full(nil, nil), 10, 0, 1), map[string]Verdict{"c > '2001-01-01'": Some, "c IS NULL": Some}},
		{"exact cells do not touch text", plain[text], with(full(s("b"), s("d")), 1, 0, 5), map[string]Verdict{"c > 'd'": None}},
		{"numeric as text, by bytes", plain[numeric], full(s("1"), s("9")), map[string]Verdict{"c > 100": Some, "c = 10": Some}},
		{"numeric as text, by value", plain[numeric], full(d(100), d(900)), map[string]Verdict{"c > 100": None, "c <= 9": All}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for text, want := range c.want {
				p := mustBind(t, text, []coltype.Column{{Name: "c", Type: c.typ}})
				if got := p.Prune(func(int) coltype.Bounds { return c.b }); got != want {
					t.Errorf("%s: %v, want %v", text, got, want)
				}
			}
		})
	}
}

// TestPruneComputed: two columns, arithmetic on bounds, dates of timestamps, lists.
func TestPruneComputed(t *testing.T) {
	v := func(k coltype.Kind, n int64) *coltype.Value { return &coltype.Value{Kind: k, I: n} }
	day := func(n int64) int64 { return n * dayMicros }
	cols := []coltype.Column{{Name: "a", Type: plain[integer]}, {Name: "b", Type: plain[bigint]}, {Name: "f", Type: plain[float8]}, {Name: "d", Type: plain[date]}, {Name: "ts", Type: plain[timestamp]},
		{Name: "tz", Type: plain[timestamptz]}, {Name: "s", Type: plain[text]}, {Name: "c", Type: plain[bpchar]}, {Name: "n", Type: plain[integer]}, {Name: "g", Type: plain[float8]}}
	bounds := []coltype.Bounds{
		{Rows: 9, Min: v(coltype.Int32, 10), Max: v(coltype.Int32, 20)},
		{Rows: 9, Min: v(coltype.Int64, 15), Max: v(coltype.Int64, 30)},
		{Rows: 9, NaNs: 1, Min: &coltype.Value{Kind: coltype.Float64, F: 1}, Max: &coltype.Value{Kind: coltype.Float64, F: 2}},
		{Rows: 9, Min: v(coltype.Date, 100), Max: v(coltype.Date, 110)},
		{Rows: 9, Min: v(coltype.Timestamp, day(100)), Max: v(coltype.Timestamp, day(101)-1)},
		{Rows: 9, Min: v(coltype.TimestampTZ, day(105)), Max: v(coltype.TimestampTZ, day(106))},
		{Rows: 9, Min: &coltype.Value{Kind: coltype.String, S: "b"}, Max: &coltype.Value{Kind: coltype.String, S: "d"}},
		{Rows: 9, Min: &coltype.Value{Kind: coltype.String, S: "x "}, Max: &coltype.Value{Kind: coltype.String, S: "y "}},
		{Rows: 9, Nulls: 2, Min: v(coltype.Int32, 40), Max: v(coltype.Int32, 2147483647)},
		{Rows: 9, Min: &coltype.Value{Kind: coltype.Float64, F: 5}, Max: &coltype.Value{Kind: coltype.Float64, F: 6}},
	}
	for text, want := range map[string]Verdict{
		"a < b": Some, "a = b": Some, "a > b + 10": None, "b >= 15::int": All, "a < b + 6": All, "a + 100 > b": All, "a - b > 5": None, "b - a >= -5": All, "a + 1 = 5": None, "a + 1 < 22": All, "30 < a + b": Some, "25 <= a + b": All,
		"a = n": None, "a < n": Some, "n > a IS NOT FALSE": All, "a IS DISTINCT FROM n": All, "a IS NOT DISTINCT FROM b": Some, "n + 1 > 5": Some, "n + 1 < 5": Some, "n - 50 < -11": None, "n - 1 < 39": None,
		"f > g": Some, "f < g": Some, "g < f": Some, "f = g": Some, "g <> g": Some, "a * 2 > 1000": Some, "a / 2 > 1000": Some, "s < c": Some, "s = s": Some,
		"d + 30 > '2001-01-01'": None, "d - 30 < '2000-06-01'": All, "d - DATE '2000-01-01' >= 100": All, "d + a >= '2000-04-20'": All, "d > 'infinity'": None, "d - 5 < 'infinity'": Some, "d + TIME '01:00' <= TIMESTAMP '2001-01-01'": Some, "d + TIME '01:00' <= DATE '2000-01-31' + TIME '04:15'": Some, "d + INTERVAL '1 day' > '2001-01-01'": Some,
		"ts < tz": All, "ts >= tz": None, "ts::date = '2000-04-10'": All, "ts::date = '2000-04-11'": None, "ts::date < '2000-04-11'": All, "ts::date IN ('2000-04-12', '2000-04-13')": None, "tz::date > '2000-04-15'": Some, "tz::date > '2000-04-16'": None, "tz::date BETWEEN '2000-04-15' AND '2000-04-16'": All,
		"NOT ts::date <> '2000-04-10'": All, "ts::date = TIMESTAMP '2000-04-10 12:00'": None, "ts + INTERVAL '1 month' < '2000-05-01'": None, "ts + INTERVAL '1 month' < '2000-05-13'": All, "ts - INTERVAL '2 days' < tz": All, "ts - INTERVAL '-6 days' < tz": None, "ts + INTERVAL '1 month -31 days' < '2001-01-01'": Some,
		"a = ANY ('{1,2}')": None, "a <> ALL ('{1,2}')": All, "a = ANY (ARRAY[15, 16])": Some, "a < ANY ('{5,6}')": None, "a < ALL ('{25,26}')": All, "a::bigint = 5": None, "a > 2 * 10": None, "s = 'a' || 'b'": None, "s > lower('E')": None, "a IN (b, 5)": Some, "a IN (5, 6 + 1)": None,
	} {
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Bind(e, cols)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := p.Prune(func(col int) coltype.Bounds { return bounds[col] }); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
