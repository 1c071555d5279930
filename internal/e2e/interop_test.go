package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"frostline/internal/pgtest"
	"frostline/internal/s3test"
)

// column is one column of the table that outside readers must read.
type column struct {
	name   string
	sql    string // its type in PostgreSQL
	field  string // the Iceberg field's name, "" where it is the column's
	typ    string // the Iceberg type, as the specification spells it
	since  int    // first major version of PostgreSQL that has it, 0 for all
	values []string
	exact  []string // values that the typed column cannot hold: they stand in _pg_exact
	notes  string   // NOT NULL and such
}

func texts(name, sql string, values ...string) column {
	return column{name: name, sql: sql, typ: "string", values: values}
}

// columns are all typed kinds and all kinds of exact text. Each row takes one of values, exact and NULL in turn.
// Typed dates stay within the years 1 to 9999, beyond which Python has none.
var columns = []column{
	{name: "flag", sql: "boolean", typ: "boolean", values: []string{"true", "false"}},
	{name: "i2", sql: "smallint", typ: "int", values: []string{"-32768", "0", "7", "32767"}},
	{name: "i4", sql: "integer", typ: "int", values: []string{"-2147483648", "-1", "0", "42", "2147483647"}},
	{name: "i8", sql: "bigint", typ: "long", values: []string{"-9223372036854775808", "5", "9007199254740993", "9223372036854775807"}},
	{name: "o", sql: "oid", typ: "long", values: []string{"0", "26", "4294967295"}},
	{name: "f4", sql: "real", typ: "float", values: []string{"0.1", "-0", "1e-45", "3.4028235e38", "'NaN'", "'Infinity'", "'-Infinity'"}},
	{name: "f8", sql: "double precision", typ: "double", values: []string{"0.1", "'-0'", "5e-324", "1.7976931348623157e308", "'NaN'", "'Infinity'", "'-Infinity'", "100"}},
	{name: "d5", sql: "numeric(5,0)", typ: "decimal(5, 0)", values: []string{"0", "-99999", "99999"}, exact: []string{"'NaN'"}},
	{name: "d12", sql: "numeric(12,2)", typ: "decimal(12, 2)", values: []string{"0", "12.30", "-9999999999.99", "9999999999.99", "100", "-0.01"}, exact: []string{"'NaN'"}},
	{name: "d18", sql: "numeric(18,18)", typ: "decimal(18, 18)", values: []string{"0.000000000000000001", "-0.999999999999999999"}},
	{name: "d38", sql: "numeric(38,10)", typ: "decimal(38, 10)", values: []string{"9999999999999999999999999999.9999999999", "-1", "0.0000000001"}, exact: []string{"'NaN'"}},
	{name: "t", sql: "text", typ: "string", values: []string{"''", "'plain'", "'Ünïcödé 日本 🐘'", "E'tab\\tquote'' \"x\" back\\\\slash\\nline'", "repeat('long ', 2000)"}},
	{name: "vc", sql: "varchar(20)", typ: "string", values: []string{"'abc'", "'abd'", "'trailing  '"}},
	{name: "ch", sql: "char(5)", typ: "string", values: []string{"'ab'", "'abcde'"}},
	{name: "nm", sql: "name", typ: "string", values: []string{"'pg_class'"}},
	{name: "js", sql: "json", typ: "string", values: []string{`'{"b" : 1,  "a": [null]}'`, `'"x"'`}},
	{name: "jb", sql: "jsonb", typ: "string", values: []string{`'{"b" : 1,  "a": [null]}'`, "'1.50'"}},
	{name: "en", sql: "public.mood", typ: "string", values: []string{"'sad'", "'ok'", "'very ''happy'''"}},
	{name: "dom", sql: "public.amount", typ: "decimal(10, 3)", values: []string{"1.5", "99.125"}},
	{name: "by", sql: "bytea", typ: "binary", values: []string{`'\x'`, `'\x00ff80'`, `'\x414243'`}},
	{name: "u", sql: "uuid", typ: "uuid", values: []string{"'00000000-0000-0000-0000-000000000000'", "'550e8400-e29b-41d4-a716-446655440000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"}},
	{name: "da", sql: "date", typ: "date", values: []string{"'0001-01-01'", "'1969-12-31'", "'2024-02-29'", "'9999-12-31'"}, exact: []string{"'infinity'", "'-infinity'"}},
	{name: "ti", sql: "time", typ: "time", values: []string{"'00:00'", "'12:34:56.000001'", "'23:59:59.999999'"}, exact: []string{"'24:00:00'"}},
	{name: "ts", sql: "timestamp", typ: "timestamp", values: []string{"'0001-01-01 00:00:00'", "'1969-12-31 23:59:59.999999'", "'2024-06-01 12:00:00.5'", "'9999-12-31 23:59:59.999999'"}, exact: []string{"'infinity'", "'-infinity'"}},
	{name: "tz", sql: "timestamptz", typ: "timestamptz", values: []string{"'0001-01-02 00:00:00+00'", "'1970-01-01 00:00:00+00'", "'2024-06-01 12:00:00.123456+02'", "'9999-12-31 00:00:00+00'"}, exact: []string{"'infinity'", "'-infinity'"}},
	{name: "tags", sql: "text[]", typ: "list<string>", values: []string{"'{}'", "'{a}'", `'{"a,b",NULL,"","NULL","\"q\""}'`}, exact: []string{"'{{a,b},{c,d}}'", "'[0:1]={a,b}'"}},
	{name: "i4a", sql: "integer[]", typ: "list<int>", values: []string{"'{1,NULL,-2147483648}'", "'{NULL}'"}, exact: []string{"'{{1,2},{3,4}}'", "'[5:5]={1}'"}},
	{name: "i8a", sql: "bigint[]", typ: "list<long>", values: []string{"'{}'", "'{9223372036854775807,1}'"}},
	{name: "ba", sql: "boolean[]", typ: "list<boolean>", values: []string{"'{t,NULL,f}'"}},
	{name: "f4a", sql: "real[]", typ: "list<float>", values: []string{"'{0.1,NaN,-0,Infinity}'"}},
	{name: "f8a", sql: "double precision[]", typ: "list<double>", values: []string{"'{0.1,NaN,-Infinity}'"}},
	{name: "da12", sql: "numeric(12,2)[]", typ: "list<decimal(12, 2)>", values: []string{"'{1.00,NULL,-9999999999.99}'"}, exact: []string{"'{1,NaN}'"}},
	{name: "bya", sql: "bytea[]", typ: "list<binary>", values: []string{`ARRAY['\x00'::bytea, NULL, '\xff']`}},
	{name: "ua", sql: "uuid[]", typ: "list<uuid>", values: []string{"'{550e8400-e29b-41d4-a716-446655440000,NULL}'"}},
	{name: "daa", sql: "date[]", typ: "list<date>", values: []string{"'{2024-02-29,NULL}'"}, exact: []string{"'{2024-01-01,infinity}'"}},
	{name: "tia", sql: "time[]", typ: "list<time>", values: []string{"'{12:00:00.5,NULL}'"}, exact: []string{"'{24:00:00}'"}},
	{name: "tsa", sql: "timestamp[]", typ: "list<timestamp>", values: []string{"'{2024-02-29 12:00:00,NULL}'"}, exact: []string{"'{-infinity}'"}},
	{name: "tza", sql: "timestamptz[]", typ: "list<timestamptz>", values: []string{"'{2024-02-29 12:00:00.25+00,NULL}'"}, exact: []string{"'{infinity,2024-01-01 00:00:00+00}'"}},
	{name: "ena", sql: "public.mood[]", typ: "list<string>", values: []string{"'{sad,NULL,ok}'"}},
	{name: "jba", sql: "jsonb[]", typ: "list<string>", values: []string{`ARRAY['{"a": 1}'::jsonb, NULL]`}},
	{name: "boxa", sql: "box[]", typ: "list<string>", values: []string{"'{(2,2),(1,1);(4,4),(3,3)}'"}},
	{name: "iva", sql: "interval[]", typ: "list<string>", values: []string{"'{1 day,NULL,-01:00:00}'"}},

	texts("num", "numeric", "1.50", "'NaN'", "-1e-30", "12345678901234567890123456789012345678901234567890.5"),
	texts("numwide", "numeric(50,5)", "1.5", "'NaN'", "99999999999999999999999999999999999999999.00001"),
	{name: "numneg", sql: "numeric(5,-2)", typ: "string", since: 15, values: []string{"12300", "-9999900"}},
	texts("ttz", "timetz", "'12:00:00+02'", "'24:00:00-05:30'"),
	texts("iv", "interval", "'1 year 2 mons -3 days 04:05:06.7'", "'0'"),
	texts("mo", "money", "12.34", "-0.01"),
	texts("bt", "bit(5)", "B'10101'"),
	texts("vb", "varbit", "B''", "B'101'"),
	texts("ip", "inet", "'10.0.0.1/8'", "'::1'"),
	texts("net", "cidr", "'10.0.0.0/8'"),
	texts("mac", "macaddr", "'08:00:2b:01:02:03'"),
	texts("mac8", "macaddr8", "'08:00:2b:01:02:03:04:05'"),
	texts("rg", "int4range", "'[1,5)'", "'empty'", "'(,)'"),
	{name: "mr", sql: "int4multirange", typ: "string", since: 14, values: []string{"'{[1,3),[5,8)}'"}},
	texts("tr", "tstzrange", "'[2024-01-01 00:00+00,infinity)'"),
	texts("co", "public.pair", `ROW(1, 'a,"b"')`, "ROW(NULL, '')"),
	texts("tv", "tsvector", "'fat:2 cat:1A'"),
	texts("tq", "tsquery", "'fat & !cat'"),
	texts("pt", "point", "'(1.5,-0)'"),
	texts("bx", "box", "'(2,2),(1,1)'"),
	texts("ci", "circle", "'<(0,0),5>'"),
	texts("ls", "pg_lsn", "'16/B374D848'"),
	texts("jp", "jsonpath", "'$.a[*] ? (@ > 1)'"),
	texts("ov", "oidvector", "'1 2 3'"),

	{name: "Note", sql: "text", typ: "string", values: []string{"'first'"}},
	{name: "note", sql: "text", field: "note_2", typ: "string", values: []string{"'second'"}},
	{name: `we"ird näme, 1.5`, sql: "date", typ: "date", values: []string{"'2024-03-01'"}, exact: []string{"'infinity'"}},
}

// wide is the table of all kinds: 120 rows, a month each half.
func wide(major int) (create, fill string, cols []column, exact []map[string]bool) {
	const rows = 120
	cols = []column{
		{name: "id", sql: "integer", typ: "int", notes: " NOT NULL"},
		{name: "at", sql: "timestamptz", typ: "timestamptz", notes: " NOT NULL"},
	}
	for _, c := range columns {
		if major >= c.since {
			cols = append(cols, c)
		}
	}
	var defs, inserts []string
	for _, c := range cols {
		defs = append(defs, quote(c.name)+" "+c.sql+c.notes)
	}
	for i := range rows {
		month, kept := "01", map[string]bool{}
		if i >= rows/2 {
			month = "02"
		}
		row := []string{fmt.Sprint(i + 1), fmt.Sprintf("'2024-%s-%02d 10:00:00.%06d+00'", month, 1+i%28, i)}
		for n, c := range cols[2:] {
			pool := append(append(slices.Clone(c.values), c.exact...), "NULL")
			k := (i + n + i/len(pool)*n) % len(pool) // each value in every len(pool) rows; columns do not go in step
			row = append(row, pool[k])
			kept[c.name] = k >= len(c.values) && pool[k] != "NULL"
		}
		inserts = append(inserts, "INSERT INTO public.everything VALUES ("+strings.Join(row, ", ")+");")
		exact = append(exact, kept)
	}
	create = `SET check_function_bodies = off;
		CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'very ''happy''');
		CREATE TYPE public.pair AS (a int, b text);
		CREATE DOMAIN public.amount AS numeric(10,3) CHECK (VALUE > 0);
		CREATE TABLE public.everything (` + strings.Join(defs, ", ") + `) PARTITION BY RANGE (at);
		CREATE TABLE public.everything_1 PARTITION OF public.everything FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
		CREATE TABLE public.everything_2 PARTITION OF public.everything FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');`
	return create, strings.Join(inserts, "\n"), cols, exact
}

// long has several pages and row groups, and names that paths and Avro do not take as they are.
const createLong = `
	CREATE TABLE public."long tablé" (id bigint NOT NULL, "ré gion" text, n int, amount numeric(12,2), at timestamptz, note text, tag text, marks int[])
		PARTITION BY LIST ("ré gion");
	CREATE TABLE public.long_a PARTITION OF public."long tablé" FOR VALUES IN ('north/east 100%');
	CREATE TABLE public.long_b PARTITION OF public."long tablé" FOR VALUES IN ('süd');
	INSERT INTO public."long tablé" SELECT i, CASE WHEN i <= 130000 THEN 'north/east 100%' ELSE 'süd' END, CASE WHEN i % 50 <> 0 THEN (i::bigint * 7919) % 100003 END,
		((i::bigint * 104729) % 1000000) / 100.0, '2024-01-01 00:00:00+00'::timestamptz + i * interval '17.000001 seconds', CASE WHEN i % 7 <> 0 THEN 'note ' || md5(i::text) END,
		'tag ' || i / 1000 % 9, CASE WHEN i % 3 <> 0 THEN ARRAY[i, NULL, i % 10] END
	FROM generate_series(1, 150000) i`

var longColumns = []column{
	{name: "id", typ: "long"}, {name: "ré gion", typ: "string"}, {name: "n", typ: "int"}, {name: "amount", typ: "decimal(12, 2)"},
	{name: "at", typ: "timestamptz"}, {name: "note", typ: "string"}, {name: "tag", typ: "string"}, {name: "marks", sql: "int[]", typ: "list<int>"},
}

// count is a filter, as Python's side builds it and as PostgreSQL counts it. Where PostgreSQL's value is not in the
// typed column (infinity), or is NaN, which only PostgreSQL orders, the SQL leaves it out.
type count struct {
	Filter     []any    `json:"filter"` // [op, column, value…], ["and" or "or", filter, filter]
	SQL        string   `json:"sql"`
	Count      int      `json:"count"`
	Partitions []string `json:"partitions,omitempty"` // folders of the archive paths that the plan holds, nil not looked at
}

var wideCounts = []count{
	{SQL: "true", Filter: []any{"notnull", "id"}},
	{SQL: "flag", Filter: []any{"=", "flag", "t"}},
	{SQL: "NOT flag", Filter: []any{"=", "flag", "f"}},
	{SQL: "i4 > 0", Filter: []any{">", "i4", "0"}},
	{SQL: "i4 <= -1", Filter: []any{"<=", "i4", "-1"}},
	{SQL: "i2 IN (7, 32767, 11)", Filter: []any{"in", "i2", "7", "32767", "11"}},
	{SQL: "i8 = 9007199254740993", Filter: []any{"=", "i8", "9007199254740993"}},
	{SQL: "o >= 26", Filter: []any{">=", "o", "26"}},
	{SQL: "id <> 60", Filter: []any{"!=", "id", "60"}},
	{SQL: "id NOT IN (1, 2, 119)", Filter: []any{"notin", "id", "1", "2", "119"}},
	{SQL: "f8 > 1 AND f8 <> 'NaN'", Filter: []any{">", "f8", "1"}},
	{SQL: "f8 = 'NaN'", Filter: []any{"isnan", "f8"}},
	{SQL: "f8 = 0", Filter: []any{"=", "f8", "0"}},
	{SQL: "d12 >= 12.30 AND d12 <> 'NaN'", Filter: []any{">=", "d12", "12.30"}},
	{SQL: "d12 = -9999999999.99", Filter: []any{"=", "d12", "-9999999999.99"}},
	{SQL: "d38 > 0 AND d38 <> 'NaN'", Filter: []any{">", "d38", "0.0000000000"}},
	{SQL: "d38 = 9999999999999999999999999999.9999999999", Filter: []any{"=", "d38", "9999999999999999999999999999.9999999999"}},
	{SQL: "d5 IN (0, 99999)", Filter: []any{"in", "d5", "0", "99999"}},
	{SQL: "t = 'Ünïcödé 日本 🐘'", Filter: []any{"=", "t", "Ünïcödé 日本 🐘"}},
	{SQL: "t LIKE 'long%'", Filter: []any{"startswith", "t", "long"}},
	{SQL: `vc > 'abc' COLLATE "C"`, Filter: []any{">", "vc", "abc"}},
	{SQL: "vc IN ('abd', 'nothing')", Filter: []any{"in", "vc", "abd", "nothing"}},
	{SQL: "en = 'very ''happy'''", Filter: []any{"=", "en", "very 'happy'"}},
	{SQL: "u = '550e8400-e29b-41d4-a716-446655440000'", Filter: []any{"=", "u", "550e8400-e29b-41d4-a716-446655440000"}},
	{SQL: `by = '\x00ff80'`, Filter: []any{"=", "by", `\x00ff80`}},
	{SQL: "da >= '2024-02-29' AND isfinite(da)", Filter: []any{">=", "da", "2024-02-29"}},
	{SQL: "da < '1970-01-01' AND isfinite(da)", Filter: []any{"<", "da", "1970-01-01"}},
	{SQL: "ts <= '1969-12-31 23:59:59.999999' AND isfinite(ts)", Filter: []any{"<=", "ts", "1969-12-31 23:59:59.999999"}},
	{SQL: "tz > '2024-06-01 10:00:00.123455+00' AND isfinite(tz)", Filter: []any{">", "tz", "2024-06-01 10:00:00.123455+00"}},
	{SQL: "tz = '2024-06-01 10:00:00.123456+00'", Filter: []any{"=", "tz", "2024-06-01 10:00:00.123456+00"}},
	{SQL: "i4 IS NULL", Filter: []any{"isnull", "i4"}},
	{SQL: "d12 IS NULL OR d12 = 'NaN'", Filter: []any{"isnull", "d12"}},
	{SQL: "da IS NOT NULL AND isfinite(da)", Filter: []any{"notnull", "da"}},
	{SQL: "i4 > 0 AND (flag OR t IS NULL)", Filter: []any{"and", []any{">", "i4", "0"}, []any{"or", []any{"=", "flag", "t"}, []any{"isnull", "t"}}}},
	{SQL: "at < '2024-02-01 00:00:00+00'", Filter: []any{"<", "at", "2024-02-01 00:00:00+00"}, Partitions: []string{"at=2024-01"}},
	{SQL: "at >= '2024-02-10 00:00:00+00'", Filter: []any{">=", "at", "2024-02-10 00:00:00+00"}, Partitions: []string{"at=2024-02"}},
	{SQL: "at > '2024-03-01 00:00:00+00'", Filter: []any{">", "at", "2024-03-01 00:00:00+00"}, Partitions: []string{}},
	{SQL: "at >= '2024-01-20 00:00:00+00' AND at < '2024-02-05 00:00:00+00'", Filter: []any{"and", []any{">=", "at", "2024-01-20 00:00:00+00"}, []any{"<", "at", "2024-02-05 00:00:00+00"}}},
}

var longCounts = []count{
	{SQL: `"ré gion" = 'süd'`, Filter: []any{"=", "ré gion", "süd"}, Partitions: []string{"r.C3.A9.20gion=s.C3.BCd"}},
	{SQL: `"ré gion" IN ('north/east 100%', 'x')`, Filter: []any{"in", "ré gion", "north/east 100%", "x"}, Partitions: []string{"r.C3.A9.20gion=north.2Feast.20100.25"}},
	{SQL: `"ré gion" = 'x'`, Filter: []any{"=", "ré gion", "x"}, Partitions: []string{}},
	{SQL: "id > 20000 AND id <= 20500", Filter: []any{"and", []any{">", "id", "20000"}, []any{"<=", "id", "20500"}}},
	{SQL: "id = 122881", Filter: []any{"=", "id", "122881"}},
	{SQL: "n < 1000", Filter: []any{"<", "n", "1000"}},
	{SQL: "n IS NULL", Filter: []any{"isnull", "n"}},
	{SQL: "amount >= 5000.00", Filter: []any{">=", "amount", "5000.00"}},
	{SQL: "tag = 'tag 4'", Filter: []any{"=", "tag", "tag 4"}},
	{SQL: "note LIKE 'note 00%'", Filter: []any{"startswith", "note", "note 00"}},
	{SQL: "note IS NULL AND n IS NULL", Filter: []any{"and", []any{"isnull", "note"}, []any{"isnull", "n"}}},
	{SQL: "at >= '2024-01-15 00:00:00+00' AND at < '2024-01-16 00:00:00+00'", Filter: []any{"and", []any{">=", "at", "2024-01-15 00:00:00+00"}, []any{"<", "at", "2024-01-16 00:00:00+00"}}},
}

// job is what interop.py checks. A value is a text, a list of texts, or null.
type job struct {
	Table    string              `json:"table"`
	Metadata string              `json:"metadata"`   // location of the table's metadata file
	Options  map[string]string   `json:"properties"` // of PyIceberg's FileIO
	Columns  []map[string]string `json:"columns"`    // field, type, key (in _pg_exact)
	Rows     [][]any             `json:"rows"`       // as columns
	Exact    []map[string]string `json:"exact"`      // of each row: column name → text
	Counts   []count             `json:"counts"`
}

// Other readers of Iceberg and Parquet see what PostgreSQL has: PyIceberg opens the table from its metadata file, DuckDB
// reads the data files. interop.py also shows of itself that it would see one changed value and one wrong count.
func TestInterop(t *testing.T) {
	python := os.Getenv("FROSTLINE_PYTHON")
	if python == "" {
		t.Skip("FROSTLINE_PYTHON is not set: `make interop` makes a Python with PyIceberg and DuckDB and sets it")
	}
	onBoth(t, func(t *testing.T, w *world) {
		w.db.Exec(t, "SET timezone = 'UTC'; SET lc_monetary = 'C'; SET extra_float_digits = 1")
		create, fill, cols, exact := wide(w.db.Server.Major)
		w.db.Exec(t, create, fill, createLong)
		t.Run("every kind", func(t *testing.T) {
			w := w.at(t)
			j := w.job("everything", "at", cols, wideCounts, "2024-01", "2024-02")
			for i, row := range j.Rows {
				for n, c := range cols {
					if exact[i][c.name] {
						j.Exact[i][c.name] = w.db.One(t, fmt.Sprintf(`SELECT %s FROM public.everything WHERE id = %d`, quote(c.name), i+1))
						row[n] = nil
					}
				}
			}
			w.check(python, j)
		})
		t.Run("long", func(t *testing.T) {
			w := w.at(t)
			w.check(python, w.job("long tablé", "ré gion", longColumns, longCounts, "north/east 100%", "süd"))
		})
	})
}

// at is the world of a subtest.
func (w *world) at(t *testing.T) *world {
	sub := *w
	sub.t = t
	return &sub
}

// job archives the partitions and reads from PostgreSQL what is expected.
func (w *world) job(table, column string, cols []column, counts []count, partitions ...string) *job {
	w.t.Helper()
	j := &job{Table: table, Options: map[string]string{}}
	for _, p := range partitions {
		res := w.run("archive", "--table", table, "--partition-column", column, "--partition-value", p, "--workers", "1")
		j.Metadata, _ = res["metadata_location"].(string)
		if j.Metadata == "" {
			w.t.Fatalf("archive %s: no metadata_location: %v", p, res)
		}
	}
	if strings.HasPrefix(w.warehouse, "s3://") {
		s := s3test.Start(w.t)
		j.Options = map[string]string{
			"s3.endpoint": s.Endpoint, "s3.access-key-id": s.AccessKey, "s3.secret-access-key": s.SecretKey, "s3.region": s3test.Region,
		}
	}
	from := " FROM public." + quote(table)
	var list []string
	for _, c := range cols {
		field := c.field
		if field == "" {
			field = c.name
		}
		j.Columns = append(j.Columns, map[string]string{"field": field, "type": c.typ, "key": c.name})
		expr := quote(c.name) // as its output function prints it; a cast to text changes char(n) and inet
		if strings.HasPrefix(c.typ, "list<") {
			expr = fmt.Sprintf(`CASE WHEN %[1]s IS NOT NULL THEN (SELECT COALESCE(jsonb_agg(e::text ORDER BY n), '[]')::text FROM unnest(%[1]s) WITH ORDINALITY u(e, n)) END`, quote(c.name))
		}
		list = append(list, expr)
	}
	for _, row := range w.db.Query(w.t, "SELECT "+strings.Join(list, ", ")+from+" t ORDER BY t.id") {
		values := make([]any, len(row))
		for i, text := range row {
			switch {
			case text == pgtest.Null:
			case strings.HasPrefix(cols[i].typ, "list<"):
				values[i] = json.RawMessage(text)
			default:
				values[i] = text
			}
		}
		j.Rows, j.Exact = append(j.Rows, values), append(j.Exact, map[string]string{})
	}
	for _, c := range counts {
		if _, err := fmt.Sscan(w.db.One(w.t, "SELECT count(*)"+from+" WHERE "+c.SQL), &c.Count); err != nil {
			w.t.Fatal(err)
		}
		if c.Count == 0 && c.Partitions == nil {
			w.t.Fatalf("no row is %s: the filter shows nothing", c.SQL)
		}
		j.Counts = append(j.Counts, c)
	}
	return j
}

// check runs interop.py.
func (w *world) check(python string, j *job) {
	w.t.Helper()
	body, err := json.Marshal(j)
	if err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.t.TempDir(), "job.json")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(python, "interop.py", path)
	cmd.Env = w.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", j.Table, err, out)
	}
	w.t.Logf("%s", out)
}

func quote(ident string) string { return `"` + strings.ReplaceAll(ident, `"`, `""`) + `"` }
