package rest

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
	"frostline/query"
)

// encoded is the answer for one batch of cols, given as JSON rows for Arrow.
func encoded(t *testing.T, cols []coltype.Column, withExact bool, rows string) string {
	t.Helper()
	s := coltype.Schema{Columns: cols}
	schema := s.Arrow()
	if !withExact {
		schema = arrow.NewSchema(schema.Fields()[:len(cols)], nil)
	}
	b, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	res := &query.Result{Path: "file:///w/s/t", Columns: cols, Batches: []arrow.RecordBatch{b}, Rows: b.NumRows(), Matched: b.NumRows(), Counted: true,
		Scanned: 7, Elapsed: 1500 * time.Microsecond}
	defer res.Release()
	enc, err := newEncoder(res)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := enc.write(func(p []byte) error { out.Write(p); return nil }); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(out.Bytes()) {
		t.Fatalf("not JSON: %s", out.String())
	}
	return out.String()
}

func TestCells(t *testing.T) {
	simple := func(k coltype.Kind, base string) coltype.Type { return coltype.Type{Kind: k, Name: base, Base: base} }
	listOf := func(e coltype.Type) coltype.Type {
		return coltype.Type{Kind: coltype.List, Elem: &e, Delim: ",", Name: e.Name + "[]", Base: "_" + e.Base}
	}
	numeric := coltype.Type{Kind: coltype.Decimal, Precision: 38, Scale: 6, Name: "numeric(38,6)", Base: "numeric"}
	for _, tt := range []struct {
		name  string
		typ   coltype.Type
		cell  string // Arrow's JSON
		exact string // text in the side column
		want  string
	}{
		{"null", simple(coltype.Int32, "int4"), `null`, "", `null`},
		{"bool", simple(coltype.Bool, "bool"), `true`, "", `true`},
		{"int4", simple(coltype.Int32, "int4"), `-2147483648`, "", `-2147483648`},
		{"int8", simple(coltype.Int64, "int8"), `9223372036854775807`, "", `9223372036854775807`},
		{"float4 shortest", simple(coltype.Float32, "float4"), `0.1`, "", `0.1`},
		{"float8 shortest", simple(coltype.Float64, "float8"), `0.1`, "", `0.1`},
		{"float8 large", simple(coltype.Float64, "float8"), `1e300`, "", `1e+300`},
		{"float8 negative zero", simple(coltype.Float64, "float8"), `-0.0`, "", `-0`},
		{"decimal all digits", numeric, `"12345678901234567890123456789012.345678"`, "", `12345678901234567890123456789012.345678`},
		{"decimal keeps zeros", numeric, `"1.5"`, "", `1.500000`},
		{"decimal below one", numeric, `"-0.000001"`, "", `-0.000001`},
		{"decimal NaN", numeric, `null`, "NaN", `"NaN"`},
		{"text", simple(coltype.String, "text"), `"a\"\\\n\u0001é\u2028 <b>"`, "", `"a\"\\\n\u0001é` + "\u2028" + ` <b>"`},
		{"jsonb is a string", simple(coltype.String, "jsonb"), `"{\"a\": 1}"`, "", `"{\"a\": 1}"`},
		{"bytea", simple(coltype.Binary, "bytea"), `"AP+A"`, "", `"AP+A"`},
		{"uuid", simple(coltype.UUID, "uuid"), `"7c9e6679-7425-40de-944b-e07fc1f90ae7"`, "", `"7c9e6679-7425-40de-944b-e07fc1f90ae7"`},
		{"date", simple(coltype.Date, "date"), `"2024-01-31"`, "", `"2024-01-31"`},
		{"date infinity", simple(coltype.Date, "date"), `null`, "infinity", `"infinity"`},
		{"time", simple(coltype.Time, "time"), `"13:00:00.5"`, "", `"13:00:00.5"`},
		{"time 24", simple(coltype.Time, "time"), `null`, "24:00:00", `"24:00:00"`},
		{"timestamp", simple(coltype.Timestamp, "timestamp"), `"2024-01-31 13:00:00.123456"`, "", `"2024-01-31T13:00:00.123456"`},
		{"timestamp whole second", simple(coltype.Timestamp, "timestamp"), `"2024-01-31 13:00:00"`, "", `"2024-01-31T13:00:00"`},
		{"timestamptz", simple(coltype.TimestampTZ, "timestamptz"), `"2024-01-31 13:00:00.123456Z"`, "", `"2024-01-31T13:00:00.123456Z"`},
		{"list", listOf(simple(coltype.Int32, "int4")), `[1,null,-3]`, "", `[1,null,-3]`},
		{"empty list", listOf(simple(coltype.String, "text")), `[]`, "", `[]`},
		{"list of text", listOf(simple(coltype.String, "text")), `["a,b","\""]`, "", `["a,b","\""]`},
		{"list of dates", listOf(simple(coltype.Date, "date")), `["2024-01-31"]`, "", `["2024-01-31"]`},
		{"list of two dimensions", listOf(simple(coltype.Int32, "int4")), `null`, "{{1,2},{3,4}}", `"{{1,2},{3,4}}"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cols := []coltype.Column{{Name: "c", FieldName: "c", Type: tt.typ}}
			side := "null"
			if tt.exact != "" {
				side = `[{"key":"c","value":` + string(appendString(nil, tt.exact)) + `},{"key":"other","value":"x"}]`
			}
			got := encoded(t, cols, true, `[{"c":`+tt.cell+`,"_pg_exact":`+side+`}]`)
			want := `{"data":[{"c":` + tt.want + `}],`
			if !strings.HasPrefix(got, want) {
				t.Errorf("got  %s\nwant %s…", got, want)
			}
		})
	}
}

// BenchmarkEncode encodes a result of 10 000 rows of the types that go through values.
func BenchmarkEncode(b *testing.B) {
	cols := []coltype.Column{
		{Name: "id", FieldName: "id", Type: coltype.Type{Kind: coltype.Int64, Name: "bigint", Base: "int8"}},
		{Name: "at", FieldName: "at", Type: coltype.Type{Kind: coltype.TimestampTZ, Name: "timestamptz", Base: "timestamptz"}},
		{Name: "amount", FieldName: "amount", Type: coltype.Type{Kind: coltype.Decimal, Precision: 12, Scale: 2, Name: "numeric(12,2)", Base: "numeric"}},
		{Name: "u", FieldName: "u", Type: coltype.Type{Kind: coltype.UUID, Name: "uuid", Base: "uuid"}},
		{Name: "name", FieldName: "name", Type: coltype.Type{Kind: coltype.String, Name: "text", Base: "text"}},
	}
	row := `{"id":123456,"at":"2024-01-31 13:00:00.123456Z","amount":"1234.56","u":"7c9e6679-7425-40de-944b-e07fc1f90ae7","name":"somebody"}`
	s := coltype.Schema{Columns: cols}
	batch, _, err := array.RecordFromJSON(memory.DefaultAllocator, arrow.NewSchema(s.Arrow().Fields()[:len(cols)], nil),
		strings.NewReader("["+strings.Repeat(row+",", 9999)+row+"]"))
	if err != nil {
		b.Fatal(err)
	}
	res := &query.Result{Columns: cols, Batches: []arrow.RecordBatch{batch}}
	defer res.Release()
	for b.Loop() {
		enc, err := newEncoder(res)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		if err := enc.write(func(p []byte) error { n += len(p); return nil }); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(n))
	}
}

func TestEncodeSpecialFloats(t *testing.T) {
	for _, tt := range []struct {
		f    float64
		want string
	}{
		{math.NaN(), `"NaN"`}, {math.Inf(1), `"Infinity"`}, {math.Inf(-1), `"-Infinity"`}, {1e-7, "1e-07"}, {1e21, "1e+21"}, {123456789, "123456789"},
	} {
		if got := string(appendFloat(nil, tt.f, 64)); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.f, got, tt.want)
		}
	}
	if got := string(appendFloat(nil, float64(float32(0.1)), 32)); got != "0.1" {
		t.Errorf("float4 0.1: got %s", got)
	}
}

func TestISOTime(t *testing.T) {
	for in, want := range map[string]string{
		"2024-01-31 13:00:00":        "2024-01-31T13:00:00",
		"2024-01-31 13:00:00.5+00":   "2024-01-31T13:00:00.5Z",
		"0044-03-15 12:00:00+00 BC":  "0044-03-15T12:00:00Z BC",
		"10000-01-01 00:00:00":       "10000-01-01T00:00:00",
		"294276-12-31 23:59:59.9+00": "294276-12-31T23:59:59.9Z",
		"infinity":                   "infinity",
	} {
		if got := isoTime(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// The members of a row and of schema stand in the order asked for, whatever their names.
func TestAnswerOrder(t *testing.T) {
	cols := []coltype.Column{
		{Name: "z", FieldName: "z", Type: coltype.Type{Kind: coltype.Int32, Name: "integer", Base: "int4"}},
		{Name: `a"b`, FieldName: "a_b", Type: coltype.Type{Kind: coltype.Decimal, Precision: 12, Scale: 2, Name: "numeric(12,2)", Base: "numeric"}},
	}
	got := encoded(t, cols, false, `[{"z":1,"a_b":"2.50"},{"z":null,"a_b":null}]`)
	want := `{"data":[{"z":1,"a\"b":2.50},{"z":null,"a\"b":null}],"totalMatched":2,"totalScanned":7,"executionTimeMs":1.5,` +
		`"schema":{"z":"int","a\"b":"decimal(12, 2)"},"archivePath":"file:///w/s/t","snapshotId":"0",` +
		`"pruning":{"partitions":{"total":0,"skipped":0},"files":{"total":0,"skipped":0},"rowGroups":{"total":0,"skipped":0},"bloomSkipped":0,` +
		`"pages":{"total":0,"skipped":0},"pagesRead":0,"bytesRead":0,"requests":0}}` + "\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
