package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"frostline/internal/pgtest"
	"frostline/postgres"
)

// start is a database with the scripts run, and a loader on it.
func start(t *testing.T, scripts ...string) (*Loader, *pgtest.DB) {
	t.Helper()
	pg := pgtest.Start(t).Database(t)
	pg.Exec(t, scripts...)
	db, err := postgres.Open(t.Context(), postgres.Config{DSN: pg.DSN, Application: "frostline test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return &Loader{DB: db, Workers: 2, Backoff: time.Millisecond}, pg
}

// write makes a file of rows in JSON, by arrow-go's own writer.
func write(t *testing.T, path string, schema *arrow.Schema, rows string, opts ...parquet.WriterProperty) {
	t.Helper()
	b, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	writeBatch(t, path, b, pqarrow.NewArrowWriterProperties(), opts...)
}

func writeBatch(t *testing.T, path string, b arrow.RecordBatch, props pqarrow.ArrowWriterProperties, opts ...parquet.WriterProperty) {
	t.Helper()
	var buf bytes.Buffer
	w, err := pqarrow.NewFileWriter(b.Schema(), &buf, parquet.NewWriterProperties(opts...), props)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(b), w.Close(), os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, buf.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func fieldsOf(fields ...arrow.Field) *arrow.Schema { return arrow.NewSchema(fields, nil) }

func field(name string, dt arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: dt, Nullable: true}
}

var idName = fieldsOf(field("id", arrow.PrimitiveTypes.Int64), field("name", arrow.BinaryTypes.String))

func target(name string) postgres.Name { return postgres.Name{Schema: "public", Table: name} }

func mustLoad(t *testing.T, l *Loader, req Request) Result {
	t.Helper()
	r, err := l.Run(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sameRows compares a query's result.
func sameRows(t *testing.T, pg *pgtest.DB, sql string, want ...string) {
	t.Helper()
	var got []string
	for _, r := range pg.Query(t, sql) {
		got = append(got, strings.Join(r, "|"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", sql, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// nothingLeft checks that no table of ours stands in the database.
func nothingLeft(t *testing.T, pg *pgtest.DB) {
	t.Helper()
	if n := pg.One(t, `SELECT count(*) FROM pg_class WHERE relname LIKE 'frostline%'`); n != "0" {
		t.Errorf("%s tables or indexes of the load are left", n)
	}
}

func failsWith(t *testing.T, err, kind error, parts ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%v: does not say %q", err, p)
		}
	}
}

// Every type of Parquet into a table made of it, as PostgreSQL then prints it.
func TestNewTableTypes(t *testing.T) {
	l, pg := start(t)
	person := arrow.StructOf(field("first name", arrow.BinaryTypes.String), field("age", arrow.PrimitiveTypes.Int32), field("score", arrow.PrimitiveTypes.Float64))
	cases := []struct {
		name     string
		dt       arrow.DataType
		json     string // of the first row; the second is null
		typ, out string
	}{
		{"bool", arrow.FixedWidthTypes.Boolean, `true`, "boolean", "t"},
		{"int8", arrow.PrimitiveTypes.Int8, `-128`, "smallint", "-128"},
		{"uint16", arrow.PrimitiveTypes.Uint16, `65535`, "integer", "65535"},
		{"int32", arrow.PrimitiveTypes.Int32, `-2147483648`, "integer", "-2147483648"},
		{"uint32", arrow.PrimitiveTypes.Uint32, `4294967295`, "bigint", "4294967295"},
		{"uint64", arrow.PrimitiveTypes.Uint64, `18446744073709551615`, "numeric(20,0)", "18446744073709551615"},
		{"float", arrow.PrimitiveTypes.Float32, `1.5`, "real", "1.5"},
		{"double", arrow.PrimitiveTypes.Float64, `1e300`, "double precision", "1e+300"},
		{"decimal", &arrow.Decimal128Type{Precision: 38, Scale: 4}, `"-1234567890123456789012345678901234.5678"`, "numeric(38,4)", "-1234567890123456789012345678901234.5678"},
		{"text", arrow.BinaryTypes.String, `"tab\tnew\nline \\ \\N ünï 'q'"`, "text", "tab\tnew\nline \\ \\N ünï 'q'"},
		{"binary", arrow.BinaryTypes.Binary, `"AAH/XA=="`, "bytea", `\x0001ff5c`},
		{"date", arrow.FixedWidthTypes.Date32, `"1969-12-31"`, "date", "1969-12-31"},
		{"time", arrow.FixedWidthTypes.Time64us, `"23:59:59.000001"`, "time without time zone", "23:59:59.000001"},
		{"timestamp", &arrow.TimestampType{Unit: arrow.Microsecond}, `"0001-01-01T00:00:00.000001"`, "timestamp without time zone", "0001-01-01 00:00:00.000001"},
		{"timestamp ns", &arrow.TimestampType{Unit: arrow.Nanosecond}, `"2024-02-29T12:00:00.123456000"`, "timestamp without time zone", "2024-02-29 12:00:00.123456"},
		{"instant ms", &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "Europe/Vienna"}, `"2024-02-29T12:00:00.123Z"`, "timestamp with time zone", "2024-02-29 12:00:00.123+00"},
		{"list", arrow.ListOf(arrow.BinaryTypes.String), `["a,b", "q\"", null, "", "NULL"]`, "text[]", `{"a,b","q\"",NULL,"","NULL"}`},
		{"list of bytes", arrow.ListOf(arrow.BinaryTypes.Binary), `["AQI="]`, "bytea[]", `{"\\x0102"}`},
		{"list of lists", arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64)), `[[1,2],[],null]`, "jsonb", `[[1, 2], [], null]`},
		{"struct", person, `{"first name": "Ada \"L\"", "age": 36, "score": null}`, "jsonb", `{"age": 36, "score": null, "first name": "Ada \"L\""}`},
		{"list of structs", arrow.ListOf(person), `[{"first name": "x", "age": 1, "score": 0.5}, null]`, "jsonb", `[{"age": 1, "score": 0.5, "first name": "x"}, null]`},
		{"map", arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int32), `[{"key": "a", "value": 1}, {"key": "b", "value": null}]`, "jsonb", `{"a": 1, "b": null}`},
	}
	dir := t.TempDir()
	var fields []arrow.Field
	first, second := "{", "{"
	for i, c := range cases {
		name := fmt.Sprintf(`c "%d"`, i)
		fields = append(fields, field(name, c.dt))
		comma := map[bool]string{true: ", "}[i > 0]
		first += fmt.Sprintf("%s%q: %s", comma, name, c.json)
		second += fmt.Sprintf("%s%q: null", comma, name)
	}
	write(t, filepath.Join(dir, "part-0.parquet"), fieldsOf(fields...), "["+first+"}, "+second+"}]")
	for _, method := range []string{Copy, Insert} {
		table := target(`t "` + method + `"`)
		r := mustLoad(t, l, Request{Source: dir, Target: table, Method: method})
		if r.Records != 2 || !r.Created {
			t.Errorf("%s: %d records, created %v; want 2 and true", method, r.Records, r.Created)
		}
		for i, c := range cases {
			t.Run(method+" "+c.name, func(t *testing.T) {
				if r.Mapping[i].TargetType != c.typ {
					t.Errorf("mapping %+v, want type %s", r.Mapping[i], c.typ)
				}
				column := postgres.Quote(fmt.Sprintf(`c "%d"`, i))
				sameRows(t, pg, fmt.Sprintf("SELECT %s, pg_typeof(%[1]s) FROM %s", column, table), c.out+"|"+typeName(c.typ), pgtest.Null+"|"+typeName(c.typ))
			})
		}
	}
	nothingLeft(t, pg)
}

// typeName is the type without its modifier, as pg_typeof has it.
func typeName(typ string) string {
	name, _, _ := strings.Cut(typ, "(")
	return name
}

// Every codec that the library writes, and a file without compression.
func TestCodecs(t *testing.T) {
	l, pg := start(t, `CREATE TABLE t (id bigint, name text)`)
	dir := t.TempDir()
	codecs := map[string]compress.Compression{"none": compress.Codecs.Uncompressed, "snappy": compress.Codecs.Snappy, "gzip": compress.Codecs.Gzip,
		"brotli": compress.Codecs.Brotli, "zstd": compress.Codecs.Zstd, "lz4raw": compress.Codecs.Lz4Raw}
	for name, codec := range codecs {
		write(t, filepath.Join(dir, "part."+name+".parquet"), idName, `[{"id": 1, "name": "`+name+`"}]`, parquet.WithCompression(codec))
	}
	mustLoad(t, l, Request{Source: "file://" + dir + "/", Target: target("t")})
	sameRows(t, pg, "SELECT id, name FROM t ORDER BY name", "1|brotli", "1|gzip", "1|lz4raw", "1|none", "1|snappy", "1|zstd")
}

// An Athena or Spark folder: no endings, markers, folders that hold columns.
func TestFolder(t *testing.T) {
	l, pg := start(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "dt=2024-01-01", "n=07", "20240101_000000_00012_abcde_1f0c"), idName, `[{"id": 1, "name": "a"}]`)
	write(t, filepath.Join(dir, "dt=2024-01-02", "n=a%20b", "part-00000.snappy.parquet"), idName, `[{"id": 2, "name": "b"}]`)
	write(t, filepath.Join(dir, "dt="+hiveNull, "n=x", "part-00000.parquet"), idName, `[{"id": 3, "name": "c"}]`)
	for _, name := range []string{"_SUCCESS", "_delta_log/0.json", ".part-00000.parquet.crc", "manifest.csv"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("no Parquet"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	r := mustLoad(t, l, Request{Source: dir, Target: target("t")})
	if want := []string{"manifest.csv"}; !slices.Equal(r.Ignored, want) || r.Files != 3 {
		t.Errorf("ignored %q of %d files, want %q of 3", r.Ignored, r.Files, want)
	}
	sameRows(t, pg, "SELECT id, name, dt, pg_typeof(dt), n, pg_typeof(n) FROM t ORDER BY id",
		"1|a|2024-01-01|date|07|text", "2|b|2024-01-02|date|a b|text", "3|c|"+pgtest.Null+"|date|x|text")

	if err := os.WriteFile(filepath.Join(dir, "bad.parquet"), []byte("no Parquet"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := l.Run(t.Context(), Request{Source: dir, Target: target("u")})
	failsWith(t, err, ErrCorrupt, "bad.parquet", "nothing was loaded")
	_, err = l.Run(t.Context(), Request{Source: filepath.Join(dir, "nowhere"), Target: target("u")})
	failsWith(t, err, ErrNoSource)
}

// Columns are matched by name, in any order, by case where that is the only difference; what does not fit is said at once.
func TestMapping(t *testing.T) {
	l, pg := start(t, `CREATE TABLE t ("Name" varchar(5), id int GENERATED ALWAYS AS IDENTITY, twice int GENERATED ALWAYS AS (2 * id) STORED, note text DEFAULT 'none');
		CREATE TABLE u (id int, "ID" int); CREATE TABLE v (id bytea, name text, must int NOT NULL)`)
	file := filepath.Join(t.TempDir(), "one.parquet")
	write(t, file, idName, `[{"id": 5, "name": "a"}]`)
	r := mustLoad(t, l, Request{Source: file, Target: target("t"), DryRun: true})
	if r.Status != "planned" || r.Method != Insert || len(r.Mapping) != 3 || r.Mapping[0].TargetType != "integer" || r.Mapping[0].Note != "checked for range; identity: its sequence is not moved" || r.Mapping[2].Note != "its default" {
		t.Errorf("plan %+v", r)
	}
	sameRows(t, pg, "SELECT * FROM t")
	mustLoad(t, l, Request{Source: file, Target: target("t")})
	sameRows(t, pg, `SELECT "Name", id, twice, note FROM t`, "a|5|10|none")

	three := filepath.Join(t.TempDir(), "three.parquet")
	write(t, three, fieldsOf(field("Id", arrow.PrimitiveTypes.Int64)), `[{"Id": 5}]`)
	for _, c := range []struct {
		name, source, table string
		parts               []string
	}{
		{"case is ambiguous", three, "u", []string{`"Id" could be "id" or "ID"`}},
		{"all problems at once", file, "v", []string{"int64 does not go into bytea", `column "must", which is NOT NULL`}},
		{"extra column", file, "u", []string{`no column "name" (--ignore-extra`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := l.Run(t.Context(), Request{Source: c.source, Target: target(c.table)})
			failsWith(t, err, ErrMismatch, append(c.parts, "nothing was done")...)
		})
	}
	mustLoad(t, l, Request{Source: file, Target: target("u"), IgnoreExtra: true})
	sameRows(t, pg, `SELECT id, "ID" FROM u`, "5|"+pgtest.Null)
	_, err := l.Run(t.Context(), Request{Source: file, Target: target("u"), Create: true})
	failsWith(t, err, ErrExists)
	nothingLeft(t, pg)
}

// A value that the column cannot hold as it is rejects its row, and is never rounded.
func TestNothingIsBent(t *testing.T) {
	l, pg := start(t)
	for i, c := range []struct {
		name   string
		dt     arrow.DataType
		good   string
		bad    string
		column string
		out    string
		reason string
	}{
		{"nanoseconds", &arrow.TimestampType{Unit: arrow.Nanosecond}, `"2024-01-01T00:00:00.000001000"`, `"2024-01-01T00:00:00.000000001"`, "timestamp", "2024-01-01 00:00:00.000001", "nanoseconds would be lost"},
		{"digits of a second", arrow.FixedWidthTypes.Timestamp_us, `"2024-01-01T00:00:00.001Z"`, `"2024-01-01T00:00:00.0001Z"`, "timestamptz(3)", "2024-01-01 00:00:00.001+00", "keeps 3 digits"},
		{"timestamp to date", &arrow.TimestampType{Unit: arrow.Second}, `"1999-12-31T00:00:00"`, `"1999-12-31T00:00:01"`, "date", "1999-12-31", "time of day"},
		{"scale", &arrow.Decimal128Type{Precision: 10, Scale: 4}, `"1.2300"`, `"1.2345"`, "numeric(10,2)", "1.23", "1.2345 would be rounded"},
		{"float to numeric", arrow.PrimitiveTypes.Float64, `0.25`, `1e-7`, "numeric(10,2)", "0.25", "0.0000001 would be rounded"},
		{"double to real", arrow.PrimitiveTypes.Float64, `0.5`, `0.1`, "real", "0.5", "would be rounded"},
		{"bigint to double", arrow.PrimitiveTypes.Int64, `9007199254740992`, `9007199254740993`, "float8", "9.007199254740992e+15", "would be rounded"},
		{"bigint to int", arrow.PrimitiveTypes.Int64, `2147483647`, `2147483648`, "int", "2147483647", "out of range"},
		{"too long", arrow.BinaryTypes.String, `"abc"`, `"abcd"`, "varchar(3)", "abc", "too long"},
		{"zero byte", arrow.BinaryTypes.String, `"abc"`, `"a\u0000c"`, "text", "abc", "zero byte"},
		{"bytes that are no text", arrow.BinaryTypes.Binary, `"YWJj"`, `"/w=="`, "text", "abc", "no UTF-8"},
		{"map with a key twice", arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int32), `[{"key": "a", "value": 1}]`, `[{"key": "a", "value": 1}, {"key": "a", "value": 2}]`, "json", `{"a":1}`, "twice"},
		{"array element", arrow.ListOf(arrow.PrimitiveTypes.Float64), `[0.5]`, `[0.5, 0.1]`, "real[]", "{0.5}", "would be rounded"},
		{"domain", arrow.PrimitiveTypes.Int32, `1`, `-1`, "positive", "1", "positive_check"},
		{"enum", arrow.BinaryTypes.String, `"happy"`, `"angry"`, "mood", "happy", "invalid input value for enum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pg.Exec(t, `DROP TABLE IF EXISTS t; DROP DOMAIN IF EXISTS positive; DROP TYPE IF EXISTS mood;
				CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE TYPE mood AS ENUM ('happy', 'sad'); CREATE TABLE t (a int, v `+strings.Replace(strings.Replace(c.column, "positive", "public.positive", 1), "mood", "public.mood", 1)+`)`)
			dir := t.TempDir()
			write(t, filepath.Join(dir, "a.parquet"), fieldsOf(field("a", arrow.PrimitiveTypes.Int32), field("v", c.dt)),
				`[{"a": 1, "v": `+c.good+`}, {"a": 2, "v": `+c.bad+`}, {"a": 3, "v": null}]`)
			method := []string{Copy, Insert}[i%2]
			_, err := l.Run(t.Context(), Request{Source: dir, Target: target("t"), Method: method})
			failsWith(t, err, ErrRejected, "a.parquet, row 2", c.reason, "nothing was loaded")
			sameRows(t, pg, "SELECT * FROM t")
			nothingLeft(t, pg)
			dead := filepath.Join(dir, "dead.jsonl")
			r := mustLoad(t, l, Request{Source: dir, Target: target("t"), Method: method, DeadLetter: dead})
			if r.Records != 2 || r.Rejected != 1 {
				t.Errorf("%d records, %d rejected; want 2 and 1", r.Records, r.Rejected)
			}
			sameRows(t, pg, "SELECT a, v FROM t ORDER BY a", "1|"+c.out, "3|"+pgtest.Null)
			if lines := deadLetters(t, dead); len(lines) != 1 || lines[0].Row != 2 || !strings.Contains(lines[0].Reason, c.reason) {
				t.Errorf("dead letters %+v", lines)
			}
		})
	}
}

func deadLetters(t *testing.T, path string) (list []reject) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var r reject
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}
