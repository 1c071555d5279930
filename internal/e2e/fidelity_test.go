package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// randomRows is how many random rows each table of columns has.
const randomRows = 10000

// extensions bring types of their own: those of contrib come with Debian's postgresql-15, PostGIS with postgresql-15-postgis-3.
var extensions = []string{"hstore", "citext", "ltree", "cube", "isn", "seg", "intarray", "lo", "postgis"}

// userTypes are what a user can make of other types.
const userTypes = `
	CREATE SCHEMA "my types";
	SET search_path = "my types", public;
	CREATE TYPE mood AS ENUM ('sad', 'so so', 'very "happy"', 'it''s {,} \', 'ünï', '');
	CREATE TYPE numeric AS ENUM ('not a number');
	CREATE DOMAIN positive AS int CHECK (VALUE > 0);
	CREATE DOMAIN small AS positive CHECK (VALUE < 100);
	CREATE DOMAIN price AS pg_catalog.numeric(12,2);
	CREATE DOMAIN code AS varchar(10) COLLATE "C";
	CREATE DOMAIN ints AS int[];
	CREATE DOMAIN moods AS mood[];
	CREATE TYPE pair AS (a int, "b ,()" text);
	CREATE TYPE nest AS (p pair, ps pair[], m mood, "when" timestamptz, j jsonb, x xml);
	CREATE TYPE nothing AS ();
	CREATE DOMAIN pairs AS pair CHECK ((VALUE).a IS DISTINCT FROM 13);
	CREATE TYPE moodrange AS RANGE (SUBTYPE = mood);
	CREATE TYPE textrange AS RANGE (SUBTYPE = text, COLLATION = "C");
	CREATE TYPE floatrange AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi);
	CREATE TYPE pairrange AS RANGE (SUBTYPE = pair);
	RESET search_path`

// withModifier are types with modifiers, and what goes into them.
var withModifier = []column{
	texts("", "varchar(10)", "", "abc ", "0123456789", "日本語日本語日本語日"),
	texts("", "char(5)", "", "a", "ab  c", "éé"),
	texts("", "char(1)", "", "x"),
	texts("", "numeric(12,2)", "0", "9999999999.99", "-9999999999.99", "NaN", "0.01"),
	texts("", "numeric(38,0)", "99999999999999999999999999999999999999", "-1", "NaN"),
	texts("", "numeric(38,38)", "0.99999999999999999999999999999999999999", "-1e-38"),
	texts("", "numeric(9,9)", "0.000000001", "NaN"),
	texts("", "numeric(39,2)", "9999999999999999999999999999999999999.99", "NaN"),
	texts("", "numeric(1000,900)", "1e-900", digits(100)),
	texts("", "bit(3)", "101", "000"),
	texts("", "varbit(7)", "", "1010101"),
	texts("", "time(0)", "24:00:00", "12:00:00"),
	texts("", "timetz(2)", "12:00:00.25+02"),
	texts("", "timestamp(3)", "2024-02-29 12:00:00.123", "infinity", "294276-12-31 23:59:59.999"),
	texts("", "timestamptz(0)", "2024-02-29 12:00:00+02", "-infinity"),
	texts("", "interval(3)", "1 mon 00:00:00.123"),
	texts("", "interval day to second", "1 day 02:03:04.5"),
	texts("", "interval year to month", "-7 mons"),
	texts("", "varchar(3)[]", "{abc,NULL,\"\"}", "{{a},{b}}"),
	texts("", "char(3)[]", "{a,abc}", "[0:0]={b}"),
	texts("", "numeric(6,2)[]", "{1.10,NaN}", "{{0.00,1},{-0.5,NULL}}", "{1.5}"),
	texts("", "timestamp(0)[]", "{infinity,2024-01-01 00:00:00}"),
	texts("", "public.geometry(Point,4326)", "SRID=4326;POINT(1 2)", "SRID=4326;POINT EMPTY"),
	texts("", "public.geometry(GeometryZ,3857)", "SRID=3857;LINESTRING Z (0 0 1,1 1 -0)"),
	texts("", "public.geography(Polygon,4326)", "POLYGON((0 0,0 4,4 4,0 0))"),
	texts("", "public.geometry(Point,4326)[]", "{0101000020E6100000000000000000F03F0000000000000040:NULL}"),
}

// pgType is a row of pg_type.
type pgType struct {
	OID, Elem, Base, Sub string // Elem of an array, Base of a domain, Sub of a range (its subtype) or multirange (its range)
	Name, Full, Kind     string // typname, format_type, typtype
	Delim                string // of the elements of an array
	Attributes, Labels   []string
	RowOf                string // relkind of a composite's relation
	Send                 bool   // it has a send function; those of its parts are another matter
}

// catalogTypes are the types that a column can have: those that CREATE TABLE takes.
func catalogTypes(t *testing.T, w *world) []*pgType {
	w.db.Exec(t, `CREATE FUNCTION public.is_column(typ text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
			EXECUTE 'CREATE TEMP TABLE probe (c ' || typ || ')'; DROP TABLE probe; RETURN true;
		EXCEPTION WHEN invalid_table_definition THEN RETURN false; END $$`)
	multi := "NULL"
	if w.db.Server.Major >= 14 {
		multi = "(SELECT rngtypid::text FROM pg_range WHERE rngmultitypid = t.oid)"
	}
	text := w.db.One(t, `SELECT jsonb_agg(jsonb_build_object('OID', t.oid::text, 'Name', t.typname, 'Full', format_type(t.oid, -1), 'Kind', t.typtype,
			'Elem', CASE WHEN e.typarray = t.oid THEN e.oid::text ELSE '' END, 'Delim', e.typdelim, 'Base', CASE WHEN t.typtype = 'd' THEN t.typbasetype::text ELSE '' END,
			'Sub', coalesce((SELECT rngsubtype::text FROM pg_range WHERE rngtypid = t.oid), `+multi+`, ''), 'RowOf', c.relkind,
			'Attributes', (SELECT jsonb_agg(atttypid::text ORDER BY attnum) FROM pg_attribute WHERE attrelid = t.typrelid AND t.typtype = 'c' AND attnum > 0 AND NOT attisdropped),
			'Labels', (SELECT jsonb_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid), 'Send', t.typsend <> 0) ORDER BY t.oid)
		FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_type e ON e.oid = t.typelem LEFT JOIN pg_class c ON c.oid = t.typrelid AND t.typtype = 'c'
		WHERE t.typtype <> 'p' AND t.typisdefined AND n.nspname !~ '^pg_(toast|temp)' AND public.is_column(format_type(t.oid, -1))`)
	var types []*pgType
	if err := json.Unmarshal([]byte(text), &types); err != nil {
		t.Fatal(err)
	}
	return types
}

// corpus makes values of types.
type corpus struct {
	t      *testing.T
	w      *world
	types  map[string]*pgType
	values map[string][]string
	r      *rand.Rand
}

// of are literals of a type that its input function reads, the parts' literals where it is made of parts.
func (c *corpus) of(oid string) []string {
	if v, ok := c.values[oid]; ok {
		return v
	}
	typ := c.types[oid]
	if typ == nil { // of a part that no column can have, as anyarray in pg_statistic
		return nil
	}
	c.values[oid] = nil
	var list []string
	switch {
	case typ.Elem != "":
		e := few(c.of(typ.Elem))
		list = []string{"{}", "{NULL}", "{NULL,NULL}"}
		for _, v := range e {
			list = append(list, "{"+quoteElement(v)+"}")
		}
		if len(e) > 0 {
			a, b := quoteElement(e[0]), quoteElement(e[len(e)-1])
			all := make([]string, len(e))
			for i, v := range e {
				all[i] = quoteElement(v)
			}
			d := typ.Delim
			list = append(list, "{"+strings.Join(all, d)+d+"NULL}", "[0:1]={"+a+d+b+"}", "[-5:-5]={"+b+"}", "{{"+a+d+"NULL}"+d+"{"+b+d+a+"}}",
				"[2:2][-1:0]={{"+a+d+b+"}}", "{{{{{{"+b+"}}}}}}", "[2147483646:2147483646]={"+a+"}")
		}
	case typ.Kind == "d":
		list = c.of(typ.Base)
	case typ.Kind == "e":
		list = typ.Labels
	case typ.Kind == "c":
		list = []string{"(" + strings.Repeat(",", max(0, len(typ.Attributes)-1)) + ")"}
		for i := range 4 {
			fields := make([]string, len(typ.Attributes))
			for k, a := range typ.Attributes {
				if v := few(c.of(a)); len(v) > 0 {
					fields[k] = quoteElement(v[(i+k)%len(v)])
				}
			}
			list = append(list, "("+strings.Join(fields, ",")+")")
		}
	case typ.Kind == "r":
		list = []string{"empty", "(,)"}
		for _, lo := range few(c.of(typ.Sub)) {
			list = append(list, "["+quoteElement(lo)+",)", "(,"+quoteElement(lo)+"]", "["+quoteElement(lo)+","+quoteElement(lo)+"]")
			for _, hi := range few(c.of(typ.Sub)) {
				list = append(list, "("+quoteElement(lo)+","+quoteElement(hi)+"]")
			}
		}
	case typ.Kind == "m":
		list = []string{"{}"}
		ranges := few(c.of(typ.Sub))
		for _, r := range ranges {
			list = append(list, "{"+r+"}")
		}
		list = append(list, "{"+strings.Join(ranges, ",")+"}")
	default:
		list = literals[typ.Name]
	}
	c.values[oid] = c.valid(typ.Full, list)
	return c.values[oid]
}

// valid are those literals that the type's input function takes.
func (c *corpus) valid(typ string, list []string) []string {
	if len(list) == 0 {
		return nil
	}
	body, err := json.Marshal(list)
	if err != nil {
		c.t.Fatal(err)
	}
	var out []string
	for _, row := range c.w.db.Query(c.t, `SELECT i - 1 FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY x(v, i) WHERE public.reads(v, $2)`, string(body), typ) {
		i, _ := strconv.Atoi(row[0])
		out = append(out, list[i])
	}
	return out
}

// few are some short values, to make others of.
func few(list []string) []string {
	var out []string
	for _, v := range list {
		if len(v) < 1000 && len(out) < 12 {
			out = append(out, v)
		}
	}
	return out
}

// sends tells whether a type has a binary form.
func (c *corpus) sends(oid string) bool {
	typ := c.types[oid]
	if typ == nil || !typ.Send {
		return false
	}
	for _, part := range append([]string{typ.Elem, typ.Base, typ.Sub}, typ.Attributes...) {
		if part != "" && !c.sends(part) {
			return false
		}
	}
	return true
}

// any is a random value of a type.
func (c *corpus) any(oid string) string {
	typ := c.types[oid]
	if f := random[typ.Name]; f != nil && typ.Elem == "" && (typ.Kind == "b" || typ.Kind == "r") {
		return f(c.r)
	}
	known := few(c.of(oid))
	switch {
	case typ.Elem != "" && len(c.of(typ.Elem)) > 0:
		n, rows := c.r.IntN(4), 1
		if n > 0 && c.r.IntN(8) == 0 {
			rows = 2
		}
		lines := make([]string, rows)
		for i := range lines {
			elems := make([]string, n)
			for k := range elems {
				if elems[k] = "NULL"; c.r.IntN(5) > 0 {
					elems[k] = quoteElement(c.any(typ.Elem))
				}
			}
			lines[i] = "{" + strings.Join(elems, typ.Delim) + "}"
		}
		if rows > 1 {
			return "{" + strings.Join(lines, typ.Delim) + "}"
		}
		if n > 0 && c.r.IntN(10) == 0 {
			lo := c.r.IntN(100) - 50
			return fmt.Sprintf("[%d:%d]=%s", lo, lo+n-1, lines[0])
		}
		return lines[0]
	case typ.Kind == "c" && typ.RowOf == "c":
		fields := make([]string, len(typ.Attributes))
		for i, a := range typ.Attributes {
			if len(c.of(a)) > 0 && c.r.IntN(5) > 0 {
				fields[i] = quoteElement(c.any(a))
			}
		}
		return "(" + strings.Join(fields, ",") + ")"
	case len(known) == 0:
		return c.of(oid)[0]
	}
	return known[c.r.IntN(len(known))]
}

// quoteElement quotes for an array, a composite or a range.
func quoteElement(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// field is a column of a test's table.
type field struct {
	oid, typ string // oid "" for a type with a modifier
	values   []string
	send     bool
}

// Every type that a column can have goes into the archive, out of the database, back and into its table, and each cell is the
// same: as text, as its output function prints it, and as its send function sends it.
func TestFidelity(t *testing.T) {
	w := newWorld(t, "file://"+filepath.Join(t.TempDir(), "warehouse"))
	missing := w.db.Query(t, `SELECT e FROM unnest(string_to_array($1, ' ')) e WHERE e NOT IN (SELECT name FROM pg_available_extensions)`, strings.Join(extensions, " "))
	if len(missing) > 0 && os.Getenv("FROSTLINE_REQUIRE_PG") == "" {
		t.Skipf("extensions %v are not installed: the test needs Debian's postgresql-15 and postgresql-15-postgis-3, or the like", missing)
	}
	for _, e := range extensions {
		w.db.Exec(t, "CREATE EXTENSION "+e)
	}
	w.db.Exec(t, userTypes, `SET search_path = pg_catalog; SET extra_float_digits = 3; SET lc_monetary = 'C'`,
		// A value must read back what it prints: '294276-12-31 23:59:59.999999'::timestamp(0) is rounded out of range. A regproc
		// and a regoper need not, since several functions have one name.
		`CREATE FUNCTION public.reads(v text, typ text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
			EXECUTE format('SELECT %L::%s', v, typ) INTO v;
			IF typ !~ '^reg(proc|oper)(\[\])?$' THEN EXECUTE format('SELECT %L::%s', v, typ); END IF;
			RETURN true;
		EXCEPTION WHEN others THEN RETURN false; END $$`)

	c := &corpus{t: t, w: w, types: map[string]*pgType{}, values: map[string][]string{}, r: rand.New(rand.NewPCG(1, 2))}
	types := catalogTypes(t, w)
	for _, typ := range types {
		c.types[typ.OID] = typ
	}
	var cells, rows []field // the row types of tables have few random rows
	for _, typ := range types {
		f := field{oid: typ.OID, typ: typ.Full, values: c.of(typ.OID), send: c.sends(typ.OID)}
		of := typ
		if typ.Elem != "" {
			of = c.types[typ.Elem]
		}
		switch {
		case unreadable[of.Name]:
			if typ.Elem == "" && len(f.values) > 0 {
				t.Errorf("type %s reads %q: it is not unreadable", typ.Full, f.values)
			}
		case len(f.values) == 0:
			t.Errorf("type %s: no literal of it is known; add some to literals, or the type to unreadable", typ.Full)
		case of.RowOf != "" && of.RowOf != "c":
			rows = append(rows, f)
		default:
			cells = append(cells, f)
		}
	}
	for _, m := range withModifier {
		f := field{typ: m.sql, values: m.values, send: true}
		if got := c.valid(m.sql, m.values); len(got) != len(m.values) {
			t.Errorf("%s takes only %q", m.sql, got)
		}
		cells = append(cells, f)
	}
	t.Logf("%d types of columns, %d row types", len(cells), len(rows))
	n := 0
	for group := range slices.Chunk(cells, 80) {
		n++
		t.Run(fmt.Sprintf("types %d", n), func(t *testing.T) { c.survives(t, fmt.Sprintf("cells %d", n), group, randomRows) })
	}
	t.Run("row types", func(t *testing.T) { c.survives(t, "rows", rows, 100) })
}

// A value that PostgreSQL cannot read in again is not archived, so it cannot be dropped either.
func TestUnreadable(t *testing.T) {
	w := newWorld(t, "file://"+filepath.Join(t.TempDir(), "warehouse"))
	w.db.Exec(t, `CREATE TABLE rules AS SELECT 1 AS id, ev_action FROM pg_rewrite LIMIT 1`)
	_, stderr, code := w.exec("archive", "--table", "rules", "--partition-column", "id", "--partition-value", "1")
	if want := `column "ev_action": map type pg_node_tree: PostgreSQL can print its values, but cannot read them in again: an archive of them could not be restored`; code == 0 || !strings.Contains(stderr, want) {
		t.Errorf("exit code %d, %s\nwant %s", code, stderr, want)
	}
}

// survives makes a table of the fields with all their values and random rows, archives and drops its partition, restores
// and attaches it, and compares.
func (c *corpus) survives(t *testing.T, table string, fields []field, n int) {
	w := c.w.at(t)
	var defs, typed, text, plain, sent []string
	most := 0
	for i, f := range fields {
		name := quote(fmt.Sprintf("c%d %s", i, f.typ[:min(len(f.typ), 40)]))
		defs = append(defs, name+" "+f.typ)
		plain = append(plain, name)
		typed = append(typed, "pg_typeof("+name+")::text")
		text = append(text, name+"::text")
		if f.send {
			sent = append(sent, name)
		}
		most = max(most, len(f.values))
	}
	name := "public." + quote(table)
	w.db.Exec(t, `CREATE TABLE `+name+` (id int NOT NULL, part int NOT NULL, `+strings.Join(defs, ", ")+`) PARTITION BY LIST (part)`,
		`CREATE TABLE public.`+quote(table+" 1")+` PARTITION OF `+name+` FOR VALUES IN (1)`)
	var data strings.Builder
	for i := range most + 1 + n {
		fmt.Fprintf(&data, "%d\t1", i)
		for k, f := range fields {
			data.WriteByte('\t')
			switch {
			case i < len(f.values):
				escape(&data, f.values[i])
			case i <= most || c.r.IntN(12) == 0:
				data.WriteString(`\N`)
			case f.oid == "":
				escape(&data, f.values[(i+k)%len(f.values)])
			default:
				escape(&data, c.any(f.oid))
			}
		}
		data.WriteByte('\n')
	}
	w.db.CopyIn(t, "COPY "+name+" FROM STDIN", []byte(data.String()))

	type view struct{ name, query string }
	views := []view{
		{"text", "SELECT id::text, " + strings.Join(text, ", ") + " FROM " + name + " ORDER BY id"},
		{"printed", "SELECT id::text, " + strings.Join(printed(plain), ", ") + " FROM " + name + fmt.Sprintf(" WHERE id <= %d ORDER BY id", most)},
		{"sent", "SELECT id::text, " + strings.Join(sent, ", ") + " FROM " + name + " ORDER BY id"},
		{"typeof", "SELECT " + strings.Join(typed, ", ") + " FROM " + name + " LIMIT 1"},
		{"declared", "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '" + name + "'::regclass AND attnum > 0 ORDER BY attnum"},
	}
	before := map[string][]byte{}
	for _, v := range views {
		before[v.name] = w.db.CopyOut(t, v.query)
	}
	res := w.run("archive", "--table", table, "--partition-column", "part", "--partition-value", "1", "--retire", "drop")
	if res["status"] != "success" || res["retired"] != "dropped" || res["total_records"] != float64(most+1+n) {
		t.Fatalf("archive: %v", res)
	}
	if left := w.db.One(t, "SELECT count(*) FROM "+name); left != "0" {
		t.Fatalf("%s rows are left", left)
	}
	back := w.run("restore", "--source-path", res["location"].(string), "--attach")
	if back["status"] != "success" || back["digest"] != res["digest"] {
		t.Fatalf("restore: %v", back)
	}
	t.Logf("archived in %v s, restored in %v s", res["seconds"], back["seconds"])
	for _, v := range views {
		after := w.db.CopyOut(t, v.query)
		if !bytes.Equal(before[v.name], after) {
			t.Errorf("%s differs\n%s", v.name, difference(before[v.name], after, fields))
		}
	}
}

// printed is what the output functions print.
func printed(columns []string) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = "format('%s', " + c + ")"
	}
	return out
}

// escape writes a field of text COPY.
func escape(b *strings.Builder, s string) {
	for i := range len(s) {
		switch s[i] {
		case '\\':
			b.WriteString(`\\`)
		case '\t':
			b.WriteString(`\t`)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		default:
			b.WriteByte(s[i])
		}
	}
}

// difference shows the first cells that differ between two COPY binary streams.
func difference(want, got []byte, fields []field) string {
	var b strings.Builder
	a, z := tuples(want), tuples(got)
	if len(a) != len(z) {
		fmt.Fprintf(&b, "%d rows, want %d\n", len(z), len(a))
	}
	for i := range min(len(a), len(z)) {
		for k := range min(len(a[i]), len(z[i])) {
			if a[i][k] == z[i][k] {
				continue
			}
			typ := ""
			if k > 0 && k <= len(fields) {
				typ = fields[k-1].typ
			}
			fmt.Fprintf(&b, "row %d, column %d (%s when all are shown): %.200q, want %.200q\n", i, k, typ, z[i][k], a[i][k])
			if b.Len() > 4000 {
				return b.String()
			}
		}
	}
	return b.String()
}

// tuples takes a COPY binary stream apart; NULL is shown as "NULL" with a zero byte.
func tuples(stream []byte) [][]string {
	var rows [][]string
	for b := stream[19:]; len(b) >= 2; {
		n := int(int16(binary.BigEndian.Uint16(b)))
		b = b[2:]
		if n < 0 {
			break
		}
		row := make([]string, n)
		for i := range row {
			size := int(int32(binary.BigEndian.Uint32(b)))
			b = b[4:]
			if row[i] = "NULL\x00"; size >= 0 {
				row[i], b = string(b[:size]), b[size:]
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// A value of 200 MB goes through; what it costs is memory in proportion, a dozen times its size at most.
func TestFidelityLargeValue(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("peak memory is read in kilobytes, as Linux counts it")
	}
	const size = 200 << 20
	w := newWorld(t, "file://"+filepath.Join(t.TempDir(), "warehouse"))
	w.db.Exec(t, `CREATE TABLE large (id int, v bytea) PARTITION BY LIST (id)`, `CREATE TABLE large_1 PARTITION OF large FOR VALUES IN (1)`,
		`ALTER TABLE large ALTER v SET STORAGE EXTERNAL`, `ALTER TABLE large_1 ALTER v SET STORAGE EXTERNAL`)
	value := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(value)
	tuple := append([]byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0, 2, 0, 0, 0, 4, 0, 0, 0, 1)
	tuple = append(binary.BigEndian.AppendUint32(tuple, size), value...)
	w.db.CopyIn(t, `COPY large FROM STDIN (FORMAT binary)`, append(tuple, 0xff, 0xff))
	const proof = `SELECT id || ' ' || octet_length(v) || ' ' || sha256(v)::text FROM large`
	before := w.db.One(t, proof)

	peak := func(name string, args ...string) map[string]any {
		cmd := w.command(name, args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, stderr.String())
		}
		var res map[string]any
		if err := json.Unmarshal(out, &res); err != nil {
			t.Fatal(err)
		}
		rss := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
		t.Logf("%s: peak memory %d MiB, %.1f times the value", name, rss>>20, float64(rss)/size)
		if limit := int64(14 * size); rss > limit {
			t.Errorf("%s took %d MiB for a value of %d MiB, want at most %d MiB", name, rss>>20, size>>20, limit>>20)
		}
		return res
	}
	res := peak("archive", "--table", "large", "--partition-column", "id", "--partition-value", "1", "--retire", "drop")
	peak("restore", "--source-path", res["location"].(string), "--attach")
	if after := w.db.One(t, proof); after != before {
		t.Errorf("after the restore %s, want %s", after, before)
	}
}
