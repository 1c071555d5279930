package load

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"frostline/archive"
	"frostline/coltype"
	"frostline/iceberg"
	"frostline/internal/pgtest"
	"frostline/internal/s3test"
	"frostline/objstore"
	"frostline/parquetio"
	"frostline/postgres"
)

// archived archives a partition and gives its path.
func archived(t *testing.T, pg *pgtest.DB, warehouse, table, column, value string) string {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{DSN: pg.DSN, Application: "frostline test"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store := openStore(t, warehouse)
	a := &archive.Archiver{DB: db, Store: store, Catalog: iceberg.NewCatalog(store), Workers: 1, Layout: parquetio.WriteOptions{RowGroupRows: 1000, PageRows: 250}}
	res, err := a.Run(t.Context(), archive.Request{Table: target(table), Column: column, Value: value})
	if err != nil {
		t.Fatal(err)
	}
	return res.Location
}

func openStore(t *testing.T, location string) objstore.Store {
	t.Helper()
	store, err := objstore.Open(t.Context(), location, objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func mustLite(t *testing.T, req SQLiteRequest) SQLiteResult {
	t.Helper()
	r, err := (&SQLite{BatchRows: 700}).Run(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ask reads a file: the cells of a row are joined by |, a blob is x and hex digits, NULL is <NULL>, and text stands as it is.
func ask(t *testing.T, path, query string) (rows []string) {
	t.Helper()
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		cells := make([]string, s.ColumnCount())
		for i := range cells {
			cells[i] = cellText(s, i)
		}
		rows = append(rows, strings.Join(cells, "|"))
		return nil
	}})
	if err != nil {
		t.Fatalf("%s: %s: %v", path, query, err)
	}
	return rows
}

func cellText(s *sqlite.Stmt, i int) string {
	switch s.ColumnType(i) {
	case sqlite.TypeNull:
		return pgtest.Null
	case sqlite.TypeFloat:
		return string(coltype.AppendFloat8(nil, s.ColumnFloat(i)))
	case sqlite.TypeBlob:
		b, _ := io.ReadAll(s.ColumnReader(i))
		return "x" + hex.EncodeToString(b)
	}
	return s.ColumnText(i)
}

func sameList(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

type liteType struct {
	typ, declared, class, print string
	values                      []string
}

// liteTypes are types with literals, the declared type and storage class that SQLite has, and an expression of PostgreSQL
// that prints what SQLite holds; $ is the column.
var liteTypes = []liteType{
	{"boolean", "BOOLEAN", "integer", "$::int::text", []string{"t", "f"}},
	{"smallint", "INTEGER", "integer", "$::text", []string{"-32768", "32767"}},
	{"integer", "INTEGER", "integer", "$::text", []string{"-2147483648", "0", "2147483647"}},
	{"bigint", "BIGINT", "integer", "$::text", []string{"-9223372036854775808", "9223372036854775807", "9007199254740993"}},
	{"oid", "BIGINT", "integer", "$::text", []string{"4294967295"}},
	{"real", "REAL", "real", "$::float8::text", []string{"0.1", "3.4028235e38", "1e-45", "-Infinity", "7"}},
	{"double precision", "DOUBLE PRECISION", "real", "$::text", []string{"0.1", "1.7976931348623157e308", "5e-324", "Infinity", "-1", "1e15"}},
	{"double precision", "DOUBLE PRECISION", "text", "$::text", []string{"NaN"}},
	{"numeric(18,0)", "NUMERIC(18,0)", "integer", "$::text", []string{"-999999999999999999", "999999999999999999"}},
	{"numeric(18,0)", "NUMERIC(18,0)", "text", "$::text", []string{"NaN"}},
	{"numeric(19,0)", "TEXT", "text", "$::text", []string{"9999999999999999999"}},
	{"numeric(12,2)", "TEXT", "text", "$::text", []string{"1.10", "-0.01", "1234567890.00", "NaN"}},
	{"numeric(38,10)", "TEXT", "text", "$::text", []string{"-1234567890123456789012345678.0123456789"}},
	{"numeric", "TEXT", "text", "$::text", []string{"1e400", "0.000", "NaN", "123456789012345678901234567890.12345678901234567890"}},
	{"text", "TEXT", "text", "$::text", []string{"", "123", "1.10", "O'Reilly \"x\" \\N \t\n", "日本語 é 🙂", strings.Repeat("long ", 5000)}},
	{"varchar(9)", "TEXT", "text", "$::text", []string{"0042", "a  "}},
	{"char(4)", "TEXT", "text", "CASE WHEN $ IS NOT NULL THEN format('%s', $) END", []string{"a"}},
	{"bytea", "BLOB", "blob", "'x' || encode($, 'hex')", []string{`\x`, `\x00ff5c27`}},
	{"uuid", "TEXT", "text", "$::text", []string{"00000000-0000-0000-0000-000000000000", "123e4567-e89b-12d3-a456-426614174000"}},
	{"json", "TEXT", "text", "$::text", []string{`{ "b": 1,  "b": [1.10]}`, "123", `"x"`, "null"}},
	{"jsonb", "TEXT", "text", "$::text", []string{`{"a": 1e3, "k": null}`, "1.50"}},
	{"date", "DATE", "text", "$::text", []string{"0001-01-01", "2024-02-29", "0044-03-15 BC", "5874897-12-31", "infinity", "-infinity"}},
	{"time", "TIME", "text", "$::text", []string{"00:00", "23:59:59.999999", "12:30:00.5", "24:00:00"}},
	{"timetz", "TEXT", "text", "$::text", []string{"12:00:00.25+05:30"}},
	{"timestamp", "TIMESTAMP", "text", "$::text", []string{"1969-12-31 23:59:59.999999", "0044-03-15 12:00:00.5 BC", "10000-01-01", "infinity", "294276-12-31 23:59:59.999999"}},
	{"timestamptz", "TIMESTAMP WITH TIME ZONE", "text", `regexp_replace($::text, '\+00( BC)?\Z', '+00:00\1')`,
		[]string{"2024-02-29 12:00:00.5+05:30", "1970-01-01 00:00+00", "0044-03-15 12:00:00.5+00 BC", "-infinity"}},
	{"interval", "TEXT", "text", "$::text", []string{"1 year -2 mons 3 days -04:05:06.789"}},
	{"inet", "TEXT", "text", "CASE WHEN $ IS NOT NULL THEN format('%s', $) END", []string{"10.0.0.1/8", "::1"}},
	{"int4range", "TEXT", "text", "$::text", []string{"[1,7)", "empty"}},
	{"money", "TEXT", "text", "$::text", []string{"-12.34"}},
	{"mood", "TEXT", "text", "$::text", []string{"sad", `it's "ok"`}},
	{"positive", "INTEGER", "integer", "$::text", []string{"7"}},
	{"pair", "TEXT", "text", "$::text", []string{`(1,"a,b")`}},
	{"integer[]", "TEXT", "text", "array_to_json($)::text", []string{"{1,NULL,-3}", "{}"}},
	{"integer[]", "TEXT", "text", "$::text", []string{"{{1,2},{3,4}}", "[0:1]={5,6}"}}, // in no list: the exact text
	{"text[]", "TEXT", "text", "array_to_json($)::text", []string{`{a,"b\"c",NULL,"NULL","",é}`}},
	{"boolean[]", "TEXT", "text", "array_to_json($)::text", []string{"{t,f}"}},
	{"numeric(10,2)[]", "TEXT", "text", "array_to_json($)::text", []string{"{1.10,-0.05}"}},
	{"date[]", "TEXT", "text", "array_to_json($)::text", []string{"{2024-02-29,NULL}"}},
}

// Every type of an archive, as PostgreSQL prints it.
func TestSQLiteTypes(t *testing.T) {
	_, pg := start(t, `CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"'); CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE TYPE pair AS (a int, b text)`)
	pg.Exec(t, "SET timezone = 'UTC'; SET lc_monetary = 'C'; SET extra_float_digits = 1")
	var defs []string
	depth := 0
	for i, c := range liteTypes {
		defs = append(defs, fmt.Sprintf("c%d %s", i, c.typ))
		depth = max(depth, len(c.values))
	}
	pg.Exec(t, "CREATE TABLE types (month text, id int, "+strings.Join(defs, ", ")+")")
	for row := range depth + 1 { // the last is all NULL
		values := []string{"'2024-01'", fmt.Sprint(row)}
		for _, c := range liteTypes {
			if row < len(c.values) {
				values = append(values, postgres.Literal(c.values[row])+"::"+c.typ)
			} else {
				values = append(values, "NULL")
			}
		}
		pg.Exec(t, "INSERT INTO types VALUES ("+strings.Join(values, ", ")+")")
	}
	path := archived(t, pg, "file://"+t.TempDir(), "types", "month", "2024-01")
	out := t.TempDir()
	r := mustLite(t, SQLiteRequest{Source: path, To: out})
	file := filepath.Join(out, "types-month=2024-01.sqlite")
	if r.Kind != "archive" || r.Action != "written" || len(r.Files) != 1 || filepath.Join(out, r.Files[0].File) != file || r.Records != int64(depth+1) {
		t.Fatalf("result %+v", r)
	}
	for i, c := range liteTypes {
		t.Run(c.typ, func(t *testing.T) {
			column := fmt.Sprintf("c%d", i)
			var want []string
			for _, v := range pg.Query(t, "SELECT "+strings.ReplaceAll(c.print, "$", column)+" FROM types ORDER BY id") {
				want = append(want, v[0])
			}
			sameList(t, "values", ask(t, file, "SELECT "+column+" FROM types ORDER BY id"), want...)
			sameList(t, "class", ask(t, file, "SELECT DISTINCT typeof("+column+") FROM types WHERE "+column+" IS NOT NULL"), c.class)
			sameList(t, "declared", ask(t, file, "SELECT type FROM pragma_table_info('types') WHERE name = '"+column+"'"), c.declared)
			sameList(t, "source type", ask(t, file, "SELECT source_type FROM _frostline_columns WHERE name = '"+column+"'"),
				pg.One(t, fmt.Sprintf("SELECT CASE WHEN t.typnamespace = 'public'::regnamespace THEN 'public.' ELSE '' END || format_type(a.atttypid, a.atttypmod) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = 'types'::regclass AND a.attname = '%s'", column)))
		})
	}
	list := fmt.Sprintf("c%d", slices.IndexFunc(liteTypes, func(c liteType) bool { return c.typ == "text[]" }))
	// What SQLite's own functions make of dates and JSON.
	sameList(t, "functions", ask(t, file, `SELECT datetime('2024-02-29 06:30:00.5+00:00'), (SELECT json_extract(`+list+`, '$[1]') FROM types WHERE id = 0)`), `2024-02-29 06:30:00|b"c`)
	python(t, file, `
rows = db.execute("SELECT typeof(c3), c3, c17 FROM types ORDER BY id LIMIT 2").fetchall()
assert rows == [("integer", -9223372036854775808, b""), ("integer", 9223372036854775807, b"\x00\xff\x5c\x27")], rows
assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
assert dict(db.execute("SELECT key, value FROM _frostline"))["partition"] == "month=2024-01"`)
}

// python runs a script on the file by Python's own sqlite3; db is the connection.
func python(t *testing.T, file, script string) {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Log("python3 is not installed: the file is not opened by another SQLite")
		return
	}
	cmd := exec.Command(path, "-c", "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n"+script, file)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("python: %v\n%s", err, text)
	}
}

// Keys and indexes of the record, hostile names, and what the file tells of itself.
func TestSQLiteKeys(t *testing.T) {
	_, pg := start(t, `CREATE TABLE "we""ird'; tablé" ("a""b" bigint, "A" int NOT NULL, a text, "select" int, "rowid" text, " " int, at date, PRIMARY KEY ("a""b"));
		CREATE INDEX "by ""a""" ON "we""ird'; tablé" (a, "A" DESC NULLS LAST); CREATE UNIQUE INDEX one ON "we""ird'; tablé" ("A") WITH (fillfactor = 70); CREATE INDEX inc ON "we""ird'; tablé" (a) INCLUDE ("A");
		CREATE INDEX fun ON "we""ird'; tablé" (lower(a)); CREATE INDEX part ON "we""ird'; tablé" (a) WHERE a > ''; CREATE INDEX "we""ird'; tablé_" ON "we""ird'; tablé" ("select");
		INSERT INTO "we""ird'; tablé" VALUES (9, 1, 'x', 3, 'r', 4, '2024-01-01'), (-5, 2, NULL, 6, '', 7, '2024-01-01')`)
	path := archived(t, pg, "file://"+t.TempDir(), `we"ird'; tablé`, "at", "2024-01-01")
	out := t.TempDir()
	r := mustLite(t, SQLiteRequest{Source: path, To: out})
	file := filepath.Join(out, r.Files[0].File)
	if want := "we.22ird.27.3B.20tabl.C3.A9-at=2024-01-01.sqlite"; r.Files[0].File != want {
		t.Errorf("file %s, want %s", r.Files[0].File, want)
	}
	sameList(t, "rows", ask(t, file, `SELECT * FROM "we""ird'; tablé" ORDER BY "A"`), "9|1|x|3|r|4|2024-01-01", "-5|2|<NULL>|6||7|2024-01-01")
	sameList(t, "columns", ask(t, file, `SELECT name, type, "notnull", pk FROM pragma_table_info('we"ird''; tablé')`),
		`a"b|INTEGER|1|1`, "A|INTEGER|1|0", "a_2|TEXT|0|0", "select|INTEGER|0|0", "rowid|TEXT|0|0", " |INTEGER|0|0", "at|DATE|0|0")
	sameList(t, "indexes", ask(t, file, `SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name`),
		`CREATE INDEX "by ""a""" ON "we""ird'; tablé" ("a_2", "A" DESC)`, `CREATE UNIQUE INDEX "one" ON "we""ird'; tablé" ("A")`, `CREATE INDEX "we""ird'; tablé_" ON "we""ird'; tablé" ("select")`)
	sameList(t, "notes", r.Notes, "index fun is left out: it is not a btree of columns only", "index inc is left out: it is not a btree of columns only", "index part is left out: it is not a btree of columns only")
	sameList(t, "names", ask(t, file, "SELECT name, source_name FROM _frostline_columns WHERE name <> source_name"), "a_2|a")
	sameList(t, "about", ask(t, file, "SELECT key, value FROM _frostline WHERE key IN ('source', 'source_table', 'partition', 'table', 'first_row', 'rows', 'total_files', 'snapshot_id', 'values_digest') ORDER BY key"),
		"first_row|1", "partition|at=2024-01-01", "rows|2", fmt.Sprint("snapshot_id|", r.Snapshot), "source|"+path, `source_table|public.we"ird'; tablé`, `table|we"ird'; tablé`, "total_files|1", "values_digest|"+r.Files[0].Digest)
	data, err := os.ReadFile(file)
	if sum := sha256.Sum256(data); err != nil || hex.EncodeToString(sum[:]) != r.Files[0].SHA256 || int64(len(data)) != r.Files[0].Bytes {
		t.Errorf("the file has other bytes than %+v (%v)", r.Files[0], err)
	}
	for _, name := range []string{"sqlite_master", "_FROSTLINE"} {
		_, err := (&SQLite{}).Run(t.Context(), SQLiteRequest{Source: path, To: t.TempDir(), Table: name})
		failsWith(t, err, ErrBadInput, "--table", "nothing was written")
	}
}

// A file has up to so many rows; one row more makes another file. Nothing and one row too.
func TestSQLiteSplit(t *testing.T) {
	_, pg := start(t, `CREATE TABLE s (id int, month text, name text, PRIMARY KEY (id, month)) PARTITION BY LIST (month);
		CREATE INDEX ON s (name)`)
	warehouse := "file://" + t.TempDir()
	for n, want := range map[int][]string{
		0:    {"0:1..0"},
		1:    {"1:1..1"},
		1500: {"1500:1..1500"},
		1501: {"1500:1..1500", "1:1501..1501"},
		4700: {"1500:1..1500", "1500:1501..3000", "1500:3001..4500", "200:4501..4700"},
	} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			pg.Exec(t, fmt.Sprintf("CREATE TABLE s_%d PARTITION OF s FOR VALUES IN ('m%[1]d'); INSERT INTO s SELECT g, 'm%[1]d', 'n' || g FROM generate_series(1, %[1]d) g", n))
			path := archived(t, pg, warehouse, "s", "month", fmt.Sprintf("m%d", n))
			out := t.TempDir()
			r := mustLite(t, SQLiteRequest{Source: path, To: out + "/x.db", RowsPerFile: 1500})
			var got []string
			for i, f := range r.Files {
				name := "x.db"
				if len(want) > 1 {
					name = fmt.Sprintf("x-%04d-of-%04d.db", i+1, len(want))
				}
				if f.File != name {
					t.Errorf("file %q, want %q", f.File, name)
				}
				got = append(got, fmt.Sprintf("%d:%d..%d", f.Rows, f.FirstRow, f.FirstRow+f.Rows-1))
				rows := ask(t, filepath.Join(out, f.File), "SELECT count(*), coalesce(min(id), 1), coalesce(max(id), 0), count(DISTINCT name) FROM s")
				sameList(t, f.File, rows, fmt.Sprintf("%d|%d|%d|%d", f.Rows, f.FirstRow, f.FirstRow+f.Rows-1, f.Rows))
				sameList(t, "key", ask(t, filepath.Join(out, f.File), "SELECT group_concat(name) FROM pragma_table_info('s') WHERE pk > 0"), "id,month")
			}
			sameList(t, "files", got, want...)
			noTemporaries(t, out)
		})
	}
	// The whole table: partitions by name, keys as plain indexes.
	out := t.TempDir()
	r := mustLite(t, SQLiteRequest{Source: strings.TrimPrefix(warehouse, "file://") + "/public/s/", To: out, RowsPerFile: 100000})
	if r.Records != 7702 || r.Files[0].File != "s.sqlite" {
		t.Errorf("result %+v", r)
	}
	sameList(t, "table", ask(t, filepath.Join(out, "s.sqlite"), "SELECT month, count(*), sum(id) FROM s GROUP BY 1 ORDER BY 1"), "m1|1|1", "m1500|1500|1125750", "m1501|1501|1127251", "m4700|4700|11047350")
	sameList(t, "order", ask(t, filepath.Join(out, "s.sqlite"), "SELECT group_concat(month) FROM (SELECT month FROM s GROUP BY month ORDER BY min(_rowid_))"), "m1,m1500,m1501,m4700")
	sameList(t, "indexes", ask(t, filepath.Join(out, "s.sqlite"), "SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1"),
		`CREATE INDEX "s_4700_name_idx" ON "s" ("name")`, `CREATE INDEX "s_4700_pkey" ON "s" ("id", "month")`)
}

// Partitions that were archived before and after the table changed stand side by side: a rename is one column, another type is two.
func TestSQLiteEvolved(t *testing.T) {
	_, pg := start(t, `CREATE TABLE e (id int, month text, old_name int, retyped int, wider int, gone date, at date) PARTITION BY LIST (month);
		CREATE TABLE e1 PARTITION OF e FOR VALUES IN ('m1'); INSERT INTO e VALUES (1, 'm1', 11, 12, 13, '2024-01-01', 'infinity')`)
	warehouse := "file://" + t.TempDir()
	archived(t, pg, warehouse, "e", "month", "m1")
	pg.Exec(t, `DROP TABLE e1; ALTER TABLE e RENAME old_name TO new_name; ALTER TABLE e ALTER retyped TYPE text, ALTER wider TYPE bigint; ALTER TABLE e DROP gone; ALTER TABLE e ADD added boolean;
		ALTER TABLE e RENAME at TO "AT"; CREATE TABLE e2 PARTITION OF e FOR VALUES IN ('m2'); INSERT INTO e VALUES (2, 'm2', 21, 'text', 9007199254740993, '-infinity', true)`)
	archived(t, pg, warehouse, "e", "month", "m2")
	out := t.TempDir()
	mustLite(t, SQLiteRequest{Source: warehouse + "/public/e", To: out})
	sameList(t, "rows", ask(t, out+"/e.sqlite", `SELECT id, month, new_name, retyped, typeof(retyped), wider, gone, "AT", added, retyped_2 FROM e ORDER BY id`),
		"1|m1|11|<NULL>|null|13|2024-01-01|infinity|<NULL>|12", "2|m2|21|text|text|9007199254740993|<NULL>|-infinity|1|<NULL>")
	sameList(t, "columns", ask(t, out+"/e.sqlite", `SELECT name, type FROM pragma_table_info('e') WHERE name LIKE 'retyped%' OR name = 'wider'`), "retyped|TEXT", "wider|BIGINT", "retyped_2|INTEGER")
	// One partition has the columns that it was archived with.
	mustLite(t, SQLiteRequest{Source: warehouse + "/public/e/month=m1", To: out})
	sameList(t, "columns of m1", ask(t, out+"/e-month=m1.sqlite", `SELECT group_concat(name) FROM pragma_table_info('e')`), "id,month,old_name,retyped,wider,gone,at")
	sameList(t, "rows of m1", ask(t, out+"/e-month=m1.sqlite", `SELECT * FROM e`), "1|m1|11|12|13|2024-01-01|infinity")
}

// noTemporaries checks that only files and manifests stand in a folder, and nothing of ours in the temporary one.
func noTemporaries(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == ".tmp" {
			if inside, err := os.ReadDir(filepath.Join(dir, ".tmp")); err != nil || len(inside) > 0 {
				t.Errorf("left in .tmp: %v (%v)", inside, err)
			}
		} else if ext := filepath.Ext(e.Name()); ext != ".db" && ext != ".sqlite" && ext != ".json" {
			t.Errorf("left: %s", e.Name())
		}
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "frostline-*.sqlite")); len(left) > 0 && os.Getenv("TMPDIR") == dir {
		t.Errorf("left: %v", left)
	}
}

// A rerun of the same state is a no-op; another state, and files of someone else, are left alone without --overwrite.
func TestSQLiteRerun(t *testing.T) {
	dir, out := parts(t, 2, 40), t.TempDir()
	req := SQLiteRequest{Source: dir, To: out, Table: "t", RowsPerFile: 50}
	base := filepath.Base(dir)
	first := mustLite(t, req)
	one := filepath.Join(out, base+"-0001-of-0002.sqlite")
	before, err := os.Stat(one)
	if err != nil {
		t.Fatal(err)
	}
	if r := mustLite(t, req); r.Action != "unchanged" || r.Bytes != first.Bytes || len(r.Files) != 2 || !r.CreatedAt.Equal(first.CreatedAt) {
		t.Errorf("rerun %+v, want unchanged", r)
	}
	if after, err := os.Stat(one); err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("a rerun wrote the file again (%v)", err)
	}

	// A file that is gone or cut comes back.
	if err := os.Truncate(one, 100); err != nil {
		t.Fatal(err)
	}
	if r := mustLite(t, req); r.Action != "written" || r.Files[0].SHA256 != first.Files[0].SHA256 {
		t.Errorf("%+v, want the same bytes written again", r)
	}

	// An incomplete manifest, which a killed run leaves.
	manifest := filepath.Join(out, base+".json")
	m := readJSON(t, manifest)
	if m["status"] != "complete" {
		t.Errorf("manifest %v", m)
	}
	m["status"] = "writing"
	writeJSON(t, manifest, m)
	if r := mustLite(t, req); r.Action != "written" {
		t.Errorf("%s, want written", r.Action)
	}

	// Another division, and another state, are another export.
	for name, change := range map[string]func(r *SQLiteRequest){
		"division": func(r *SQLiteRequest) { r.RowsPerFile = 1000 },
		"table":    func(r *SQLiteRequest) { r.Table = "other" },
		"state": func(*SQLiteRequest) {
			write(t, filepath.Join(dir, "part-1.parquet"), idName, `[{"id": 1, "name": "changed"}]`)
		},
	} {
		other := req
		change(&other)
		_, err := (&SQLite{}).Run(t.Context(), other)
		failsWith(t, err, ErrExists, "another state", "--overwrite", "nothing was written")
		if name == "state" {
			other.Overwrite = true
			if r := mustLite(t, other); r.Records != 41 || len(r.Files) != 1 || r.Files[0].File != base+".sqlite" {
				t.Errorf("overwritten: %+v", r)
			}
		}
	}
	if entries, err := filepath.Glob(filepath.Join(out, "*.sqlite")); err != nil || len(entries) > 2 {
		t.Errorf("files %v (%v)", entries, err)
	}

	// Files of someone else.
	foreign := t.TempDir()
	for _, name := range []string{"x.sqlite", "y.json"} {
		if err := os.WriteFile(filepath.Join(foreign, name), []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err = (&SQLite{}).Run(t.Context(), SQLiteRequest{Source: dir, To: foreign + "/x.sqlite"})
	failsWith(t, err, ErrExists, "x.sqlite, which no manifest tells of")
	_, err = (&SQLite{}).Run(t.Context(), SQLiteRequest{Source: dir, To: foreign + "/y.sqlite"})
	failsWith(t, err, ErrExists, "y.json, which is no manifest")
	if _, err := os.Stat(filepath.Join(foreign, "x.json")); err == nil {
		t.Error("a refused run left its manifest")
	}
	if data, err := os.ReadFile(filepath.Join(foreign, "x.sqlite")); err != nil || string(data) != "mine" {
		t.Errorf("the file of someone else is %q now (%v)", data, err)
	}
	mustLite(t, SQLiteRequest{Source: dir, To: foreign + "/x.sqlite", Table: "t", Overwrite: true})
	sameList(t, "overwritten", ask(t, filepath.Join(foreign, "x.sqlite"), "SELECT count(*) FROM t"), "41")
}

func readJSON(t *testing.T, path string) (m map[string]any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func writeJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Plain Parquet: every type, nanoseconds too, folders' columns, files that differ.
func TestSQLiteParquet(t *testing.T) {
	dir, out := filepath.Join(t.TempDir(), "unload"), t.TempDir()
	schema := fieldsOf(field("id", arrow.PrimitiveTypes.Int32), field("u", arrow.PrimitiveTypes.Uint64), field("ns", &arrow.TimestampType{Unit: arrow.Nanosecond}),
		field("ms", &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "Europe/Vienna"}), field("t", arrow.FixedWidthTypes.Time64ns),
		field("d", &arrow.Decimal128Type{Precision: 9, Scale: 3}), field("f", arrow.PrimitiveTypes.Float32), field("text", arrow.BinaryTypes.String),
		field("list", arrow.ListOf(arrow.StructOf(field("k", arrow.BinaryTypes.String), field("v", arrow.PrimitiveTypes.Int64)))), field("map", arrow.MapOf(arrow.BinaryTypes.String, arrow.FixedWidthTypes.Boolean)))
	write(t, filepath.Join(dir, "day=2024-01-02", "n=7", "a"), schema, `[{"id": 1, "u": 18446744073709551615, "ns": "1969-12-31T23:59:59.999999999", "ms": "2024-02-29T12:00:00.120Z", "t": "12:00:00.000000001",
		"d": "-1.500", "f": 0.5, "text": "zero\u0000byte", "list": [{"k": "a\"b", "v": null}, null], "map": [{"key": "x", "value": true}]}, {"id": null}]`)
	write(t, filepath.Join(dir, "day="+hiveNull, "n=8", "b"), fieldsOf(field("id", arrow.PrimitiveTypes.Int64), field("ID", arrow.BinaryTypes.String)), `[{"id": 9007199254740993, "ID": "upper"}]`)
	r := mustLite(t, SQLiteRequest{Source: dir, To: out})
	file := filepath.Join(out, "unload.sqlite")
	nulls := strings.Repeat("|<NULL>", 9)
	sameList(t, "rows", ask(t, file, "SELECT * FROM unload ORDER BY _rowid_"),
		"1|18446744073709551615|1969-12-31 23:59:59.999999999|2024-02-29 12:00:00.12+00:00|12:00:00.000000001|-1.500|0.5|zero\x00byte|"+`[{"k":"a\"b","v":null},null]|{"x":true}|<NULL>|2024-01-02|7`,
		"<NULL>"+nulls+"|<NULL>|2024-01-02|7", "9007199254740993"+nulls+"|upper|<NULL>|8")
	sameList(t, "columns", ask(t, file, "SELECT name, type FROM pragma_table_info('unload') WHERE name IN ('id', 'ID_2', 'day', 'n', 'u', 'f')"), "id|BIGINT", "u|TEXT", "f|REAL", "ID_2|TEXT", "day|DATE", "n|BIGINT")
	if r.Kind != "parquet" || r.Table != "unload" || r.Mapping[0].SourceType != "int32 or int64" {
		t.Errorf("result %+v", r)
	}
	python(t, file, `
assert db.execute("SELECT text FROM unload WHERE id = 1").fetchone() == ("zero\0byte",)`)

	write(t, filepath.Join(dir, "c"), fieldsOf(field("id", arrow.BinaryTypes.String)), `[{"id": "x"}]`)
	_, err := (&SQLite{}).Run(t.Context(), SQLiteRequest{Source: dir, To: t.TempDir()})
	failsWith(t, err, ErrMismatch, `column "id" is`, "TEXT in c")
}

// Durations have no form in Parquet of their own: pyarrow keeps them in its schema.
func TestSQLiteDuration(t *testing.T) {
	b := array.NewDurationBuilder(memory.DefaultAllocator, arrow.FixedWidthTypes.Duration_ms.(*arrow.DurationType))
	defer b.Release()
	for _, ms := range []arrow.Duration{-1500, 0, 86400001, math.MinInt64} {
		b.Append(ms)
	}
	text := timeCells(b.NewArray())
	for i, want := range []string{"-PT1.5S", "PT0S", "PT86400.001S", "-PT9223372036854775.808S"} {
		if got, err := text(nil, i); err != nil || string(got) != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
}

// From S3 to S3; a warehouse that nobody told of is found by its metadata.
func TestSQLiteS3(t *testing.T) {
	_, pg := start(t, `CREATE TABLE s (id int, month text); INSERT INTO s SELECT g, 'm' FROM generate_series(1, 3000) g`)
	server := s3test.Start(t)
	warehouse, bucket := server.Warehouse(t), server.Warehouse(t)
	path := archived(t, pg, warehouse, "s", "month", "m")
	req := SQLiteRequest{Source: path, To: bucket + "/lite", RowsPerFile: 2000}
	r := mustLite(t, req)
	store := openStore(t, bucket+"/lite")
	rows := 0
	for _, f := range r.Files {
		body, _, err := store.Get(t.Context(), f.File)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body)
		body.Close()
		local := filepath.Join(t.TempDir(), "x.sqlite")
		if err := errors.Join(err, os.WriteFile(local, data, 0o644)); err != nil {
			t.Fatal(err)
		}
		var n int
		fmt.Sscan(ask(t, local, "SELECT count(DISTINCT id) FROM s")[0], &n)
		rows += n
	}
	if rows != 3000 || len(r.Files) != 2 || r.Snapshot == 0 {
		t.Errorf("%d rows in %d files of snapshot %d; want 3000 in 2", rows, len(r.Files), r.Snapshot)
	}
	if again := mustLite(t, req); again.Action != "unchanged" {
		t.Errorf("%s, want unchanged", again.Action)
	}

	// The store as it was told, a key of it, and a folder of it that is only a part of an archive.
	s := &SQLite{Warehouse: openStore(t, warehouse)}
	if r, err := s.Run(t.Context(), SQLiteRequest{Source: "public/s/month=m", To: t.TempDir(), DryRun: true}); err != nil || r.Kind != "archive" || r.Status != "planned" || r.Source != path {
		t.Errorf("by its key: %+v, %v", r, err)
	}
	_, err := s.Run(t.Context(), SQLiteRequest{Source: warehouse + "/public/s/month=other", To: t.TempDir()})
	failsWith(t, err, iceberg.ErrNoPartition)
	_, err = s.Run(t.Context(), SQLiteRequest{Source: warehouse + "/public", To: t.TempDir()})
	failsWith(t, err, ErrBadInput, "so it is an archive")
}

// An archive whose file is another one now, or cut, ends the run; its names stay free for the next.
func TestSQLiteDamaged(t *testing.T) {
	_, pg := start(t, `CREATE TABLE s (id int, month text); INSERT INTO s SELECT g, CASE WHEN g > 10 THEN 'm' ELSE 'n' END FROM generate_series(1, 20) g`)
	dir := t.TempDir()
	path := archived(t, pg, "file://"+dir, "s", "month", "m")
	archived(t, pg, "file://"+dir, "s", "month", "n")
	files, _ := filepath.Glob(dir + "/public/s/month=*/data/*.parquet")
	if len(files) != 2 {
		t.Fatal(files)
	}
	m, err1 := os.ReadFile(files[0])
	n, err2 := os.ReadFile(files[1])
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if len(m) == len(n) { // the rows of another partition
		if err := os.WriteFile(files[0], n, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := (&SQLite{}).Run(t.Context(), SQLiteRequest{Source: path, To: out})
		failsWith(t, err, ErrProof, "digest")
	}
	if err := os.WriteFile(files[0], m[:len(m)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := (&SQLite{}).Run(t.Context(), SQLiteRequest{Source: path, To: out})
	if err == nil || !strings.Contains(err.Error(), "the archive is damaged") {
		t.Errorf("a file that was cut: %v", err)
	}
	if left, _ := filepath.Glob(out + "/*.sqlite"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if err := os.WriteFile(files[0], m, 0o644); err != nil {
		t.Fatal(err)
	}
	if r := mustLite(t, SQLiteRequest{Source: path, To: out}); r.Records != 10 || r.Action != "written" {
		t.Errorf("after the repair: %+v", r)
	}
}

// An interrupted run leaves no file and no temporary one; those that a killed one left long ago go.
func TestSQLiteInterrupted(t *testing.T) {
	dir, out, tmp := parts(t, 8, 500), t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for name, age := range map[string]time.Duration{"frostline-OLD.sqlite": 25 * time.Hour, "frostline-NEW.sqlite.keep": 25 * time.Hour} {
		path := filepath.Join(tmp, name)
		if err := errors.Join(os.WriteFile(path, []byte("x"), 0o600), os.Chtimes(path, time.Time{}, time.Now().Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := &SQLite{BatchRows: 100, Progress: hook{cancel}}
	if _, err := s.Run(ctx, SQLiteRequest{Source: dir, To: out}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was canceled", err)
	}
	for _, d := range []string{out, tmp} {
		if left, _ := filepath.Glob(d + "/*.sqlite"); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	if _, err := os.Stat(filepath.Join(tmp, "frostline-NEW.sqlite.keep")); err != nil {
		t.Errorf("a file that is not ours is gone: %v", err)
	}
	if r := mustLite(t, SQLiteRequest{Source: dir, To: out}); r.Records != 4000 {
		t.Errorf("rerun: %+v", r)
	}
}
