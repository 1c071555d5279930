package predicate

import (
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

// sampleColumns are columns of all classes, with a few cells of each.
func sampleColumns(t testing.TB) ([]coltype.Column, []arrow.Array) {
	mood := coltype.Type{Kind: coltype.String, Wire: coltype.WireRaw, Base: "mood", Name: "mood", Labels: []string{"sad", "ok"}}
	dec := coltype.Type{Kind: coltype.Decimal, Wire: coltype.WireNumeric, Precision: 12, Scale: 2, Base: "numeric", Name: "numeric(12,2)"}
	var cols []coltype.Column
	var arrs []arrow.Array
	for _, c := range []struct {
		name  string
		typ   coltype.Type
		cells string
	}{
		{"b", plain[boolean], `[true, false, null]`}, {"i2", plain[smallint], `[1, -32768, null]`}, {"i", plain[integer], `[0, 2147483647, null]`},
		{"i8", plain[bigint], `[5, -9223372036854775808, null]`}, {"o", plain[oid], `[0, 4294967295, null]`}, {"f4", plain[float4], `[1.5, -0.1, null]`},
		{"f", plain[float8], `[0, 1e308, null]`}, {"d", dec, `["1.50", "-9999999999.99", null]`}, {"n", plain[numeric], `["0.000", "-1e5", null]`},
		{"s", plain[text], `["a", "é{1,2}", null]`}, {"c", plain[bpchar], `["a  ", "12 ", null]`}, {"nm", plain[name], `["x", "", null]`}, {"m", mood, `["sad", "ok", null]`},
		{"u", plain[uuid], `["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", null]`}, {"y", plain[bytea], `["YWI=", "", null]`},
		{"dt", plain[date], `[0, 2932896, null]`}, {"tm", plain[clock], `[0, 86399999999, null]`}, {"ts", plain[timestamp], `["2024-01-31 00:00:00", "1900-01-01 12:00:00", null]`},
		{"tz", plain[timestamptz], `["2024-01-31 00:00:00Z", "1900-01-01 12:00:00Z", null]`}, {"iv", plain[interval], `["1 mon -3 days", "178000000 years", null]`},
		{"j", plain[jsonType], `["{\"a\": [1, \"x\"]}", " 5 ", null]`}, {"jb", plain[jsonbType], `["{\"a\": {\"b\": null}}", "\"\\u00e9\"", null]`},
		{"l", listType(plain[integer]), `[[1, 2, null], [], null]`}, {"ls", listType(plain[text]), `[["a", null], ["NULL"], null]`}, {"x", coltype.Type{Kind: coltype.String, Wire: coltype.WireText, Base: "inet", Name: "inet"}, `["::1", "", null]`},
	} {
		arr, _, err := array.FromJSON(memory.DefaultAllocator, coltype.Column{Name: c.name, Type: c.typ}.ArrowField().Type, strings.NewReader(c.cells))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		cols = append(cols, coltype.Column{Name: c.name, Type: c.typ})
		arrs = append(arrs, arr)
	}
	return cols, arrs
}

// FuzzBind: what is bound is evaluated and pruned without a panic, its text binds again and gives the same rows, and what is refused
// names its place.
func FuzzBind(f *testing.F) {
	cols, arrs := sampleColumns(f)
	for _, s := range []string{
		"i + i2 * i8 / 2 % 3 = -i", "d / n > f AND f4::int <> 5", "s || c || m = upper(nm) OR length(y) > 1", "dt + 1 - dt > i AND ts - INTERVAL '1 mon' < tz + iv", "l @> '{1}' AND 1 = ANY (l) OR l <@ ARRAY[1,2]",
		"j -> 'a' ->> 0 = 'x' AND jb #>> '{a,b}' IS NULL", "CAST(s AS int[]) && l", "ls::text LIKE '{%' AND s = ANY (ls)", "iv * 1.5 / 3 > - iv", "u::text = s AND y = '\\x6162'::bytea", "o = i AND o > i8", "b = (i > 0) IS NOT TRUE",
		"ts::date = '2024-01-31' AND tz::time < tm", "s IN (c, nm, 'a'::varchar(3)) AND d IN (i, 1.5, f)", "i BETWEEN SYMMETRIC i2 AND i8 + 1", "x IS NULL OR x = 'a'", "s::numeric(5,2) > 1 OR d::numeric(3,1) < 2", "m < ANY ('{ok}') OR m::text = 'ok'", "dt IS DISTINCT FROM ts",
		"iv::time > tm AND tm + iv > tm - tm", "s::interval > iv", "'{{1,2},{3,4}}'::int[] = l", "n % 0.3 * 1e100 > 1e131071", "f::text = f4::numeric::text", "-(-i2) = - -32768::int2",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			return
		}
		p, err := Bind(e, cols)
		if err != nil {
			var bad *Error
			if !errors.As(err, &bad) || bad.Msg == "" || bad.Field != "filterExpression" {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		run := func(p *Predicate) (string, error) {
			var in []arrow.Array
			for _, i := range p.Columns() {
				in = append(in, arrs[i])
			}
			sel := make([]bool, 3)
			err := p.Eval(in, nil, sel)
			return show(sel), err
		}
		got, err := run(p)
		if err == nil {
			v := p.Prune(func(col int) coltype.Bounds {
				return coltype.Bounds{Rows: 3, Nulls: int64(arrs[col].NullN()), Exact: 0}
			})
			if v == None && got != "000" || v == All && got != "111" {
				t.Fatalf("%q is %v, but selects %s", text, v, got)
			}
		}
		if e == nil {
			return
		}
		again, bad := Parse(e.String())
		if bad != nil {
			return // too long now
		}
		q, bad := Bind(again, cols)
		if bad != nil {
			t.Fatalf("%q prints as %q: %v", text, e, bad)
		}
		if same, err2 := run(q); same != got || (err == nil) != (err2 == nil) {
			t.Fatalf("%q selects %s, printed as %q %s (%v, %v)", text, got, e, same, err, err2)
		}
	})
}
