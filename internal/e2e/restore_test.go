package e2e

import (
	"slices"
	"strings"
	"testing"

	"frostline/internal/pgtest"
)

// tied is how a partition hangs on its parent, beside what catalog tells: its bound, the parents of its indexes and constraints,
// the triggers that a foreign key has on it and its rows.
const tied = `
	SELECT 'bound', inhparent::regclass::text, pg_get_expr(relpartbound, oid) FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhrelid = 'app.tx_2024_01'::regclass
	UNION ALL SELECT 'index of', indexrelid::regclass::text, (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = indexrelid) FROM pg_index WHERE indrelid = 'app.tx_2024_01'::regclass
	UNION ALL SELECT 'constraint of', conname, concat_ws(' ', (SELECT conrelid::regclass || '.' || conname FROM pg_constraint p WHERE p.oid = c.conparentid), conislocal, coninhcount)
		FROM pg_constraint c WHERE conrelid = 'app.tx_2024_01'::regclass
	UNION ALL SELECT 'trigger of', (SELECT conname FROM pg_constraint WHERE oid = tgconstraint AND contype <> 'f'), concat_ws(' ', tgfoid::regproc, tgconstrrelid::regclass, count(*))
		FROM pg_trigger WHERE tgrelid = 'app.tx_2024_01'::regclass AND tgisinternal GROUP BY 1, 2, tgfoid, tgconstrrelid
	UNION ALL SELECT 'row', x::text, '' FROM app.tx_2024_01 x
	ORDER BY 1, 2, 3`

// Every kind of partition goes to the archive, is dropped, restored and attached by the commands; the catalogs and the rows are
// what they were.
func TestAttachGivesBackThePartition(t *testing.T) {
	server := pgtest.Start(t)
	if server.Major < 15 {
		t.Skipf("the test's own look at the catalogs is for PostgreSQL 15 and later, this is %d", server.Major)
	}
	other, gone := server.Role(t, "other", ""), server.Role(t, "gone", "")
	for _, c := range []struct{ name, sql, table, leaf, column, value, then string }{
		{"all that belongs to a partition", strings.NewReplacer("$other", other, "$gone", gone).Replace(richTable), "app.tx", "app.tx_2024_01", "day", "2024-01",
			// The identity goes on behind the restored rows.
			`INSERT INTO app.tx (day, c, m) VALUES ('2024-01-02', 'new', 'sad'); SELECT 1 / (count(*) = 1)::int FROM app.tx WHERE id = 301`},
		{"list beside a default", `CREATE SCHEMA app; CREATE TABLE app.l (k text, n int, UNIQUE (k, n)) PARTITION BY LIST (k);
			CREATE TABLE app.l_eu PARTITION OF app.l FOR VALUES IN ('de', 'f''r', 'it'); CREATE TABLE app.l_rest PARTITION OF app.l DEFAULT;
			INSERT INTO app.l SELECT (ARRAY['de', 'f''r', 'it', 'us', NULL])[i % 5 + 1], i FROM generate_series(1, 100) i`, "app.l", "app.l_eu", "k", "de", ""},
		{"list with NULL", `CREATE SCHEMA app; CREATE TABLE app.l (k text, n int) PARTITION BY LIST (k); CREATE INDEX ON app.l (n DESC) WHERE n > 5;
			CREATE TABLE app.l_eu PARTITION OF app.l FOR VALUES IN ('de', NULL); CREATE TABLE app.l_us PARTITION OF app.l FOR VALUES IN ('us');
			INSERT INTO app.l SELECT (ARRAY['de', 'us', NULL])[i % 3 + 1], i FROM generate_series(1, 100) i`, "app.l", "app.l_eu", "k", "de", ""},
		{"hash", `CREATE SCHEMA app; CREATE TABLE app.h (id int PRIMARY KEY, t text NOT NULL) PARTITION BY HASH (id);
			CREATE TABLE app.h0 PARTITION OF app.h FOR VALUES WITH (MODULUS 3, REMAINDER 0); CREATE TABLE app.h1 PARTITION OF app.h FOR VALUES WITH (MODULUS 3, REMAINDER 1);
			CREATE TABLE app.h2 PARTITION OF app.h FOR VALUES WITH (MODULUS 3, REMAINDER 2); INSERT INTO app.h SELECT i, 't' || i FROM generate_series(1, 300) i`, "app.h", "app.h1", "id", "h1", ""},
		{"a default partition", `CREATE SCHEMA app; CREATE TABLE app.d (id int, day date) PARTITION BY RANGE (day);
			CREATE TABLE app.d_1 PARTITION OF app.d FOR VALUES FROM ('2024-01-01') TO ('2024-02-01'); CREATE TABLE app.d_rest PARTITION OF app.d DEFAULT;
			INSERT INTO app.d SELECT i, '2024-01-01'::date + i FROM generate_series(1, 90) i; INSERT INTO app.d VALUES (7, NULL)`, "app.d", "app.d_rest", "day", "DEFAULT", ""},
		{"two levels", `CREATE SCHEMA app; CREATE TABLE app.two (k text, day date, n int, PRIMARY KEY (k, day, n)) PARTITION BY LIST (k);
			CREATE TABLE app.two_a PARTITION OF app.two FOR VALUES IN ('a') PARTITION BY RANGE (day); CREATE TABLE app.two_b PARTITION OF app.two FOR VALUES IN ('b') PARTITION BY RANGE (day);
			CREATE TABLE app.two_a_1 PARTITION OF app.two_a FOR VALUES FROM ('2024-01-01') TO ('2024-02-01'); CREATE TABLE app.two_a_rest PARTITION OF app.two_a DEFAULT;
			CREATE TABLE app.two_b_1 PARTITION OF app.two_b FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
			INSERT INTO app.two SELECT (ARRAY['a', 'b'])[i % 2 + 1], '2024-01-01'::date + i % 31, i FROM generate_series(1, 100) i; INSERT INTO app.two VALUES ('a', '2030-01-01', 1)`, "app.two", "app.two_a_1", "day", "two_a_1", ""},
		{"two columns and an expression", `CREATE SCHEMA app; CREATE TABLE app.e (a int, b text, n int) PARTITION BY RANGE (a, lower(b));
			CREATE TABLE app.e_1 PARTITION OF app.e FOR VALUES FROM (1, 'a') TO (2, MAXVALUE); CREATE TABLE app.e_2 PARTITION OF app.e FOR VALUES FROM (3, MINVALUE) TO (9, 'x');
			INSERT INTO app.e SELECT 1 + i % 2, 'B' || i, i FROM generate_series(1, 50) i`, "app.e", "app.e_1", "a", "e_1", ""},
		{"foreign keys in and out", `CREATE SCHEMA app; CREATE TABLE app.owner (id int PRIMARY KEY); INSERT INTO app.owner VALUES (1), (2);
			CREATE TABLE app.f (id int, day date, owner int CONSTRAINT owned REFERENCES app.owner ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
			CREATE TABLE app.f_1 PARTITION OF app.f FOR VALUES FROM ('2024-01-01') TO ('2024-02-01'); CREATE TABLE app.f_2 PARTITION OF app.f FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
			ALTER TABLE app.f_1 ADD CONSTRAINT "own ""key" FOREIGN KEY (owner) REFERENCES app.owner;
			CREATE TABLE app.refers (id int, day date, FOREIGN KEY (id, day) REFERENCES app.f);
			INSERT INTO app.f SELECT i, '2024-01-01'::date + i % 31, 1 + i % 2 FROM generate_series(1, 100) i; INSERT INTO app.f VALUES (1, '2024-02-02', 1); INSERT INTO app.refers VALUES (1, '2024-02-02')`, "app.f", "app.f_1", "day", "2024-01",
			`INSERT INTO app.refers VALUES (31, '2024-01-01')`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "file://"+t.TempDir())
			w.db.Exec(t, "SET search_path = pg_catalog")
			for _, sql := range strings.Split(c.sql, ";\n") {
				w.db.Exec(t, sql)
			}
			if !strings.Contains(c.sql, `"ty pes"`) {
				w.db.Exec(t, `CREATE SCHEMA "ty pes"`) // catalog looks into it
			}
			look := func() [][]string {
				of := strings.NewReplacer("'app.tx_2024_01'", "'"+c.leaf+"'", "app.tx_2024_01 x", c.leaf+" x", "'tx_2024_01'", "'"+c.leaf[4:]+"'")
				return append(w.db.Query(t, of.Replace(catalog)), w.db.Query(t, of.Replace(tied))...)
			}
			before := look()
			schema, table, _ := strings.Cut(c.table, ".")
			res := w.run("archive", "--schema", schema, "--table", table, "--partition-column", c.column, "--partition-value", c.value, "--retire", "drop")
			if res["retired"] != "dropped" {
				t.Fatalf("archive: %v", res)
			}
			res = w.run("restore", "--source-path", res["location"].(string), "--attach", "--unlogged")
			if res["action"] != "attached" {
				t.Fatalf("restore: %v", res)
			}
			after := look()
			for _, r := range before {
				if !slices.ContainsFunc(after, func(a []string) bool { return slices.Equal(a, r) }) {
					t.Errorf("missing   %s", strings.Join(r, " | "))
				}
			}
			for _, a := range after {
				if !slices.ContainsFunc(before, func(r []string) bool { return slices.Equal(a, r) }) {
					t.Errorf("not there before   %s", strings.Join(a, " | "))
				}
			}
			if c.then != "" {
				w.db.Exec(t, c.then)
			}
		})
	}
}

// A range of partitions in one command: what was restored is printed also when one of them fails, and the exit code is that one's.
func TestRestoreSeveral(t *testing.T) {
	w := newWorld(t, "file://"+t.TempDir())
	w.db.Exec(t, `CREATE TABLE q (id int, at date NOT NULL) PARTITION BY RANGE (at);
		CREATE TABLE q_1 PARTITION OF q FOR VALUES FROM ('2024-01-01') TO ('2024-02-01'); CREATE TABLE q_2 PARTITION OF q FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
		CREATE TABLE q_3 PARTITION OF q FOR VALUES FROM ('2024-03-01') TO ('2024-04-01'); INSERT INTO q SELECT i, '2024-01-01'::date + i FROM generate_series(0, 90) i`)
	for _, m := range []string{"2024-01", "2024-02", "2024-03"} {
		w.run("archive", "--table", "q", "--partition-column", "at", "--partition-value", m, "--retire", "drop")
	}
	table := w.warehouse + "/public/q"
	res := w.run("restore", "--source-path", table, "--from-partition", "2024-01", "--to-partition", "2024-02", "--attach")
	if n := len(res["results"].([]any)); res["status"] != "success" || n != 2 || len(res["failed"].([]any)) != 0 {
		t.Errorf("range: %v", res)
	}
	if n := w.db.One(t, `SELECT count(*) FROM q`); n != "60" {
		t.Errorf("%s rows are attached, want 60", n)
	}
	// In the way of the first of these is a table that is not attached.
	w.db.Exec(t, `CREATE TABLE q_3 ()`)
	stdout, stderr, code := w.exec("restore", "--source-path", table, "--partitions", "2024-03,2024-02", "--attach")
	if code != 8 || !strings.Contains(stdout, `"status":"partial"`) || !strings.Contains(stdout, `"failed":[{"partition":"at=2024-03"`) || !strings.Contains(stderr, "--replace-existing") {
		t.Errorf("one in the way: exit code %d\n%s\n%s", code, stdout, stderr)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--source-path", table, "--partitions", "2023-01"}, 3, "at=2024-01, at=2024-02, at=2024-03"},
		{[]string{"--source-path", table + "/at=2024-01", "--snapshot", "5", "--target-table", "s"}, 3, "no such snapshot"},
		{[]string{"--source-path", table, "--attach"}, 2, "name one of its partitions"},
		{[]string{"--source-path", table + "/at=2024-01", "--to", "staging", "--attach"}, 2, "--to staging"},
		{[]string{"--source-path", table + "/at=2024-01", "--target-table", "s", "--into-table", "x"}, 2, "--to migrate"},
		{[]string{"--source-path", table + "/at=2024-01", "--target-table", "s", "--on-conflict", "skip"}, 2, "--to migrate"},
	} {
		if _, stderr, code := w.exec("restore", c.args...); code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("%v: exit code %d, want %d\n%s", c.args, code, c.code, stderr)
		}
	}
	w.run("restore", "--source-path", table+"/at=2024-03", "--to", "attach", "--replace-existing")
	if n := w.db.One(t, `SELECT count(*) FROM q`); n != "91" {
		t.Errorf("%s rows are attached, want 91", n)
	}
}
