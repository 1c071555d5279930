package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"frostline/internal/pgserver"
	"frostline/internal/pgtest"
)

const preflightSchema = `CREATE TABLE p (id int NOT NULL, v text) PARTITION BY RANGE (id); CREATE TABLE leaf PARTITION OF p FOR VALUES FROM (0) TO (10);
	CREATE TABLE kept PARTITION OF p FOR VALUES FROM (10) TO (20); INSERT INTO p VALUES (1, 'a'), (11, 'b'); ANALYZE p`

// found lists findings as "severity about code object", in their order.
func found(t *testing.T, db *DB, relation string, o PreflightOptions) ([]Finding, string) {
	t.Helper()
	rows, err := db.QueryText(t.Context(), "look up", "SELECT $1::regclass::oid", relation)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(*rows[0][0], &o.Relation); err != nil {
		t.Fatal(err)
	}
	findings, err := db.Preflight(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range findings {
		if f.Means == "" || strings.Contains(f.String(), "{") {
			t.Errorf("finding without its text: %s", f)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s", f.Severity, f.About, f.Code, f.Object))
	}
	return findings, strings.Join(lines, "\n")
}

func TestPreflight(t *testing.T) {
	const plain = `CREATE TABLE alone (id int); ANALYZE alone`
	drop := PreflightOptions{Detach: true, Drop: true}
	db, pg := start(t)
	for _, tt := range []struct {
		name, sql, relation string
		o                   PreflightOptions
		want                string // of found
		says                string // in one of the findings
	}{
		{"nothing", "", "public.leaf", drop, "", ""},
		{"nothing of a table", plain, "public.alone", drop, "", ""},
		{"unlogged", "ALTER TABLE leaf SET UNLOGGED", "public.leaf", PreflightOptions{}, "error archive unlogged public.leaf\ninfo archive never-analysed public.leaf", "a crash empties it"},
		{"children", plain + `; CREATE TABLE "Child 1" () INHERITS (alone); CREATE TABLE child2 () INHERITS (alone)`, "public.alone", PreflightOptions{},
			"error archive inheritance-children public.alone", `(public."Child 1", public.child2)`},
		{"all of a table", "ALTER TABLE kept SET UNLOGGED", "public.p", PreflightOptions{}, "error archive unlogged public.kept\ninfo archive never-analysed public.kept", ""},
		{"never analysed", "CREATE TABLE alone (id int)", "public.alone", PreflightOptions{}, "info archive never-analysed public.alone", "ANALYZE"},
		{"default beside it", "CREATE TABLE rest PARTITION OF p DEFAULT; ANALYZE p", "public.leaf", drop, "warning retire default-partition public.rest", "locks public.p for a moment"},
		{"the default itself", "CREATE TABLE rest PARTITION OF p DEFAULT; ANALYZE p", "public.rest", drop, "warning retire is-default public.rest", "DEFAULT"},
		{"hash", "CREATE TABLE h (id int) PARTITION BY HASH (id); CREATE TABLE h0 PARTITION OF h FOR VALUES WITH (MODULUS 1, REMAINDER 0); ANALYZE h", "public.h0", drop,
			"warning retire hash-partition public.h0", "every INSERT of its share fails"},
		{"generated and identity", `CREATE TABLE g (id int GENERATED ALWAYS AS IDENTITY, at int NOT NULL, "Twice" int GENERATED ALWAYS AS (at * 2) STORED) PARTITION BY RANGE (at);
			CREATE TABLE g1 PARTITION OF g FOR VALUES FROM (0) TO (9); ANALYZE g`, "public.g1", PreflightOptions{},
			"info archive generated-columns public.g1\ninfo archive identity-columns public.g", `"Twice"`},
		{"replica identity", "ALTER TABLE leaf REPLICA IDENTITY FULL", "public.leaf", PreflightOptions{}, "info archive replica-identity public.leaf", "is FULL"},
		{"row security of the parent", "ALTER TABLE p ENABLE ROW LEVEL SECURITY", "public.leaf", PreflightOptions{}, "info archive row-security-lost public.p", "readers of the archive see them all"},
		{"publication", `CREATE PUBLICATION "Pub" FOR TABLE p`, "public.leaf", drop, `warning retire publication "Pub"`, "publishes public.leaf"},
		{"triggers", `CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
			CREATE TRIGGER gone AFTER DELETE ON p FOR EACH ROW EXECUTE FUNCTION f(); CREATE TRIGGER came AFTER INSERT ON leaf FOR EACH ROW EXECUTE FUNCTION f()`, "public.leaf", drop,
			"warning retire delete-triggers public.p\ninfo retire triggers public.leaf", "do not fire when a partition is detached or dropped"},
		{"event trigger", `CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER guard ON sql_drop EXECUTE FUNCTION f()`, "public.leaf", drop,
			"warning retire event-trigger event trigger guard", "fires at sql_drop"},
		{"outbound key", "CREATE TABLE ref (id int PRIMARY KEY); INSERT INTO ref VALUES (1), (11); ALTER TABLE p ADD FOREIGN KEY (id) REFERENCES ref", "public.leaf", drop,
			"info retire outbound-foreign-key public.leaf", "refer to public.ref"},
		{"inbound key, not asked", "ALTER TABLE p ADD PRIMARY KEY (id); CREATE TABLE child (ref int REFERENCES p); INSERT INTO child VALUES (1)", "public.leaf", PreflightOptions{},
			"warning retire inbound-foreign-key public.child", "plan with --retire"},
		{"inbound key with a row", "ALTER TABLE p ADD PRIMARY KEY (id); CREATE TABLE child (ref int CONSTRAINT \"my key\" REFERENCES p); INSERT INTO child VALUES (1)", "public.leaf", drop,
			"error retire inbound-foreign-key public.child", `"my key"`},
		{"inbound key of other rows", "ALTER TABLE p ADD PRIMARY KEY (id); CREATE TABLE child (ref int REFERENCES p); INSERT INTO child VALUES (11)", "public.leaf", drop,
			"warning retire inbound-foreign-key public.child", "no row refers to the partition now"},
		{"inbound key to the leaf", "ALTER TABLE leaf ADD PRIMARY KEY (id); CREATE TABLE child (ref int CONSTRAINT k REFERENCES leaf)", "public.leaf", drop,
			"error retire inbound-foreign-key public.child", `ALTER TABLE "public"."child" DROP CONSTRAINT "k"`},
		{"a view, drop", "CREATE VIEW v AS SELECT * FROM leaf", "public.leaf", drop, "error retire dependents public.leaf", "on view public.v depends"},
		{"a view, detach", "CREATE VIEW v AS SELECT * FROM leaf", "public.leaf", PreflightOptions{Detach: true}, "warning retire dependents public.leaf", "--retire detach"},
		{"a view of the parent", "CREATE VIEW v AS SELECT * FROM p", "public.leaf", drop, "", ""},
		{"its row type", "CREATE TABLE uses (x leaf[])", "public.leaf", drop, "error retire dependents public.leaf", "column x of table public.uses depends"},
		{"a function", "CREATE FUNCTION n() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM leaf; END", "public.leaf", drop, "error retire dependents public.leaf", "function public.n() depends"},
		{"its sequence elsewhere", "CREATE SEQUENCE s OWNED BY leaf.id; ALTER TABLE kept ALTER id SET DEFAULT nextval('s')", "public.leaf", drop, "error retire dependents public.leaf", "column id of table public.kept depends"},
		{"its own policy and rule", "CREATE POLICY y ON leaf USING (id > 0); CREATE RULE r AS ON UPDATE TO leaf DO INSTEAD NOTHING", "public.leaf", drop, "", ""},
		{"several levels", `CREATE TABLE m (a int, b int) PARTITION BY LIST (a); CREATE TABLE m1 PARTITION OF m FOR VALUES IN (1) PARTITION BY LIST (b);
			CREATE TABLE m11 PARTITION OF m1 FOR VALUES IN (1); ANALYZE m; ALTER TABLE m ENABLE ROW LEVEL SECURITY; CREATE TABLE m1_rest PARTITION OF m1 DEFAULT`, "public.m11", drop,
			"warning retire default-partition public.m1_rest\ninfo archive row-security-lost public.m", "locks public.m1 for a moment"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pg.Exec(t, "DROP SCHEMA public CASCADE; CREATE SCHEMA public", preflightSchema)
			if tt.name == "a function" && db.Version() < 140000 {
				t.Skip("BEGIN ATOMIC came with 14")
			}
			if db.Version() < 140000 && strings.Contains(tt.want, "never-analysed") {
				t.Skip("13 does not tell an empty table from one that was never analysed")
			}
			if tt.sql != "" {
				pg.Exec(t, tt.sql)
			}
			defer pg.Exec(t, `DROP PUBLICATION IF EXISTS "Pub"; DROP EVENT TRIGGER IF EXISTS guard`)
			findings, got := found(t, db, tt.relation, tt.o)
			if got != tt.want {
				t.Errorf("found\n%s\nwant\n%s", got, tt.want)
			}
			if !slices.ContainsFunc(findings, func(f Finding) bool { return strings.Contains(f.String(), tt.says) }) && tt.says != "" {
				t.Errorf("%v\ndo not say %q", findings, tt.says)
			}
		})
	}
}

// Findings of kinds of relations that only one session or another server has.
func TestPreflightForeignAndInvalid(t *testing.T) {
	db, pg := start(t, preflightSchema, `CREATE EXTENSION file_fdw; CREATE SERVER far FOREIGN DATA WRAPPER file_fdw;
		CREATE FOREIGN TABLE away PARTITION OF p FOR VALUES FROM (20) TO (30) SERVER far OPTIONS (filename '/nonexistent');
		CREATE TABLE twice (id int); INSERT INTO twice VALUES (1), (1); ANALYZE twice`)
	if err := pg.Try("CREATE UNIQUE INDEX CONCURRENTLY broken ON twice (id)"); err == nil {
		t.Fatal("a unique index of equal values was built")
	}
	findings, got := found(t, db, "public.away", PreflightOptions{})
	if !strings.Contains(got, "error archive foreign-table public.away") || !strings.Contains(findings[0].Means, "server far") {
		t.Errorf("found %s", got)
	}
	if findings, got := found(t, db, "public.twice", PreflightOptions{}); got != "warning archive invalid-index public.twice" || !strings.Contains(findings[0].Means, "broken") {
		t.Errorf("found %s", got)
	}
}

// What a weak role lacks is named, with the kind of error that would come of it.
func TestPreflightPrivileges(t *testing.T) {
	srv := pgtest.Start(t)
	role := srv.Role(t, "weak", "")
	pg := srv.Database(t)
	pg.Exec(t, preflightSchema, `CREATE SCHEMA s; CREATE TABLE s.hidden (id int); ANALYZE s.hidden; CREATE TABLE part (a int, b int, c int); ANALYZE part; GRANT SELECT (a, c) ON part TO `+role,
		`ALTER TABLE p ADD PRIMARY KEY (id); CREATE TABLE child (ref int REFERENCES p); GRANT SELECT ON leaf TO `+role,
		`CREATE TABLE secret (id int); ANALYZE secret; ALTER TABLE secret ENABLE ROW LEVEL SECURITY; GRANT SELECT ON secret TO `+role)
	db := open(t, pg.DSNAs(role, ""))
	for _, tt := range []struct {
		relation, want string
		oid            string
	}{
		{"s.hidden", "error archive no-usage s\nerror archive no-select s.hidden\nerror retire not-owner s.hidden", ""},
		{"public.part", "error archive no-select public.part\nerror retire not-owner public.part", ""},
		{"public.secret", "error archive row-security public.secret\nerror retire not-owner public.secret", ""},
		{"public.leaf", "error retire not-owner public.leaf\nerror retire not-owner public.p\nerror retire inbound-foreign-key public.child", ""},
	} {
		t.Run(tt.relation, func(t *testing.T) {
			oid := pg.One(t, "SELECT '"+tt.relation+"'::regclass::oid")
			o := PreflightOptions{Detach: true}
			fmt.Sscan(oid, &o.Relation)
			findings, err := db.Preflight(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, f := range findings {
				lines = append(lines, fmt.Sprintf("%s %s %s %s", f.Severity, f.About, f.Code, f.Object))
				if !errors.Is(f.Kind, ErrPrivilege) {
					t.Errorf("%s has the kind %v", f, f.Kind)
				}
			}
			if got := strings.Join(lines, "\n"); got != tt.want {
				t.Errorf("found\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
	// The pinned setting makes PostgreSQL refuse what the finding warns of.
	if _, err := db.Count(t.Context(), Name{"public", "secret"}, ""); err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("a table under row security: %v", err)
	}
}

func TestPreflightLocks(t *testing.T) {
	db, pg := start(t, preflightSchema)
	writer := reader(t, pg, "INSERT INTO p VALUES (2, 'open')")
	if findings, got := found(t, db, "public.leaf", PreflightOptions{}); got != "warning archive being-written public.leaf" || !strings.Contains(findings[0].Means, "process ") {
		t.Errorf("beside a writer: %s", got)
	}
	writer()
	if _, got := found(t, db, "public.leaf", PreflightOptions{}); got != "" {
		t.Errorf("after the writer: %s", got)
	}
	locker := reader(t, pg, "LOCK TABLE leaf")
	if _, got := found(t, db, "public.leaf", PreflightOptions{}); got != "warning archive locked public.leaf" {
		t.Errorf("beside a lock: %s", got)
	}
	locker()
	if _, got := found(t, db, "public.leaf", PreflightOptions{}); got != "" {
		t.Errorf("after the lock: %s", got)
	}
}

// What only a server of its own shows: prepared transactions, a replica, settings.
func TestPreflightServer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := pgtest.Start(t).BinDir
	settings := map[string]string{"max_prepared_transactions": "5"}
	primary, err := pgserver.Start(ctx, pgserver.Options{BinDir: dir, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { primary.Stop() })
	db := open(t, primary.DSN("postgres"))
	do := func(sql string) {
		t.Helper()
		if err := db.Exec(ctx, "do", sql); err != nil {
			t.Fatal(err)
		}
	}
	do("SET search_path = public; " + preflightSchema + "; RESET search_path")
	do("BEGIN; INSERT INTO public.p VALUES (3, 'prepared'); PREPARE TRANSACTION 'gid''s'")
	findings, got := found(t, db, "public.leaf", PreflightOptions{})
	if got != "error retire prepared-transaction public.leaf\nerror retire prepared-transaction public.p\nwarning archive being-written public.leaf" {
		t.Errorf("beside a prepared transaction: %s", got)
	}
	mustContain(t, errors.New(findings[0].String()), "'gid''s'", "ROLLBACK PREPARED")
	do("ROLLBACK PREPARED 'gid''s'")
	if _, got := found(t, db, "public.leaf", PreflightOptions{}); got != "" {
		t.Errorf("after its end: %s", got)
	}

	do("ALTER ROLE postgres SET default_transaction_read_only = on")
	readOnly := open(t, primary.DSN("postgres"))
	if findings, got := found(t, readOnly, "public.leaf", PreflightOptions{}); got != "error retire read-only this session" || !strings.Contains(findings[0].Means, "default_transaction_read_only is on") {
		t.Errorf("a role that only reads: %s %v", got, findings)
	}
	do("ALTER ROLE postgres RESET default_transaction_read_only")
	do("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0")
	ascii := open(t, primary.DSN("ascii"))
	if err := ascii.Exec(ctx, "do", "SET search_path = public; "+preflightSchema); err != nil {
		t.Fatal(err)
	}
	if _, got := found(t, ascii, "public.leaf", PreflightOptions{}); got != "warning archive sql-ascii this database" {
		t.Errorf("SQL_ASCII: %s", got)
	}
	if db.Version() < 170000 { // old_snapshot_threshold was removed
		do("ALTER SYSTEM SET old_snapshot_threshold = '1h'")
	}

	if _, err := os.Stat(filepath.Join(dir, "pg_basebackup")); err != nil {
		pgtest.Missing(t, "pg_basebackup")
	}
	replica, err := pgserver.Start(ctx, pgserver.Options{BinDir: dir, Settings: settings, StandbyOf: primary})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { replica.Stop() })
	want := "error retire read-only this server\nwarning archive replica this server"
	if db.Version() < 170000 {
		want += "\nwarning archive old-snapshot-threshold this server"
	}
	standby := open(t, replica.DSN("postgres"))
	if findings, got := found(t, standby, "public.leaf", PreflightOptions{}); got != want || !strings.Contains(findings[0].Means, "it is a replica") {
		t.Errorf("a replica: %s %v", got, findings)
	}
	standby.Close()
	readOnly.Close()
	ascii.Close()
	db.Close()
}

// A transaction is long after 30 s; the test asks for the same with a role that may not see since when.
func TestPreflightLongTransaction(t *testing.T) {
	srv := pgtest.Start(t)
	role := srv.Role(t, "blind", "")
	pg := srv.Database(t)
	pg.Exec(t, preflightSchema, "ALTER TABLE p OWNER TO "+role, "ALTER TABLE leaf OWNER TO "+role)
	db := open(t, pg.DSNAs(role, ""))
	reader(t, pg, "LOCK TABLE p IN SHARE MODE")
	if findings, got := found(t, db, "public.leaf", PreflightOptions{}); got != "warning retire long-transaction public.leaf\nwarning retire long-transaction public.p" || !strings.Contains(findings[0].Means, "(ShareLock)") {
		t.Errorf("found %s", got)
	}
}

func TestPreflightPendingDetach(t *testing.T) {
	db, pg := start(t, preflightSchema)
	if db.Version() < 140000 {
		t.Skip("DETACH CONCURRENTLY came with 14")
	}
	db.LockTimeout, db.LockAttempts = 50*time.Millisecond, 1
	end := reader(t, pg, "SELECT * FROM p")
	if err := db.RunStep(t.Context(), detachPlan(t, db, leafNamed(t, db, "p", "leaf"))[0]); !errors.Is(err, ErrLockTimeout) {
		t.Fatal(err)
	}
	end()
	if _, got := found(t, db, "public.leaf", PreflightOptions{}); got != "warning retire detach-pending public.leaf" {
		t.Errorf("the leaf: %s", got)
	}
	findings, got := found(t, db, "public.kept", PreflightOptions{})
	if got != "error retire another-detach-pending public.leaf" || !strings.HasSuffix(findings[0].Do, "ALTER TABLE public.p DETACH PARTITION public.leaf FINALIZE") {
		t.Errorf("its neighbour: %s %s", got, findings)
	}
	pg.Exec(t, strings.SplitN(findings[0].Do, ": ", 2)[1]) // what it says to do works
	if _, got := found(t, db, "public.kept", PreflightOptions{}); got != "" {
		t.Errorf("after FINALIZE: %s", got)
	}
}

func TestPreflightCorruptingVersion(t *testing.T) {
	db, _ := start(t, preflightSchema, "CREATE TABLE ref (id int PRIMARY KEY); INSERT INTO ref VALUES (1), (11); ALTER TABLE p ADD FOREIGN KEY (id) REFERENCES ref")
	db.version, db.text = 150008, "15.8"
	findings, _ := found(t, db, "public.leaf", PreflightOptions{})
	if f := findings[0]; f.Code != "foreign-key-corruption" || f.Severity != Error || f.About != AboutRetire || !strings.Contains(f.String(), "15.8") || f.Do != "upgrade to 15.9 or later" {
		t.Errorf("found %s", f)
	}
}

// The extension itself where it is installed (Debian's postgresql-15-partman), and a table of the shape of version 5.
func TestPreflightPartman(t *testing.T) {
	retention := func(t *testing.T, db *DB, pg *pgtest.DB) {
		t.Helper()
		for _, tt := range []struct{ set, want, says string }{
			{"retention = NULL", "info archive pg-partman public.p", "drops none"},
			{"retention = '6 months', retention_keep_table = false", "warning archive pg-partman-retention public.p", "drops partitions older than 6 months, archived or not"},
			{"retention = '6 months', retention_keep_table = true", "warning archive pg-partman-retention public.p", "detaches partitions older than 6 months"},
			{"retention = '6 months', retention_schema = 'old'", "warning archive pg-partman-retention public.p", "moves them to the schema old"},
		} {
			pg.Exec(t, "UPDATE partman.part_config SET "+tt.set)
			if findings, got := found(t, db, pg.One(t, "SELECT 'public.' || min(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'p'::regclass AND pg_get_expr((SELECT relpartbound FROM pg_class WHERE oid = inhrelid), inhrelid) <> 'DEFAULT'"), PreflightOptions{}); !strings.Contains(got, tt.want) ||
				!slices.ContainsFunc(findings, func(f Finding) bool { return strings.Contains(f.Means, tt.says) }) {
				t.Errorf("%s: found\n%s\n%v", tt.set, got, findings)
			}
		}
	}
	t.Run("extension", func(t *testing.T) {
		db, pg := start(t)
		if pg.One(t, "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_partman'") == "0" {
			pgtest.Missing(t, "pg_partman")
		}
		pg.Exec(t, `CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman; CREATE TABLE public.p (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at)`)
		if strings.HasPrefix(pg.One(t, "SELECT extversion FROM pg_extension WHERE extname = 'pg_partman'"), "4.") {
			pg.Exec(t, `SELECT partman.create_parent('public.p', 'at', 'native', 'monthly')`)
		} else {
			pg.Exec(t, `SELECT partman.create_parent('public.p', 'at', '1 month')`)
		}
		retention(t, db, pg)
	})
	t.Run("look-alike", func(t *testing.T) {
		db, pg := start(t, preflightSchema, `CREATE SCHEMA partman; CREATE TABLE partman.part_config (parent_table text PRIMARY KEY, retention text, retention_schema text, retention_keep_table bool NOT NULL DEFAULT true);
			INSERT INTO partman.part_config VALUES ('public.p'), ('public.q'); CREATE TABLE part_config (parent_table text)`)
		retention(t, db, pg)
	})
	t.Run("unreadable", func(t *testing.T) {
		srv := pgtest.Start(t)
		role := srv.Role(t, "weak", "")
		pg := srv.Database(t)
		pg.Exec(t, preflightSchema, "CREATE SCHEMA partman; CREATE TABLE partman.part_config (parent_table text, retention text, retention_keep_table bool); GRANT SELECT ON leaf TO "+role)
		if _, got := found(t, open(t, pg.DSNAs(role, "")), "public.leaf", PreflightOptions{}); !strings.Contains(got, "warning archive pg-partman-unknown partman.part_config") {
			t.Errorf("found %s", got)
		}
	})
}

// The table of docs/operations/preflight.md is that of the checks.
func TestPreflightPage(t *testing.T) {
	page, err := os.ReadFile("../docs/operations/preflight.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	text := strings.NewReplacer("{object}", "*object*", "{detail}", "*detail*", "|", `\|`)
	for _, about := range []string{AboutArchive, AboutRetire} {
		for _, c := range checks {
			if f := c.finding; f.About == about {
				blocks := string(f.Severity)
				switch {
				case c.drop:
					blocks = "blocks a drop"
				case f.Severity == Error:
					blocks = "blocks"
				}
				fmt.Fprintf(&table, "| %s | `%s` | %s | %s | %s |\n", about, f.Code, blocks, text.Replace(f.Means), text.Replace(f.Do))
			}
		}
	}
	if !strings.Contains(string(page), table.String()) {
		t.Errorf("the page does not have this table:\n%s", table.String())
	}
	for _, code := range []string{"pooler", "pooler-loses-session", "inbound-foreign-key", "foreign-key-corruption", "pg-partman-retention", "pg-partman", "pg-partman-unknown"} {
		if !strings.Contains(string(page), "`"+code+"`") {
			t.Errorf("the page does not have %s", code)
		}
	}
}
