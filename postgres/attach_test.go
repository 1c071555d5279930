package postgres

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"frostline/internal/pgtest"
)

// runLoud runs steps and gives the server's messages at DEBUG1, where ATTACH says whether it had to scan.
func runLoud(t *testing.T, dsn string, steps []Step) string {
	t.Helper()
	var notices []string
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices = append(notices, n.Message) }
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, s := range steps {
		sql := "SET search_path = pg_catalog; SET client_min_messages = debug1;" + strings.Join(s.SQL, ";\n")
		if s.Tx {
			sql = "BEGIN;" + sql + "; COMMIT"
		}
		if err := conn.PgConn().Exec(t.Context(), sql).Close(); err != nil {
			t.Fatalf("%s\n%s\n%v", s.Name, sql, err)
		}
	}
	return strings.Join(notices, "\n")
}

func plan(t *testing.T, db *DB, o AttachOptions) []Step {
	t.Helper()
	steps, err := db.AttachPlan(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

func names(steps []Step) string {
	var list []string
	for _, s := range steps {
		list = append(list, s.Name)
	}
	return strings.Join(list, "; ")
}

// normal is a definition without what a copy cannot share: the order in the catalog and the sequences' positions.
func normal(d *Definition) *Definition {
	c := *d
	c.Columns = append([]DefColumn(nil), d.Columns...)
	for i := range c.Columns {
		c.Columns[i].Sequence = nil
	}
	c.Sequences = nil
	return &c
}

func TestArchiveCycle(t *testing.T) {
	db, pg, _ := richDatabase(t)
	leaf := Name{"app", "tx_2024_01"}
	before := bundle(t, db, leaf)
	const every = `SELECT id, d, name, mood, moods, price, pair, span, double_id, seq, other, ts, "Amount ""€""", added FROM app.tx_2024_01 ORDER BY id`
	rows := pg.Query(t, every)
	pg.Exec(t, `CREATE TABLE app.tx_rest PARTITION OF app.tx DEFAULT; INSERT INTO app.tx (d, price) VALUES ('2030-01-01', 5)`)

	// It leaves: the plain way, because of the DEFAULT partition.
	l, err := db.Leaf(t.Context(), table(t, db, "app", "tx_2024_01").OID)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := db.DetachPlan(t.Context(), l)
	if err != nil || len(steps) != 1 || !steps[0].Tx || strings.Contains(steps[0].SQL[0], "CONCURRENTLY") {
		t.Fatalf("plan %+v, %v; want one plain detach", steps, err)
	}
	run(t, db, steps)
	if again, err := db.DetachPlan(t.Context(), l); err != nil || len(again) != 0 {
		t.Fatalf("a second plan has %v, %v; want nothing", again, err)
	}
	data := pg.CopyOut(t, `SELECT id, d, name, mood, moods, price, pair, span, seq, other, ts, "Amount ""€""", added FROM app.tx_2024_01`)
	err = db.LockedTable(t.Context(), leaf, func(func(string, io.Writer) (int64, error)) (bool, error) { return true, nil })
	if err != nil {
		t.Fatal(err)
	}
	if exists, err := db.Exists(t.Context(), leaf); err != nil || exists {
		t.Fatalf("the table is still there: %v %v", exists, err)
	}
	pg.Exec(t, `SELECT setval(pg_get_serial_sequence('app.tx', 'id'), 150)`)

	// It comes back.
	staging := Name{"app", "stage"}
	sql, err := before.CreateStaging(StagingOptions{Target: staging, Unlogged: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Exec(t.Context(), "create", sql); err != nil {
		t.Fatal(err)
	}
	n, err := db.CopyIn(t.Context(), staging, `id, d, name, mood, moods, price, pair, span, seq, other, ts, "Amount ""€""", added`, "binary", strings.NewReader(string(data)), "")
	if err != nil || n != 200 {
		t.Fatalf("loaded %d rows, %v", n, err)
	}
	o := AttachOptions{Staging: staging, Parent: Name{"app", "tx"}, Final: leaf, Bound: before.Bound, Definition: before}
	steps = plan(t, db, o)
	said := runLoud(t, pg.DSN, steps)
	for _, want := range []string{
		`partition constraint for table "tx_2024_01" is implied by existing constraints`,
		`updated partition constraint for default partition "tx_rest" is implied by existing constraints`,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("ATTACH did not say %q; it said\n%s", want, said)
		}
	}

	after := bundle(t, db, leaf)
	if !reflect.DeepEqual(normal(before), normal(after)) {
		t.Errorf("before\n%+v\nafter\n%+v", normal(before), normal(after))
	}
	if got := pg.Query(t, every); len(got) != 200 || !reflect.DeepEqual(got, rows) {
		t.Errorf("%d rows came back", len(got))
	}
	if got := pg.One(t, "SELECT nextval(pg_get_serial_sequence('app.tx', 'id'))"); got != "300" {
		t.Errorf("the next id is %s, want 300", got)
	}
	if got := pg.Query(t, "SELECT conrelid::regclass, conname FROM pg_constraint WHERE conname LIKE 'frostline%'"); len(got) != 0 {
		t.Errorf("constraints are left behind: %q", got)
	}
	if got := pg.One(t, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'app.tx_2024_01'::regclass AND tgname = 'parent_touch'"); got != "1" {
		t.Errorf("the parent's trigger is there %s times", got)
	}
	// What is attached is not planned again; ANALYZE is harmless.
	if got := names(plan(t, db, o)); got != "move sequences past the restored values; analyse" {
		t.Errorf("a second plan has %s", got)
	}
}

func TestAttachResumed(t *testing.T) {
	db, pg, _ := richDatabase(t)
	leaf := Name{"app", "tx_2024_01"}
	d := bundle(t, db, leaf)
	pg.Exec(t, `CREATE TABLE app.tx_rest PARTITION OF app.tx DEFAULT;
		CREATE TABLE app.backup AS SELECT id, d, name, mood, moods, price, pair, span, seq, other, ts, "Amount ""€""", added FROM app.tx_2024_01; DROP TABLE app.tx_2024_01`)
	staging := Name{"app", "stage"}
	sql, _ := d.CreateStaging(StagingOptions{Target: staging})
	pg.Exec(t, sql, `INSERT INTO app.stage (id, d, name, mood, moods, price, pair, span, seq, other, ts, "Amount ""€""", added) SELECT * FROM app.backup`)
	o := AttachOptions{Staging: staging, Parent: Name{"app", "tx"}, Final: leaf, Bound: d.Bound, Definition: d}

	// Killed after each step in turn: plan again, run the first step only.
	for count := 0; ; count++ {
		steps := plan(t, db, o)
		if len(steps) <= 2 {
			run(t, db, steps)
			break
		}
		next := 0
		if steps[0].Name == "move sequences past the restored values" { // always planned, it changes nothing the second time
			run(t, db, steps[:1])
			next = 1
		}
		run(t, db, steps[next:next+1])
		if count > 20 {
			t.Fatalf("the plan does not become shorter: %s", names(steps))
		}
	}
	after := bundle(t, db, leaf)
	if !reflect.DeepEqual(normal(d), normal(after)) {
		t.Errorf("before\n%+v\nafter\n%+v", normal(d), normal(after))
	}
}

func TestAttachKeys(t *testing.T) {
	tests := []struct {
		name, schema, bound string
		archived            bool // with the bundle of a leaf that was there
		scans               bool
	}{
		{name: "list", bound: "FOR VALUES IN ('eu', 'it''s')", archived: true,
			schema: `CREATE TABLE p (id int, r text) PARTITION BY LIST (r); CREATE TABLE leaf PARTITION OF p FOR VALUES IN ('eu', 'it''s'); INSERT INTO p VALUES (1, 'eu')`},
		{name: "list with NULL", bound: "FOR VALUES IN (NULL, 'eu')", archived: true,
			schema: `CREATE TABLE p (id int, r text) PARTITION BY LIST (r); CREATE TABLE leaf PARTITION OF p FOR VALUES IN (NULL, 'eu'); INSERT INTO p VALUES (1, NULL)`},
		{name: "several columns", bound: "FOR VALUES FROM (1, 'a') TO (2, MAXVALUE)", archived: true,
			schema: `CREATE TABLE p (id int, r text) PARTITION BY RANGE (id, r); CREATE TABLE leaf PARTITION OF p FOR VALUES FROM (1, 'a') TO (2, MAXVALUE); INSERT INTO p VALUES (1, 'b')`},
		{name: "expression", bound: "FOR VALUES FROM (10) TO (20)", archived: true,
			schema: `CREATE TABLE p (id int, r text) PARTITION BY RANGE ((id / 10 * 10)); CREATE TABLE leaf PARTITION OF p FOR VALUES FROM (10) TO (20); INSERT INTO p VALUES (15, 'b')`},
		{name: "second level", bound: "FOR VALUES IN ('eu')", archived: true,
			schema: `CREATE TABLE top (id int, r text) PARTITION BY RANGE (id); CREATE TABLE p PARTITION OF top FOR VALUES FROM (0) TO (9) PARTITION BY LIST (r);
				CREATE TABLE leaf PARTITION OF p FOR VALUES IN ('eu'); INSERT INTO top VALUES (1, 'eu')`},
		{name: "hash", bound: "FOR VALUES WITH (modulus 1, remainder 0)", archived: true, scans: true,
			schema: `CREATE TABLE p (id int, r text) PARTITION BY HASH (id); CREATE TABLE leaf PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0); INSERT INTO p VALUES (1, 'eu')`},
		{name: "range without a bundle", bound: "FOR VALUES FROM (MINVALUE) TO ('-5')",
			schema: `CREATE TABLE p (id int, r text) PARTITION BY RANGE (id); CREATE TABLE leaf (LIKE p); INSERT INTO leaf VALUES (-9, 'eu')`},
		{name: "list without a bundle", bound: "FOR VALUES IN ('a', 'b')",
			schema: `CREATE TABLE p (id int, r varchar(5)) PARTITION BY LIST (r); CREATE TABLE leaf (LIKE p); INSERT INTO leaf VALUES (-9, 'b')`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db, pg := start(t, tt.schema, `CREATE SCHEMA "elsewhere %s"; CREATE TABLE "elsewhere %s"."the 'stage'" AS SELECT * FROM leaf`)
			o := AttachOptions{Staging: Name{"elsewhere %s", "the 'stage'"}, Parent: Name{"public", "p"}, Final: Name{"public", "leaf"}, Bound: tt.bound}
			if tt.archived {
				o.Definition = bundle(t, db, Name{"public", "leaf"})
			}
			pg.Exec(t, "DROP TABLE leaf")
			said := runLoud(t, pg.DSN, plan(t, db, o))
			if implied := strings.Contains(said, `partition constraint for table "leaf" is implied by existing constraints`); implied == tt.scans {
				t.Errorf("scans: %v, want %v; messages\n%s", !implied, tt.scans, said)
			}
			if got := pg.One(t, "SELECT count(*) FROM p"); got != "1" {
				t.Errorf("the parent shows %s rows, want 1", got)
			}
			if got := pg.One(t, "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'leaf'"); got != tt.bound {
				t.Errorf("bound %s", got)
			}
		})
	}
}

func TestAttachRefuses(t *testing.T) {
	schema := `CREATE TABLE p (id int NOT NULL, r text) PARTITION BY RANGE (id); CREATE TABLE stage (LIKE p); CREATE TABLE old PARTITION OF p FOR VALUES FROM (100) TO (200);
		CREATE TABLE rest PARTITION OF p DEFAULT; INSERT INTO p VALUES (15, 'x'); CREATE TABLE taken (); CREATE TABLE bad (id bigint, x int); CREATE TABLE stranger (id int)`
	tests := []struct {
		name string
		o    AttachOptions
		says []string
	}{
		{"rows in DEFAULT", AttachOptions{Staging: Name{"public", "stage"}, Final: Name{"public", "leaf"}, Bound: "FOR VALUES FROM (10) TO (20)"}, []string{"DEFAULT partition public.rest has rows"}},
		{"the name is taken", AttachOptions{Staging: Name{"public", "stage"}, Final: Name{"public", "taken"}, Bound: "FOR VALUES FROM (20) TO (30)"}, []string{"public.taken exists already"}},
		{"the bound is taken", AttachOptions{Staging: Name{"public", "stage"}, Final: Name{"public", "leaf"}, Bound: "FOR VALUES FROM (100) TO (200)"}, []string{"partition old of public.p has the bound"}},
		{"other columns", AttachOptions{Staging: Name{"public", "bad"}, Final: Name{"public", "bad"}, Bound: "FOR VALUES FROM (20) TO (30)"},
			[]string{`"id" is bigint, the parent's is integer`, `"r" is missing`, `"x" is not in the parent`}},
		{"no staging table", AttachOptions{Staging: Name{"public", "none"}, Final: Name{"public", "leaf"}, Bound: "FOR VALUES FROM (20) TO (30)"}, []string{"neither public.none nor public.leaf"}},
	}
	db, _ := start(t, schema)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Parent = Name{"public", "p"}
			_, err := db.AttachPlan(t.Context(), tt.o)
			mustContain(t, err, tt.says...)
		})
	}
	_, err := db.AttachPlan(t.Context(), AttachOptions{Staging: Name{"public", "stage"}, Final: Name{"public", "leaf"}, Parent: Name{"public", "nobody"}})
	if !errors.Is(err, ErrNoTable) {
		t.Errorf("error %v, want ErrNoTable", err)
	}
}

func TestAttachAsOwner(t *testing.T) {
	srv := pgtest.Start(t)
	role := srv.Role(t, "owner", "NOSUPERUSER")
	pg := srv.Database(t)
	pg.Exec(t, `GRANT CREATE ON SCHEMA public TO `+role)
	owner := &pgtest.DB{DSN: pg.DSNAs(role, "")}
	owner.Exec(t, `CREATE TABLE p (id int PRIMARY KEY, r text) PARTITION BY RANGE (id); CREATE TABLE leaf PARTITION OF p FOR VALUES FROM (0) TO (10); INSERT INTO p VALUES (1, 'x')`)
	db := open(t, owner.DSN)
	d := bundle(t, db, Name{"public", "leaf"})
	sql, _ := d.CreateStaging(StagingOptions{Target: Name{"public", "stage"}})
	owner.Exec(t, sql, "INSERT INTO stage SELECT * FROM leaf")
	l := leafNamed(t, db, "p", "leaf")
	steps, err := db.DetachPlan(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	run(t, db, steps)
	owner.Exec(t, "DROP TABLE leaf")
	run(t, db, plan(t, db, AttachOptions{Staging: Name{"public", "stage"}, Parent: Name{"public", "p"}, Final: Name{"public", "leaf"}, Bound: d.Bound, Definition: d}))
	if got := owner.One(t, "SELECT r FROM p WHERE id = 1"); got != "x" {
		t.Errorf("row %s", got)
	}
	owner.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()")
	pg.Exec(t, "DROP OWNED BY "+role)
}

func TestPlainTable(t *testing.T) {
	db, pg := start(t, `CREATE TABLE plain (id int PRIMARY KEY, v text UNIQUE CHECK (v <> '')); CREATE INDEX plain_v ON plain (lower(v)); COMMENT ON TABLE plain IS 'x'; INSERT INTO plain VALUES (1, 'a')`)
	d := bundle(t, db, Name{"public", "plain"})
	sql, _ := d.CreateStaging(StagingOptions{Target: Name{"public", "stage"}, Unlogged: true})
	pg.Exec(t, sql, "INSERT INTO stage SELECT * FROM plain; DROP TABLE plain")
	run(t, db, plan(t, db, AttachOptions{Staging: Name{"public", "stage"}, Final: Name{"public", "plain"}, Definition: d}))
	if after := bundle(t, db, Name{"public", "plain"}); !reflect.DeepEqual(d, after) {
		t.Errorf("before\n%+v\nafter\n%+v", d, after)
	}
}

// ATTACH builds the index of an EXCLUDE constraint and of a temporal key, whatever is there: a plan makes no second one.
func TestAttachLeavesExclusionsToTheServer(t *testing.T) {
	db, pg := start(t)
	if db.version < 170000 {
		t.Skip("EXCLUDE on partitioned tables came with PostgreSQL 17")
	}
	key, want := "", "tx_2024_01_d_span_excl"
	if db.version >= 180000 {
		key, want = ", PRIMARY KEY (d, span WITHOUT OVERLAPS)", "tx_2024_01_d_span_excl tx_2024_01_pkey"
	}
	pg.Exec(t, `CREATE EXTENSION btree_gist; CREATE TABLE tx (d date, span int4range, CONSTRAINT apart EXCLUDE USING btree (d WITH =, span WITH =)`+key+`) PARTITION BY RANGE (d);
		CREATE TABLE tx_2024_01 PARTITION OF tx FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
		ALTER TABLE tx_2024_01 ADD CONSTRAINT own EXCLUDE USING gist (span WITH &&) WHERE (d < '2024-01-05')`)
	leaf := Name{"public", "tx_2024_01"}
	d := bundle(t, db, leaf)
	pg.Exec(t, `DROP TABLE tx_2024_01; CREATE TABLE staging (d date, span int4range); INSERT INTO staging VALUES ('2024-01-05', '[1,3)'), ('2024-01-05', '[3,4)')`)
	runLoud(t, pg.DSN, plan(t, db, AttachOptions{Staging: Name{"public", "staging"}, Final: leaf, Parent: Name{"public", "tx"}, Bound: d.Bound, Definition: d}))
	if got := pg.One(t, `SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = 'tx_2024_01'::regclass`); got != "own "+want {
		t.Errorf("indexes %s, want own %s", got, want)
	}
	if left := plan(t, db, AttachOptions{Staging: leaf, Final: leaf, Parent: Name{"public", "tx"}, Bound: d.Bound, Definition: d}); len(left) > 1 {
		t.Errorf("left to do: %s", names(left))
	}
}
