package postgres

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"frostline/internal/pgtest"
)

const tableSchema = `
CREATE SCHEMA "Odd ""s";
CREATE TYPE "Odd ""s"."mo od" AS ENUM ('b', 'a');
CREATE DOMAIN public.cents AS numeric(8,2);
CREATE DOMAIN public.many AS public.cents[];
CREATE TABLE "Odd ""s"."t 'x'" (
	gone int, id bigint, "a b" text NOT NULL, n numeric(10,2), ns numeric(6,3)[], v varchar(7), c char(3)[], e "Odd ""s"."mo od", es "Odd ""s"."mo od"[],
	d public.cents, ds public.many, pt point, box box[], vec int2vector, r int4range, j jsonb, ts timestamptz(3), g int GENERATED ALWAYS AS (1 + 1) STORED, name name
) PARTITION BY RANGE (id, (lower(v)), "a b");
ALTER TABLE "Odd ""s"."t 'x'" DROP COLUMN gone;
`

func TestTable(t *testing.T) {
	db, _ := start(t, tableSchema)
	tab, err := db.Table(t.Context(), Name{`Odd "s`, "t 'x'"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range tab.Columns {
		line := fmt.Sprintf("%d %s %s/%s %s", c.AttNum, c.Name, c.Type.Name, c.Type.Base, c.Type.Kind)
		if c.Type.Elem != nil {
			line += " of " + c.Type.Elem.Name
		}
		if len(c.Type.Labels) > 0 {
			line += " " + strings.Join(c.Type.Labels, ",")
		}
		if c.NotNull {
			line += " not null"
		}
		if c.Generated {
			line += " generated"
		}
		got = append(got, line)
	}
	if len(tab.Columns) != 18 || tab.Columns[0].AttNum != 2 || !tab.Columns[1].NotNull || !tab.Columns[16].Generated {
		t.Errorf("columns\n%s", strings.Join(got, "\n"))
	}
	byName := map[string]int{}
	for i, c := range tab.Columns {
		byName[c.Name] = i
	}
	at := func(name string) (s string) { c := tab.Columns[byName[name]]; return c.Type.Name + "/" + c.Type.Base }
	for name, want := range map[string]string{"n": "numeric(10,2)/numeric", "d": "public.cents/numeric", "e": `"Odd ""s"."mo od"/mo od`, "v": "character varying(7)/varchar", "ts": "timestamp(3) with time zone/timestamptz"} {
		if at(name) != want {
			t.Errorf("%s is %s, want %s", name, at(name), want)
		}
	}
	elem := func(name string) string {
		if e := tab.Columns[byName[name]].Type.Elem; e != nil {
			return e.Name
		}
		return "no list"
	}
	for name, want := range map[string]string{"ns": "numeric(6,3)", "c": "character(3)", "es": `"Odd ""s"."mo od"`, "ds": "public.cents", "pt": "no list", "vec": "no list"} {
		if elem(name) != want {
			t.Errorf("elements of %s are %s, want %s", name, elem(name), want)
		}
	}
	if want := (PartitionKey{Strategy: 'r', Columns: []string{"id", "", "a b"}, Def: `RANGE (id, lower((v)::text), "a b")`}); !reflect.DeepEqual(*tab.Key, want) {
		t.Errorf("key %+v, want %+v", *tab.Key, want)
	}
}

// A leaf's columns come in the root's order, with the root's numbers.
func TestLeafColumns(t *testing.T) {
	db, pg := start(t, `CREATE TABLE p (x int, a int NOT NULL, b text, c int, PRIMARY KEY (c, a)) PARTITION BY RANGE (a); ALTER TABLE p DROP COLUMN x;
		CREATE TABLE leaf (c int NOT NULL, junk int, b text NOT NULL, a int NOT NULL) WITH (autovacuum_enabled = off); ALTER TABLE leaf DROP COLUMN junk;
		ALTER TABLE p ATTACH PARTITION leaf FOR VALUES FROM (1) TO (100000); INSERT INTO p SELECT i, 'x', i FROM generate_series(1, 1000) i`)
	for _, name := range []string{"p", "leaf"} {
		tab := table(t, db, "public", name)
		var got []string
		for _, c := range tab.Columns {
			got = append(got, fmt.Sprintf("%s%d%v", c.Name, c.AttNum, c.NotNull))
		}
		want := []string{"a2true", "b3false", "c4true"}
		if name == "leaf" {
			want[1] = "b3true"
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("columns of %s: %q, want %q", name, got, want)
		}
		if !reflect.DeepEqual(tab.PrimaryKey, []string{"c", "a"}) {
			t.Errorf("primary key of %s: %q", name, tab.PrimaryKey)
		}
		if tab.Bytes < 8192*4 || tab.Partitioned != (name == "p") || (tab.Parent != nil) != (name == "leaf") || tab.Persistence != 'p' {
			t.Errorf("%s: %+v", name, tab)
		}
	}
	leaf := leafNamed(t, db, "p", "leaf")
	if !reflect.DeepEqual(leaf.From, []string{"1"}) || !reflect.DeepEqual(leaf.To, []string{"100000"}) || leaf.Strategy != 'r' || leaf.Parent != (Name{"public", "p"}) ||
		!reflect.DeepEqual(leaf.KeyColumns, []string{"a"}) || leaf.Bytes < 8192*4 || leaf.Default() {
		t.Errorf("leaf %+v", leaf)
	}
	if again, err := db.Leaf(t.Context(), leaf.OID); err != nil || !reflect.DeepEqual(again, leaf) {
		t.Errorf("Leaf gives %+v, %v", again, err)
	}
	if n, err := db.Count(t.Context(), leaf.Name, "a > 10"); n != 990 || err != nil {
		t.Errorf("count %d, %v", n, err)
	}
	pg.Exec(t, "ALTER TABLE p DETACH PARTITION leaf")
	if _, err := db.Leaf(t.Context(), leaf.OID); !errors.Is(err, ErrNoPartition) {
		t.Errorf("a detached leaf: %v", err)
	}
}

func TestBounds(t *testing.T) {
	tests := []struct {
		bound    string
		from, to []string
	}{
		{`FOR VALUES FROM ('2024-01-01') TO (MAXVALUE)`, []string{"2024-01-01"}, []string{"MAXVALUE"}},
		{`FOR VALUES FROM (1, 'a'', (b') TO ('-5', E'x\\y')`, []string{"1", "a', (b"}, []string{"-5", `x\y`}},
		{`FOR VALUES IN ('a')`, nil, nil},
		{`DEFAULT`, nil, nil},
	}
	for _, tt := range tests {
		if from, to := rangeBound(tt.bound); !reflect.DeepEqual(from, tt.from) || !reflect.DeepEqual(to, tt.to) {
			t.Errorf("rangeBound(%s) = %q %q", tt.bound, from, to)
		}
	}
	if values, null := listBound(`FOR VALUES IN ('it''s, (x', NULL, 7)`); !null || !reflect.DeepEqual(values, []string{"it's, (x", "7"}) {
		t.Errorf("listBound: %q %v", values, null)
	}
}

func TestConjuncts(t *testing.T) {
	tests := []struct {
		sql  string
		want []string
	}{
		{`((a IS NOT NULL) AND (a = 'x AND y'::text) AND ("b AND c" = 1))`, []string{"(a IS NOT NULL)", "(a = 'x AND y'::text)", `("b AND c" = 1)`}},
		{`satisfies_hash_partition('1'::oid, 2, 0, a)`, []string{`satisfies_hash_partition('1'::oid, 2, 0, a)`}},
		{`(NOT ((a IS NOT NULL) AND (a = 1)))`, []string{`(NOT ((a IS NOT NULL) AND (a = 1)))`}},
		{`((a = E'it''s \\' AND b) OR c)`, []string{`((a = E'it''s \\' AND b) OR c)`}},
		{``, nil},
	}
	for _, tt := range tests {
		if got := conjuncts(tt.sql); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("conjuncts(%s) = %q, want %q", tt.sql, got, tt.want)
		}
	}
	for _, tt := range []struct {
		sql, ident string
		want       bool
	}{
		{`(d >= '2024'::date)`, "d", true}, {`(id >= 'd'::text)`, "d", false}, {`("d" = 1)`, "d", false}, {`("my ""c""" = 1)`, `"my ""c"""`, true},
		{`(add(e) = 1)`, "d", false}, {`lower(d)`, "d", true}, {`("x d y" = 1)`, "d", false},
	} {
		if got := mentions(tt.sql, tt.ident); got != tt.want {
			t.Errorf("mentions(%s, %s) = %v, want %v", tt.sql, tt.ident, got, tt.want)
		}
	}
}

func TestNoTable(t *testing.T) {
	db, _ := start(t, `CREATE TABLE transactions (id int); CREATE SCHEMA other; CREATE TABLE other.orders (id int); CREATE VIEW v AS SELECT 1 AS one`)
	for _, tt := range []struct {
		n    Name
		says string
	}{
		{Name{"public", "transaction"}, "nearest: transactions"},
		{Name{"public", "orders"}, "nearest: other.orders"},
		{Name{"public", "v"}, "it is a view"},
		{Name{"public", `x"; DROP TABLE transactions; --`}, "no such table"},
	} {
		_, err := db.Table(t.Context(), tt.n)
		if !errors.Is(err, ErrNoTable) {
			t.Fatalf("%v: error %v, want ErrNoTable", tt.n, err)
		}
		mustContain(t, err, tt.says)
	}
}

func TestInfoColumns(t *testing.T) {
	db, _ := start(t, `CREATE TABLE t (a varchar(5) NOT NULL DEFAULT 'x', b numeric(7,2), c int[])`)
	got, err := db.InfoColumns(t.Context(), Name{"public", "t"})
	if err != nil || len(got) != 3 {
		t.Fatal(got, err)
	}
	if a := got[0]; a.Name != "a" || a.DataType != "character varying" || a.Nullable != "NO" || *a.Default != "'x'::character varying" || a.Ordinal != 1 || *a.MaxLength != 5 || a.Precision != nil {
		t.Errorf("a is %+v", a)
	}
	if b := got[1]; b.Nullable != "YES" || b.Default != nil || *b.Precision != 7 || *b.Scale != 2 {
		t.Errorf("b is %+v", b)
	}
	if c := got[2]; c.DataType != "ARRAY" {
		t.Errorf("c is %+v", c)
	}
}

// A role that may only read sees the same, and a policy that hides rows from it is an error, not fewer rows.
func TestReader(t *testing.T) {
	srv := pgtest.Start(t)
	role := srv.Role(t, "reader", "NOSUPERUSER")
	pg := srv.Database(t)
	pg.Exec(t, `CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE leaf PARTITION OF p FOR VALUES FROM (0) TO (10); INSERT INTO p VALUES (1), (2); GRANT SELECT ON leaf TO `+role)
	root, weak := open(t, pg.DSN), open(t, pg.DSNAs(role, ""))
	leaf, err := weak.FindLeaf(t.Context(), table(t, weak, "public", "p"), "id", "1")
	if err != nil || leaf.Name.Table != "leaf" {
		t.Fatalf("leaf %+v, %v", leaf, err)
	}
	want, err1 := root.Definition(t.Context(), leaf.OID)
	got, err2 := weak.Definition(t.Context(), leaf.OID)
	if err1 != nil || err2 != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the role sees %+v, %v; want %+v, %v", got, err2, want, err1)
	}
	pg.Exec(t, "ALTER TABLE leaf ENABLE ROW LEVEL SECURITY; CREATE POLICY hide ON leaf USING (id = 1)")
	if n, err := weak.Count(t.Context(), leaf.Name, ""); !errors.Is(err, ErrPrivilege) {
		t.Errorf("counted %d rows, %v; want ErrPrivilege", n, err)
	}
}
