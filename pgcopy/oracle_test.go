package pgcopy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
	"frostline/digest"
	"frostline/internal/pgtest"
)

// pinned are the session settings that make text output repeatable.
const pinned = `SET DateStyle = ISO; SET IntervalStyle = postgres; SET TimeZone = UTC; SET extra_float_digits = 3;
	SET bytea_output = hex; SET lc_monetary = 'C'; SET search_path = pg_catalog`

// typeOf reads a type from the catalogs.
func typeOf(t testing.TB, db *pgtest.DB, oid, typmod string) *coltype.PGType {
	t.Helper()
	r := db.Query(t, `SELECT t.oid, n.nspname, t.typname, t.typtype, format_type(t.oid, $2::int4), coalesce(p.proname, ''), t.typdelim,
			CASE WHEN t.typinput = 'array_in'::regproc AND t.typlen = -1 THEN t.typelem ELSE 0 END,
			t.typbasetype, t.typtypmod,
			(SELECT string_agg(enumlabel, '|' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)
		FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_proc p ON p.oid = t.typsend
		WHERE t.oid = $1::oid`, oid, typmod)[0]
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	p := &coltype.PGType{OID: uint32(number(r[0])), Schema: r[1], Name: r[2], TypType: r[3][0], Typmod: int32(number(typmod)),
		Formatted: r[4], Send: r[5], Delim: r[6][0]}
	if r[7] != "0" {
		p.Elem = typeOf(t, db, r[7], typmod)
	}
	if r[8] != "0" {
		p.Base = typeOf(t, db, r[8], r[9])
	}
	if r[10] != pgtest.Null {
		p.Labels = strings.Split(r[10], "|")
	}
	return p
}

// schemaOf reads the columns of a table of schema public.
func schemaOf(t testing.TB, db *pgtest.DB, table string) coltype.Schema {
	t.Helper()
	var s coltype.Schema
	for i, r := range db.Query(t, `SELECT attname, atttypid, atttypmod, attgenerated FROM pg_attribute
			WHERE attrelid = ('public.' || $1)::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`, table) {
		typ, err := coltype.Map(*typeOf(t, db, r[1], r[2]))
		if err != nil {
			t.Fatal(err)
		}
		s.Columns = append(s.Columns, coltype.Column{Name: r[0], AttNum: i + 1, Generated: r[3] != "", Type: typ, FieldID: i + 1, ElemID: 1000 + i})
	}
	s.ExactID, s.ExactKeyID, s.ExactValueID = 2000, 2001, 2002
	coltype.NameFields(s.Columns)
	return s
}

// decodeAll decodes a stream and gives its batches, which are released when the test ends.
func decodeAll(t testing.TB, s coltype.Schema, stream []byte, o DecodeOptions) ([]arrow.RecordBatch, digest.Digest) {
	t.Helper()
	d := NewDecoder(bytes.NewReader(stream), s, o)
	var out []arrow.RecordBatch
	for {
		b, err := d.Next()
		if errors.Is(err, io.EOF) {
			return out, d.Digest()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Release)
		out = append(out, b)
	}
}

// column is one of a test table: its type and SQL expressions of its values, NULL apart.
type testColumn struct {
	name, typ string
	values    []string
}

// lit quotes each as an SQL literal.
func lit(values ...string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	return out
}

// known are the columns and values that the server has: multiranges and infinite numerics came with PostgreSQL 14.
func known(db *pgtest.DB, cols []testColumn) []testColumn {
	if db.Server.Major >= 14 {
		return cols
	}
	var out []testColumn
	for _, c := range cols {
		if strings.Contains(c.typ, "multirange") {
			continue
		}
		if strings.HasPrefix(c.typ, "numeric") {
			c.values = slices.DeleteFunc(slices.Clone(c.values), func(v string) bool { return strings.Contains(v, "Infinity") })
		}
		out = append(out, c)
	}
	return out
}

// fill makes the table and inserts rows, in which each column's values and NULL take turns.
func fill(t testing.TB, db *pgtest.DB, table string, cols []testColumn, more string) {
	t.Helper()
	var defs []string
	rows := 0
	for _, c := range cols {
		defs = append(defs, quote(c.name)+" "+c.typ)
		rows = max(rows, 3*(len(c.values)+1))
	}
	db.Exec(t, `CREATE TABLE `+table+` (id int4`+more+`, `+strings.Join(defs, ", ")+`)`)
	for i := range rows {
		names, vals := []string{"id"}, []string{strconv.Itoa(i)}
		for k, c := range cols {
			if n := (i + k) % (len(c.values) + 1); n < len(c.values) {
				names, vals = append(names, quote(c.name)), append(vals, c.values[n])
			}
		}
		db.Exec(t, `INSERT INTO `+table+` (`+strings.Join(names, ", ")+`) VALUES (`+strings.Join(vals, ", ")+`)`)
	}
}

var long = strings.Repeat("0123456789", 13107) // 131070 digits

// binaryColumns are columns that binary COPY can load into any database.
var binaryColumns = []testColumn{
	{"bool", "bool", lit("t", "f")},
	{"int2", "int2", lit("0", "1", "-1", "32767", "-32768")},
	{"int4", "int4", lit("0", "2147483647", "-2147483648")},
	{"int8", "int8", lit("0", "9223372036854775807", "-9223372036854775808")},
	{"oid", "oid", lit("0", "2147483648", "4294967295")},
	{"float4", "float4", lit("0", "-0", "1.5", "3.4028235e38", "1e-45", "0.1", "NaN", "Infinity", "-Infinity")},
	{"float8", "float8", append(lit("0", "-0", "1.5", "1.7976931348623157e308", "5e-324", "0.1", "NaN", "Infinity", "-Infinity"), "'infinity'::float8 - 'infinity'::float8")},
	{"numeric", "numeric", lit("0", "0.0", "0.00000000000", "1", "-1", "10000", "100000000", "1.10", "-1.1000", "0.0001", "0.00001", "1e-1000", "1e131071",
		"-"+long, "0."+long[:16383], "12345678901234567890.12345678901234567890", "NaN", "Infinity", "-Infinity", "9999", "9999.9999", "99990000.00009999")},
	{"numeric(12,2)", "numeric(12,2)", lit("0", "0.01", "-0.01", "1", "100", "10000", "9999999999.99", "-9999999999.99", "1234567.89", "5000.50", "NaN")},
	{"numeric(38,10)", "numeric(38,10)", lit("0", "1e-10", "-1e-10", "9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999", "10000000000000000000000000000"[:28], "184467440737.09551616", "NaN")},
	{"numeric(38,0)", "numeric(38,0)", lit("0", "99999999999999999999999999999999999999", "-99999999999999999999999999999999999999", "18446744073709551615", "18446744073709551616", "1e37", "1e20")},
	{"numeric(38,38)", "numeric(38,38)", lit("0", "0.99999999999999999999999999999999999999", "1e-38", "-1e-38")},
	{"numeric(5,5)", "numeric(5,5)", lit("0", "0.00001", "0.99999", "-0.1")},
	{"numeric(18,0)", "numeric(18,0)", lit("0", "999999999999999999", "-999999999999999999", "1000000000000000")},
	{"numeric(19,4)", "numeric(19,4)", lit("0", "999999999999999.9999", "-999999999999999.9999", "922337203685477.5808")},
	{"numeric(40,3)", "numeric(40,3)", lit("0", "1.5", "1234567890123456789012345678901234567.123", "NaN")},
	{"text", "text", append(lit("", " ", `\N`, `\.`, "NULL", "a\tb\nc\rd\\e", "日本語 é 🙂", "\b\f\v\x01\x7f", `"quoted" {x},;`), "repeat('long ', 20000)")},
	{"varchar(10)", "varchar(10)", lit("", "abc ", "0123456789")},
	{"char(5)", "char(5)", lit("", "a", "ab  c", "éé")},
	{"name", "name", lit("", "pg_class")},
	{"json", "json", lit(`{ "b": 1,  "a": [1, 2 ] }`, `"x\ty"`, `null`)},
	{"jsonb", "jsonb", lit(`{ "b": 1,  "a": [1, 2 ] }`, `"x\ty"`, `null`, `1e100`, `{}`)},
	{"bytea", "bytea", lit("", `\x00`, `\x00ff5c090a`, `\xdeadbeef`)},
	{"uuid", "uuid", lit("00000000-0000-0000-0000-000000000000", "123e4567-e89b-12d3-a456-426614174000", "ffffffff-ffff-ffff-ffff-ffffffffffff")},
	{"date", "date", lit("1970-01-01", "2000-01-01", "0001-01-01", "0001-12-31 BC", "4714-11-24 BC", "5874897-12-31", "infinity", "-infinity")},
	{"time", "time", lit("00:00", "23:59:59.999999", "24:00:00", "12:34:56.7")},
	{"time(0)", "time(0)", lit("00:00", "23:59:59.999999", "12:34:56.7")},
	{"timestamp", "timestamp", lit("1970-01-01", "2000-01-01", "4714-11-24 00:00 BC", "294276-12-31 23:59:59.999999", "294247-01-10 04:00:54.775807", "294247-01-10 04:00:54.775808", "infinity", "-infinity", "2024-02-29 12:00:00.5")},
	{"timestamptz", "timestamptz", lit("1970-01-01+00", "4714-11-24 00:00+00 BC", "294276-12-31 23:59:59.999999+00", "294247-01-10 04:00:54.775808+00", "infinity", "-infinity", "2024-02-29 12:00:00.5+05:30")},
	{"citext", "public.citext", lit("Ab", "aB")},
	{"mood", "public.mood", lit("sad", "very happy", `we"ird,`)},
	{"dint", "public.dint", lit("1", "99")},
	{"dnum", "public.dnum", lit("1.50", "NaN")},
	{"dtext", "public.dtext", lit("", "x")},
	{"dints", "public.dints", lit("{}", "{1,2}", "{{1},{2}}")},
	{`we"ird {}, \ ünï`, "int4", lit("1")},
	{"_pg_exact", "date", lit("2024-01-01", "infinity")},
	{"int2[]", "int2[]", lit("{}", "{1,-32768}", "{NULL}")},
	{"int4[]", "int4[]", lit("{}", "{1}", "{1,NULL,3}", "{NULL,NULL}", "[0:1]={1,2}", "{{1,2},{3,NULL}}", "[2:2][-1:0]={{5,6}}", "{{{{{{1}}}}}}", "[2147483646:2147483646]={1}")},
	{"int8[]", "int8[]", lit("{9223372036854775807}", "{{-9223372036854775808}}")},
	{"oid[]", "oid[]", lit("{4294967295}", "{{4294967295}}")},
	{"bool[]", "bool[]", lit("{t,f,NULL,t,t,t,t,f,t,t,f}", "{{t,f}}", "{t}")},
	{"float4[]", "float4[]", append(lit("{-0,NaN,Infinity}", "{{0.1,-0,1e-45,NaN,-Infinity}}"), "ARRAY[ARRAY['infinity'::float4 - 'infinity'::float4]]")},
	{"float8[]", "float8[]", append(lit("{-0,NaN,Infinity}", "{{0.1,-0,5e-324,NaN,-Infinity}}", "[0:0]={1e300}"), "ARRAY['infinity'::float8 - 'infinity'::float8]", "ARRAY[ARRAY['infinity'::float8 - 'infinity'::float8]]")},
	{"numeric[]", "numeric[]", lit("{}", "{1.10,NaN,-Infinity,1e100}", "{{0.00,1},{-0.5,NULL}}")},
	{"numeric(6,2)[]", "numeric(6,2)[]", lit("{}", "{1.10,2}", "{1,NaN}", "{{0.00,1},{-0.5,NULL}}", "{1,2,3,4}")},
	{"text[]", "text[]", lit("{}", `{"",NULL,"NULL",null," ","a,b","a;b","\"","\\","{}"}`, `{{"",NULL},{"NULL","x y"}}`, "{\"tab\t\",\"nl\n\"}", `[5:5]={"\\N"}`, "{日本語}")},
	{"varchar(3)[]", "varchar(3)[]", lit("{abc}", "{{a,b}}")},
	{"char(3)[]", "char(3)[]", lit("{a,abc}", "{{a,b}}")},
	{"name[]", "name[]", lit("{a,abc}", "{{a,b}}")},
	{"json[]", "json[]", lit(`{"{\"a\" : 1}",NULL}`, `{{"{\"a\" : 1}"}}`)},
	{"jsonb[]", "jsonb[]", lit(`{"{\"a\" : 1}",NULL}`, `{{"{\"a\" : 1}"}}`)},
	{"bytea[]", "bytea[]", lit(`{"\\x00ff",""}`, `{{"\\x00ff",""}}`)},
	{"uuid[]", "uuid[]", lit("{123e4567-e89b-12d3-a456-426614174000,NULL}", "{{123e4567-e89b-12d3-a456-426614174000}}")},
	{"date[]", "date[]", lit("{2024-01-01,NULL}", "{2024-01-01,infinity}", "{{4714-11-24 BC},{-infinity}}")},
	{"time[]", "time[]", lit("{12:00,NULL}", "{12:00,24:00}", "{{23:59:59.999999}}")},
	{"timestamp[]", "timestamp[]", lit("{2024-01-01 12:00,NULL}", "{infinity}", "{{4714-11-24 BC},{294276-12-31 23:59:59.999999}}")},
	{"timestamptz[]", "timestamptz[]", lit("{2024-01-01 12:00+00,NULL}", "{2024-01-01 12:00+00,294276-12-31 23:59:59.999999+00}", "{{-infinity}}")},
}

// textColumns need text COPY.
var textColumns = []testColumn{
	{"int4", "int4", lit("1")},
	{"text", "text", lit("a\tb\\\n", `\N`)},
	{"bytea", "bytea", lit(`\x005c`)},
	{"float4", "float4", []string{"'infinity'::float4 - 'infinity'::float4", "1"}},
	{"float8", "float8", []string{"'infinity'::float8 - 'infinity'::float8", "1"}},
	{"float8[]", "float8[]", []string{"ARRAY[1, 'infinity'::float8 - 'infinity'::float8]"}},
	{"timetz", "timetz", lit("12:00+05:30", "24:00-15:59")},
	{"interval", "interval", lit("0", "1 year -2 mons 3 days -04:05:06.789", "178000000 years")},
	{"money", "money", lit("12.34", "-92233720368547758.08")},
	{"bit(3)", "bit(3)", lit("101")},
	{"varbit", "varbit", lit("", "10101")},
	{"inet", "inet", lit("10.0.0.1", "10.0.0.1/8", "::1", "2001:db8::/32")},
	{"cidr", "cidr", lit("10.0.0.0/8", "10.0.0.1")},
	{"macaddr", "macaddr", lit("08:00:2b:01:02:03")},
	{"int4range", "int4range", lit("empty", "[1,5)", "(,)")},
	{"tstzrange", "tstzrange", lit("[2024-01-01 00:00+00,infinity)")},
	{"int4multirange", "int4multirange", lit("{}", "{[1,2),[5,9)}")},
	{"composite", "public.pair", lit("(,)", `(1,"a ""b"" , \\ c")`, "(1,)")},
	{"tsvector", "tsvector", lit("a:1A b:2", `'it''s':1`)},
	{"tsquery", "tsquery", lit("a & !b")},
	{"point", "point", lit("(1,2)", "(NaN,-Infinity)")},
	{"box", "box", lit("(1,2),(0,0)")},
	{"path", "path", lit("[(1,2),(3,4)]", "((1,2))")},
	{"polygon", "polygon", lit("((1,2),(3,4))")},
	{"circle", "circle", lit("<(1,2),3>")},
	{"pg_lsn", "pg_lsn", lit("16/B374D848")},
	{"xml", "xml", lit("<a>\t&amp;</a>", `<?xml version="1.0"?><a/>`, `<?xml version="1.0" encoding="LATIN1"?><é/>`)},
	{"xml[]", "xml[]", []string{`ARRAY['<?xml version="1.0"?><a/>'::xml, NULL]`}},
	{"regproc", "regproc", lit("boolin", "1397", "1395", "4294967294", "-")},
	{"regproc[]", "regproc[]", lit("{boolin,1397,NULL}")},
	{"regoper", "regoper", lit("96", "0")},
	{`"char"`, `"char"`, lit("a", "")},
	{"regclass", "regclass", lit("pg_class")},
	{"jsonpath", "jsonpath", lit("$.a[*]")},
	{"short", "public.short", lit("one value", "other value")},
	{"citext", "public.citext", lit("Ab")},
	{"citext[]", "public.citext[]", lit("{Ab,NULL}", "{{Ab}}")},
	{"short[]", "public.short[]", lit(`{"one value",NULL}`, `{{"x,y"}}`)},
	{"mood[]", "public.mood[]", lit("{}", `{sad,NULL,"we\"ird,"}`, `[0:1]={sad,"very happy"}`)},
	{"dint[]", "public.dint[]", lit("{1,2}", "{{1,2}}")},
	{"interval[]", "interval[]", lit(`{"1 day",NULL}`, `{{"1 day"}}`)},
	{"inet[]", "inet[]", lit("{10.0.0.1,10.0.0.0/8}", "{{10.0.0.1}}")},
	{"box[]", "box[]", lit("{}", "{(1,1),(0,0);(2,2),(1,1)}", "{{(1,1),(0,0)};{(2,2),(1,1)}}", "[3:3]={(1,1),(0,0)}")},
	{"composite[]", "public.pair[]", lit(`{"(1,\"a,b\")",NULL}`, `{{"(,)"}}`)},
	{"int4range[]", "int4range[]", lit(`{"[1,5)",empty}`)},
	{"jsonb[]", "jsonb[]", lit(`{"{\"a\" : [1, \"\\\\\"]}"}`)},
	{"date", "date", lit("infinity", "2024-01-01")},
	{"time[]", "time[]", lit("{24:00}", "{1:00}")},
}

// definitions are the types of the test tables. Casting short to text loses most of it, as a cast may.
const definitions = `CREATE TYPE mood AS ENUM ('sad', 'very happy', 'we"ird,');
	CREATE DOMAIN dint AS int4 CHECK (value > 0); CREATE DOMAIN dnum AS numeric(12,2); CREATE DOMAIN dtext AS text; CREATE DOMAIN dints AS int4[];
	CREATE TYPE pair AS (a int4, b text);
	CREATE TYPE short; CREATE FUNCTION shortin(cstring) RETURNS short LANGUAGE internal IMMUTABLE STRICT AS 'textin';
	CREATE FUNCTION shortout(short) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
	CREATE TYPE short (INPUT = shortin, OUTPUT = shortout, LIKE = text);
	CREATE FUNCTION shorten(short) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'short'::text $$;
	CREATE CAST (short AS text) WITH FUNCTION shorten(short);
	CREATE EXTENSION citext`

// stored are the loaded columns as COPY prints them, but for types that are not what they print: xml, whose output function
// drops the declaration, and names of functions and operators, which several may have.
func stored(cols []coltype.Column) string {
	var list []string
	for _, c := range cols {
		switch c.Type.Name {
		case "xml", "xml[]":
			list = append(list, quote(c.Name)+"::text"+c.Type.Name[3:])
		case "regproc", "regproc[]", "regoper":
			list = append(list, SelectList([]coltype.Column{c}, ""))
		default:
			list = append(list, InsertColumns([]coltype.Column{c}))
		}
	}
	return strings.Join(slices.DeleteFunc(list, func(s string) bool { return s == "" }), ", ")
}

// survives copies a table out, through batches and back by both ways that there are, and compares.
func survives(t *testing.T, db *pgtest.DB, table string) (coltype.Schema, []arrow.RecordBatch) {
	s := schemaOf(t, db, table)
	selected := SelectList(s.Columns, "T a")
	stream := db.CopyOut(t, `SELECT `+selected+` FROM public.`+table+` AS "T a"`)

	checked := memory.NewCheckedAllocator(memory.NewGoAllocator())
	t.Cleanup(func() { checked.AssertSize(t, 0) })
	batches, want := decodeAll(t, s, stream, DecodeOptions{Rows: 7, Alloc: checked})
	e, err := NewEncoder(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if err := e.DigestBatch(b); err != nil {
			t.Fatal(err)
		}
	}
	if e.Digest() != want {
		t.Errorf("digest of the batches is %v, of the stream %v", e.Digest(), want)
	}
	// One batch of all, then cut in slices: the digest is the same.
	whole, again := decodeAll(t, s, stream, DecodeOptions{Alloc: checked})
	if len(whole) != 1 || again != want {
		t.Errorf("%d batches with digest %v, want 1 and %v", len(whole), again, want)
	}
	e, _ = NewEncoder(s)
	for from := int64(0); from < whole[0].NumRows(); from += 3 {
		part := whole[0].NewSlice(from, min(from+3, whole[0].NumRows()))
		if err := e.DigestBatch(part); err != nil {
			t.Error(err)
		}
		part.Release()
	}
	if e.Digest() != want {
		t.Errorf("digest of slices is %v, of the stream %v", e.Digest(), want)
	}

	ways := []string{"text", "binary"}
	if NeedsText(s) {
		ways = ways[:1]
		if _, err := e.appendBinary(nil, whole[0]); err == nil {
			t.Error("WriteBinary took a table that needs text")
		}
	}
	for _, way := range ways {
		var in []byte
		if way == "binary" {
			in = append(in, BinaryHeader...)
		}
		for _, b := range batches {
			if way == "text" {
				in, err = e.appendText(in, b)
			} else {
				in, err = e.appendBinary(in, b)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if way == "binary" {
			in = append(in, BinaryTrailer...)
		} else {
			// The server's own text, which a comment behind the query asks for.
			own := db.CopyOut(t, `SELECT `+stored(s.Columns)+` FROM public.`+table+`) TO STDOUT --`)
			compareLines(t, string(in), string(own))
		}
		copied := table + "_" + way
		db.Exec(t, `CREATE TABLE public.`+copied+` (LIKE public.`+table+` INCLUDING GENERATED)`)
		db.CopyIn(t, `COPY public.`+copied+` (`+InsertColumns(s.Columns)+`) FROM STDIN (FORMAT `+way+`)`, in)
		for _, q := range [][2]string{{table, copied}, {copied, table}} {
			if rows := db.Query(t, `SELECT x::text FROM public.`+q[0]+` x EXCEPT ALL SELECT x::text FROM public.`+q[1]+` x`); len(rows) > 0 {
				t.Errorf("%s: %d rows of %s are not in %s, the first is %.1000s", way, len(rows), q[0], q[1], rows[0][0])
			}
		}
		_, loaded := decodeAll(t, s, db.CopyOut(t, `SELECT `+selected+` FROM public.`+copied+` AS "T a"`), DecodeOptions{})
		if loaded != want {
			t.Errorf("digest of the table loaded by %s COPY is %v, want %v", way, loaded, want)
		}
	}
	return s, whole
}

func compareLines(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	if len(g) != len(w) {
		t.Errorf("AppendText gave %d lines, the server %d", len(g), len(w))
	}
	for i := range min(len(g), len(w)) {
		gf, wf := strings.Split(g[i], "\t"), strings.Split(w[i], "\t")
		for k := range min(len(gf), len(wf)) {
			if gf[k] != wf[k] {
				t.Errorf("line %d, field %d: AppendText gave %.200q, the server %.200q", i, k, gf[k], wf[k])
			}
		}
	}
}

func newDB(t testing.TB) *pgtest.DB {
	db := pgtest.Start(t).Database(t)
	db.Exec(t, definitions, pinned)
	return db
}

func TestOracleBinary(t *testing.T) {
	db := newDB(t)
	fill(t, db, "public.b", known(db, binaryColumns), ", gen int4 GENERATED ALWAYS AS (id * 2) STORED")
	s, batches := survives(t, db, "b")
	if NeedsText(s) {
		t.Error("NeedsText is true")
	}
	cells := 0
	ids := batches[0].Column(0).(*array.Int32) // COPY gives the rows as they lie in the heap
	side := batches[0].Column(len(s.Columns)).(*array.Map)
	for row := range side.Len() {
		if side.IsNull(row) {
			continue
		}
		from, to := side.ValueOffsets(row)
		for k := int(from); k < int(to); k++ {
			name, text := side.Keys().(*array.String).Value(k), side.Items().(*array.String).Value(k)
			if own := db.One(t, `SELECT `+quote(name)+`::text FROM public.b WHERE id = `+strconv.Itoa(int(ids.Value(row)))); own != text {
				t.Errorf("row %d: exact text of %q is %q, the server prints %q", row, name, text, own)
			}
			cells++
		}
	}
	if cells < 100 {
		t.Errorf("%d exact cells, want 100 at least: the test's extremes are not met", cells)
	}
}

// The vectors of TestNumericForms are numeric_send's.
func TestOracleNumericForms(t *testing.T) {
	db := newDB(t)
	for _, c := range numericForms {
		if db.Server.Major < 14 && strings.HasSuffix(c.text, "Infinity") {
			continue
		}
		if own, want := db.One(t, `SELECT encode(numeric_send($1::text::numeric), 'hex')`, c.text), strings.ReplaceAll(c.wire, " ", ""); own != want {
			t.Errorf("%s: the server sends %s, the test says %s", c.text, own, want)
		}
	}
}

func TestOracleText(t *testing.T) {
	db := newDB(t)
	fill(t, db, "public.x", known(db, textColumns), ", gen interval GENERATED ALWAYS AS (id * '1 day'::interval) STORED")
	if s, _ := survives(t, db, "x"); !NeedsText(s) {
		t.Error("NeedsText is false")
	}
}

// Each text column alone needs text.
func TestOracleNeedsText(t *testing.T) {
	db := newDB(t)
	for i, c := range known(db, textColumns) {
		name := fmt.Sprintf("t%d", i)
		db.Exec(t, `CREATE TABLE public.`+name+` (`+quote(c.name)+` `+c.typ+`)`)
		want := true
		switch c.typ {
		case "int4", "text", "bytea", "float4", "float8", "float8[]", "public.citext", "jsonb[]", "date", "time[]":
			want = false
		}
		if got := NeedsText(schemaOf(t, db, name)); got != want {
			t.Errorf("NeedsText of %s is %v, want %v", c.typ, got, want)
		}
	}
}
