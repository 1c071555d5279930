package e2e

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"frostline/internal/cli"
	"frostline/internal/pgtest"
)

// sqlBlock is the SQL of docs/operations/privileges.md under that name, for the database of the test.
func sqlBlock(t *testing.T, name, database string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations/privileges.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```sql "+name+"\n")
	if !ok {
		t.Fatalf("the page has no block %q", name)
	}
	sql, _, _ := strings.Cut(rest, "```")
	return strings.ReplaceAll(sql, "DATABASE app ", "DATABASE "+database+" ")
}

// The roles of docs/operations/privileges.md can do what the page says, and no more.
func TestPrivileges(t *testing.T) {
	srv := pgtest.Start(t)
	admin := srv.Database(t)
	t.Cleanup(func() { // after the database of the world has gone, with what the roles have in it
		admin.Exec(t, `DROP ROLE IF EXISTS frostline_archive, frostline_retire, frostline_restore; DROP ROLE app_owner, app_reader`)
	})
	admin.Exec(t, `CREATE ROLE app_owner; CREATE ROLE app_reader`)
	w := newWorld(t, "file://"+t.TempDir())
	w.db.Exec(t, `REVOKE ALL ON DATABASE `+w.db.Name+` FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC; CREATE SCHEMA sales AUTHORIZATION app_owner; SET ROLE app_owner;
		CREATE TYPE sales.state AS ENUM ('open', 'paid');
		CREATE TABLE sales.customer (id int PRIMARY KEY); INSERT INTO sales.customer SELECT generate_series(1, 10);
		CREATE TABLE sales.orders (id bigint GENERATED ALWAYS AS IDENTITY, ordered_at date NOT NULL, customer int REFERENCES sales.customer, note text, PRIMARY KEY (id, ordered_at)) PARTITION BY RANGE (ordered_at);
		CREATE TABLE sales.orders_01 PARTITION OF sales.orders FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
		CREATE TABLE sales.orders_02 PARTITION OF sales.orders FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
		CREATE INDEX ON sales.orders (customer); GRANT SELECT ON sales.orders_01 TO app_reader;
		INSERT INTO sales.orders (ordered_at, customer, note) SELECT '2024-01-01'::date + i % 60, 1 + i % 10, 'n' || i FROM generate_series(0, 599) i;
		RESET ROLE`)
	as := func(role string) *world {
		v := *w
		v.env = append(append([]string(nil), w.env...), "DATABASE_URL="+w.db.DSNAs(role, ""))
		return &v
	}
	partition := func(value string, more ...string) []string {
		return append([]string{"--schema", "sales", "--table", "orders", "--partition-column", "ordered_at", "--partition-value", value}, more...)
	}
	refused := func(v *world, says string, args ...string) {
		t.Helper()
		_, stderr, code := v.exec("archive", append(args, "--quiet")...)
		if code != cli.Privilege || !strings.Contains(stderr, says) {
			t.Errorf("%v: exit code %d, want %d and %q: %s", args, code, cli.Privilege, says, stderr)
		}
	}
	one := func(sql, want string) {
		t.Helper()
		if got := w.db.One(t, sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}

	w.db.Exec(t, sqlBlock(t, "archive", w.db.Name))
	archiver := as("frostline_archive")
	if res := archiver.run("archive", partition("2024-02", "--quiet")...); res["total_records"] != 290.0 {
		t.Errorf("archived %v", res)
	}
	refused(archiver, "only its owner app_owner may detach and drop", partition("2024-01", "--retire", "drop")...)
	// Partitions that the owner makes later can be read, those of somebody else cannot, and are named.
	w.db.Exec(t, `SET ROLE app_owner; CREATE TABLE sales.orders_03 PARTITION OF sales.orders FOR VALUES FROM ('2024-03-01') TO ('2024-04-01'); RESET ROLE;
		CREATE TABLE sales.orders_04 PARTITION OF sales.orders FOR VALUES FROM ('2024-04-01') TO ('2024-05-01')`)
	archiver.run("archive", partition("2024-03", "--quiet")...)
	refused(archiver, "no-select (sales.orders_04)", partition("2024-04")...)
	for _, sql := range []string{"DELETE FROM sales.orders_02", "INSERT INTO sales.orders_02 VALUES (1, '2024-02-02')", "DROP TABLE sales.orders_02",
		"ALTER TABLE sales.orders DETACH PARTITION sales.orders_02", "TRUNCATE sales.orders_02", "CREATE TABLE sales.x ()", "CREATE TABLE public.x ()", "SET ROLE app_owner"} {
		if err := w.db.Try("SET SESSION AUTHORIZATION frostline_archive; " + sql); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("as frostline_archive, %s: %v, want a missing privilege", sql, err)
		}
		w.db.Exec(t, "RESET SESSION AUTHORIZATION")
	}

	w.db.Exec(t, sqlBlock(t, "retire", w.db.Name))
	retirer := as("frostline_retire")
	res := retirer.run("archive", partition("2024-01", "--retire", "drop", "--quiet")...)
	if res["retired"] != "dropped" || res["total_records"] != 310.0 {
		t.Errorf("retired %v", res)
	}
	one(`SELECT count(*) FROM sales.orders`, "290")

	w.db.Exec(t, sqlBlock(t, "restore", w.db.Name))
	location := w.warehouse + "/sales/orders/ordered_at=2024-01"
	as("frostline_restore").run("restore", "--source-path", location, "--target-schema", "restored", "--target-table", "january", "--quiet")
	one(`SELECT count(*) || ' of ' || pg_get_userbyid(relowner) FROM restored.january, pg_class WHERE pg_class.oid = 'restored.january'::regclass GROUP BY relowner`, "310 of frostline_restore")

	retirer.run("restore", "--source-path", location, "--target-schema", "sales", "--attach", "--quiet")
	one(`SELECT count(*) FROM sales.orders`, "600")
	one(`SELECT pg_get_userbyid(relowner) || ': ' || (SELECT string_agg(pg_get_userbyid(grantee) || ' ' || privilege_type, ', ' ORDER BY pg_get_userbyid(grantee)) FROM aclexplode(relacl) WHERE grantee <> relowner)
		FROM pg_class WHERE oid = 'sales.orders_01'::regclass`, "app_owner: app_reader SELECT, frostline_archive SELECT")
	if res := archiver.run("archive", partition("2024-01", "--quiet")...); res["action"] != "unchanged" {
		t.Errorf("after the restore: %v", res)
	}
}

// archive plan prints what it found, for people on stderr and as JSON, and its exit code is that of the run.
func TestPlan(t *testing.T) {
	w := newWorld(t, "file://"+t.TempDir())
	w.db.Exec(t, `CREATE TABLE tx (id int, at date NOT NULL) PARTITION BY RANGE (at); CREATE TABLE tx_1 PARTITION OF tx FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
		INSERT INTO tx SELECT i, '2024-01-05' FROM generate_series(1, 50) i; CREATE VIEW january AS SELECT * FROM tx_1; ANALYZE tx`)
	plan := []string{"plan", "--table", "tx", "--partition-column", "at", "--partition-value", "2024-01"}
	for _, c := range []struct {
		name   string
		args   []string
		code   int
		stdout []string
		stderr []string
	}{
		{"archive", plan, cli.OK, []string{`"findings":[{"severity":"warning","about":"retire","code":"dependents","object":"public.tx_1"`, `"source_rows_estimate":50`, `"plan":{"source":"\"public\".\"tx_1\""`},
			[]string{"warning        dependents: public.tx_1\n", "view public.january depends"}},
		{"retire", append(plan, "--retire", "drop"), cli.Conflict, []string{`"severity":"error","about":"retire","code":"dependents"`}, []string{"blocks retire  dependents: public.tx_1\n", "→ drop or change that first", "nothing was archived or retired"}},
		{"dry run", append(plan[1:], "--retire", "drop", "--dry-run"), cli.Conflict, []string{`"code":"dependents"`}, []string{"preflight found what stands in the way"}},
		{"real run", append(plan[1:], "--retire", "drop"), cli.Conflict, nil, []string{"preflight found what stands in the way"}},
		{"no such table", []string{"plan", "--table", "ty", "--partition-column", "at", "--partition-value", "2024-01"}, cli.NotFound, nil, []string{"nearest: tx"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, code := w.exec("archive", c.args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d: %s", code, c.code, stderr)
			}
			if len(c.stdout) == 0 && stdout != "" {
				t.Errorf("stdout %s", stdout)
			}
			for _, want := range c.stdout {
				if !strings.Contains(stdout, want) {
					t.Errorf("stdout %s\nhas no %s", stdout, want)
				}
			}
			for _, want := range c.stderr {
				if !strings.Contains(stderr, want) {
					t.Errorf("stderr %s\nhas no %s", stderr, want)
				}
			}
		})
	}
	if entries, err := os.ReadDir(strings.TrimPrefix(w.warehouse, "file://") + "/public"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a plan left %v in the warehouse (%v)", entries, err)
	}
}
