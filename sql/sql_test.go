package sql_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"frostline/internal/pgtest"
	fsql "frostline/sql"
)

// install gives a database whose tables and routines belong to a role without any special right.
func install(t *testing.T, schema string) *pgtest.DB {
	t.Helper()
	srv := pgtest.Start(t)
	role := srv.Role(t, "owner", "NOSUPERUSER NOCREATEDB NOCREATEROLE")
	db := srv.Database(t)
	db.Exec(t, fmt.Sprintf(`GRANT ALL ON DATABASE %s TO "%s"; GRANT ALL ON SCHEMA public TO "%[2]s"`, db.Name, role))
	own := &pgtest.DB{DSN: db.DSNAs(role, ""), Name: db.Name, Server: srv}
	own.Exec(t, fsql.Install(schema))
	if got := own.One(t, "SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user"); got != "false" {
		t.Fatalf("the tests run as a superuser")
	}
	return own
}

func rows(list [][]string) string {
	var b strings.Builder
	for _, r := range list {
		b.WriteString(strings.Join(r, "|") + "\n")
	}
	return b.String()
}

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("%s:\ngot:\n%s\nwant:\n%s", what, got, want)
	}
}

func mustFail(t *testing.T, db *pgtest.DB, sql, want string) {
	t.Helper()
	err := db.Try(sql)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s\nerror %v, want one with %q", sql, err, want)
	}
}

func TestValidate(t *testing.T) {
	db := install(t, "public")
	db.Exec(t, `CREATE TABLE "S 1" (id bigint NOT NULL, "a b" numeric(12,2), c text, only_s int);
		CREATE TABLE "T" (c varchar(10), "a b" numeric(10,2), id bigint)`)
	check(t, "report", rows(db.Query(t, `SELECT * FROM validate_table_schemas('public', 'S 1', 'public', 'T')`)), `
column_count|<NULL>|4|3|f
data_type|id|bigint|bigint|t
data_type|a b|numeric(12,2)|numeric(10,2)|f
data_type|c|text|character varying(10)|f
data_type|only_s|integer|<NULL>|f
nullability|id|NOT NULL|NULL|f
nullability|a b|NULL|NULL|t
nullability|c|NULL|NULL|t
nullability|only_s|NULL|<NULL>|f`)
	mustFail(t, db, `SELECT * FROM validate_table_schemas('public', 'nope', 'public', 'T')`, "table public.nope does not exist")
}

const tables = `
	CREATE TABLE tx (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, note text NOT NULL, amount numeric(12,2),
		double_amount numeric GENERATED ALWAYS AS (amount * 2) STORED, CONSTRAINT tx_positive CHECK (amount > 0),
		PRIMARY KEY (id, at), CONSTRAINT tx_note_once UNIQUE (note, at) DEFERRABLE) PARTITION BY RANGE (at);
	CREATE INDEX tx_amount ON tx (amount DESC) WHERE amount IS NOT NULL;
	CREATE TABLE tx_jan PARTITION OF tx FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
	CREATE TABLE tx_feb PARTITION OF tx FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
	CREATE TABLE staging (id bigint, at timestamptz, note text, amount numeric(12,2), double_amount numeric GENERATED ALWAYS AS (amount * 2) STORED);
	INSERT INTO staging (id, at, note, amount)
		SELECT i, '2024-01-01'::timestamptz + i * interval '1 minute', 'n' || i, i FROM generate_series(1, 1050) i;`

func TestReport(t *testing.T) {
	db := install(t, "public")
	db.Exec(t, tables, `UPDATE staging SET note = NULL WHERE id <= 3; UPDATE staging SET at = '2024-03-05' WHERE id = 4;
		INSERT INTO tx (at, note, amount) VALUES ('2024-01-05', 'there', 1), ('2024-02-05', 'other', 1)`)
	check(t, "report", rows(db.Query(t, `SELECT * FROM generate_migration_report('public', 'staging', 'public', 'tx', 'at', '2024-01')`)), `
staging_count|INFO|{"rows": 1050}
target_partition_count|WARNING|{"rows": 1}
partition_value|ERROR|{"rows_outside": 1}
schema_match|OK|{"differences": []}
null_check_id|OK|{"nulls": 0}
null_check_at|OK|{"nulls": 0}
null_check_note|ERROR|{"nulls": 3}`)
	db.Exec(t, `ALTER TABLE staging ALTER note TYPE varchar(20)`)
	check(t, "schema", db.One(t, `SELECT details FROM generate_migration_report('public', 'staging', 'public', 'tx', 'at', '2024-01') WHERE check_name = 'schema_match'`),
		`{"differences": [{"check": "data_type", "column": "note", "target": "text", "staging": "character varying(20)"}]}`)
	mustFail(t, db, `SELECT * FROM generate_migration_report('public', 'staging', 'public', 'tx', 'at', 'January')`, "invalid input syntax for type timestamp with time zone")
	mustFail(t, db, `SELECT * FROM generate_migration_report('public', 'staging', 'public', 'tx', 'when', '2024-01')`, "has no column")
}

func TestMigrateMovesEveryBatch(t *testing.T) {
	db := install(t, "public")
	db.Exec(t, tables)
	db.Exec(t, `CALL migrate_partition_data('public', 'staging', 'public', 'tx', 'at', '2024-01', false, 100)`)
	check(t, "moved", rows(db.Query(t, `SELECT (SELECT count(*) FROM staging), count(*), sum(id), sum(double_amount), count(DISTINCT xmin::text) FROM tx`)),
		"0|1050|551775|1103550.00|11")
}

func TestMigrateOnlyThePartition(t *testing.T) {
	db := install(t, "public")
	db.Exec(t, tables, `UPDATE staging SET at = '2024-02-05' WHERE id % 2 = 0`)
	db.Exec(t, `CALL migrate_partition_data('public', 'staging', 'public', 'tx', 'at', '2024-01', p_batch_size => 7)`)
	check(t, "moved", rows(db.Query(t, `SELECT (SELECT count(*) FROM staging), (SELECT count(*) FROM tx_jan), (SELECT count(*) FROM tx_feb)`)), "525|525|0")
}

func TestMigrateResumesAfterAFailure(t *testing.T) {
	db := install(t, "public")
	db.Exec(t, tables, `UPDATE staging SET amount = -1 WHERE id = 550; INSERT INTO tx (at, note, amount) VALUES ('2024-01-05', 'old', 1)`)
	mustFail(t, db, `CALL migrate_partition_data('public', 'staging', 'public', 'tx', 'at', '2024-01', true, 100)`, "tx_positive")
	moved := db.One(t, `SELECT count(*) FROM tx`)
	if moved == "0" || moved == "1050" {
		t.Fatalf("%s rows moved before the failure, want some", moved)
	}
	db.Exec(t, `UPDATE staging SET amount = 1 WHERE id = 550`)
	db.Exec(t, `CALL migrate_partition_data('public', 'staging', 'public', 'tx', 'at', '2024-01', true, 100)`)
	check(t, "all there, the old row gone, none deleted twice",
		rows(db.Query(t, `SELECT (SELECT count(*) FROM staging), count(*), count(*) FILTER (WHERE note = 'old'), COALESCE(obj_description('staging'::regclass), '') FROM tx`)),
		"0|1050|0|")
}

func TestMigrateRefuses(t *testing.T) {
	db := install(t, "public")
	db.Exec(t, tables, `CREATE FUNCTION eat() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id = 5 THEN RETURN NULL; END IF; RETURN NEW; END';
		CREATE TRIGGER eat BEFORE INSERT ON tx_jan FOR EACH ROW EXECUTE FUNCTION eat()`)
	mustFail(t, db, `CALL migrate_partition_data('public', 'staging', 'public', 'tx', 'at', '2024-01', false, 0)`, "must be at least 1")
	mustFail(t, db, `CALL migrate_partition_data('public', 'staging', 'public', 'staging', 'at', '2024-01')`, "same table")
	mustFail(t, db, `CALL migrate_partition_data('public', 'staging', 'public', 'tx', 'at', '2024-01')`, "the batch was rolled back")
	check(t, "nothing lost", db.One(t, `SELECT count(*) FROM staging`), "1050")
	db.Exec(t, `ALTER TABLE staging ALTER note TYPE varchar(9)`)
	mustFail(t, db, `CALL migrate_partition_data('public', 'staging', 'public', 'tx', 'at', '2024-01')`, "differ; nothing was moved")
}

func TestAttachReplacesTheOldPartitionWithoutAScan(t *testing.T) {
	db := install(t, "public")
	db.Exec(t, tables, `INSERT INTO tx (at, note, amount) VALUES ('2024-01-05', 'old', 1);
		CREATE TABLE tx_rest PARTITION OF tx DEFAULT; INSERT INTO tx (at, note, amount) VALUES ('2030-01-05', 'default', 1)`)
	notices := db.Notices(t, `SET client_min_messages = debug1`, `CALL attach_restored_partition('public', 'staging', 'public', 'tx', 'at', '2024-01-01', '2024-02-01')`)
	for _, want := range []string{
		`partition constraint for table "tx_jan" is implied by existing constraints`,
		`updated partition constraint for default partition "tx_rest" is implied by existing constraints`,
	} {
		if !strings.Contains(notices, want) {
			t.Errorf("the server does not say %q; it said:\n%s", want, notices)
		}
	}
	check(t, "partitions", rows(db.Query(t, `SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid WHERE inhparent = 'tx'::regclass ORDER BY 1`)),
		`tx_feb|FOR VALUES FROM ('2024-02-01 00:00:00+00') TO ('2024-03-01 00:00:00+00')
tx_jan|FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2024-02-01 00:00:00+00')
tx_rest|DEFAULT`)
	check(t, "rows", db.One(t, `SELECT count(*) FROM tx_jan`), "1050")
	check(t, "the old one is kept", db.One(t, `SELECT count(*) FROM pg_class WHERE relname ~ '^tx_jan_old_\d{14}$' AND NOT relispartition AND relkind = 'r'`), "1")
	check(t, "no CHECK is left", db.One(t, `SELECT count(*) FROM pg_constraint WHERE conname LIKE 'frostline\_bounds%'`), "0")
	check(t, "every parent index is attached, none was built anew",
		rows(db.Query(t, `SELECT p.relname, count(*) FROM pg_index i JOIN pg_class p ON p.oid = i.indexrelid JOIN pg_inherits h ON h.inhparent = i.indexrelid
			JOIN pg_index ci ON ci.indexrelid = h.inhrelid AND ci.indrelid = 'tx_jan'::regclass WHERE i.indrelid = 'tx'::regclass GROUP BY 1 ORDER BY 1`)),
		"tx_amount|1\ntx_note_once|1\ntx_pkey|1")
	check(t, "indexes", db.One(t, `SELECT count(*) FROM pg_index WHERE indrelid = 'tx_jan'::regclass`), "3")
}

func TestAttachRefusesRowsOutsideTheBounds(t *testing.T) {
	db := install(t, "public")
	db.Exec(t, tables, `UPDATE staging SET at = '2024-02-01' WHERE id = 9`)
	mustFail(t, db, `CALL attach_restored_partition('public', 'staging', 'public', 'tx', 'at', '2024-01-01', '2024-02-01')`, "frostline_bounds")
	db.Exec(t, `UPDATE staging SET at = '2024-01-31' WHERE id = 9`)
	db.Exec(t, `CALL attach_restored_partition('public', 'staging', 'public', 'tx', 'at', '2024-01-01', '2024-02-01')`)
	check(t, "called again it goes on", db.One(t, `SELECT count(*) FROM tx`), "1050")
	mustFail(t, db, `CALL attach_restored_partition('public', 'tx_feb', 'public', 'tx', 'at', '2024-02-01', '2024-03-01')`, "is a partition already")
	db.Exec(t, `CREATE TABLE l (a int) PARTITION BY LIST (a); CREATE TABLE s (a int)`)
	mustFail(t, db, `CALL attach_restored_partition('public', 's', 'public', 'l', 'a', '1', '2')`, "is not partitioned by RANGE")
}

// A reader that holds its lock makes attach wait a little, let go, and try again.
func TestAttachLetsGoOfTheLockQueue(t *testing.T) {
	db := install(t, "public")
	db.Exec(t, tables)
	db.Exec(t, `INSERT INTO tx (at, note, amount) VALUES ('2024-01-05', 'old', 1)`)
	reader := &pgtest.DB{DSN: db.DSN, Name: db.Name, Server: db.Server}
	reader.Exec(t, `BEGIN`, `SELECT count(*) FROM tx`)
	done := make(chan error, 1)
	go func() {
		attach := &pgtest.DB{DSN: db.DSN, Name: db.Name, Server: db.Server}
		if err := attach.Try(`SET lock_timeout = '200ms'`); err != nil {
			done <- err
			return
		}
		done <- attach.Try(`CALL attach_restored_partition('public', 'staging', 'public', 'tx', 'at', '2024-01-01', '2024-02-01')`)
	}()
	// The detach waits for the reader; a second reader must not wait behind it for longer than the lock timeout.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	second := &pgtest.DB{DSN: db.DSN, Name: db.Name, Server: db.Server}
	for waited := false; !waited; {
		if ctx.Err() != nil {
			t.Fatal("attach never waited for the reader's lock")
		}
		waited = second.One(t, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))::text`) == "true"
	}
	start := time.Now()
	second.One(t, `SELECT count(*) FROM tx`)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("a second reader waited %v behind a lock timeout of 200 ms", took)
	}
	reader.Exec(t, `COMMIT`)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	check(t, "rows", db.One(t, `SELECT count(*) FROM tx`), "1050")
}

func TestCleanup(t *testing.T) {
	db := install(t, "public")
	db.Exec(t, tables)
	mustFail(t, db, `CALL cleanup_after_migration('public', 'staging')`, "still has 1050 rows and no target was named")
	mustFail(t, db, `CALL cleanup_after_migration('public', 'staging', 'public', 'tx')`, "1050 of the 1050 rows of public.staging are not in public.tx")
	mustFail(t, db, `CALL cleanup_after_migration('public', 'tx_jan', p_verify_count => false)`, "is a partition of public.tx")
	// As many other rows in the target do not make up for them: the whole table's count is no proof.
	db.Exec(t, `INSERT INTO tx (at, note, amount) SELECT '2024-02-01'::timestamptz + i * interval '1 second', 'x' || i, 1 FROM generate_series(1, 2000) i`)
	mustFail(t, db, `CALL cleanup_after_migration('public', 'staging', 'public', 'tx')`, "1050 of the 1050 rows")
	db.Exec(t, `INSERT INTO tx (id, at, note, amount) OVERRIDING SYSTEM VALUE SELECT id, at, note, amount FROM staging`)
	db.Exec(t, `CALL cleanup_after_migration('public', 'staging', 'public', 'tx')`)
	check(t, "dropped", db.One(t, `SELECT count(*) FROM pg_class WHERE relname = 'staging'`), "0")
	db.Exec(t, `CALL cleanup_after_migration('public', 'staging')`) // again: nothing to do
}

// A copy that is not one: the same table, a child whose rows the parent shows, rows that row-level security hides.
func TestCleanupIsNotFooled(t *testing.T) {
	db := install(t, "public")
	db.Exec(t, `CREATE TABLE parent (a int, b float8); CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (1, 0.1);
		CREATE TABLE s (a int, b float8); INSERT INTO s VALUES (1, 0.1), (2, 0.2), (2, 0.2);
		CREATE TABLE t (b float8, a int); INSERT INTO t (a, b) VALUES (1, 0.1), (2, 0.2), (3, 0.2)`)
	mustFail(t, db, `CALL cleanup_after_migration('public', 's', 'public', 's')`, "are the same table")
	mustFail(t, db, `CALL cleanup_after_migration('public', 'child', 'public', 'parent')`, "is a partition of public.parent")
	mustFail(t, db, `CALL cleanup_after_migration('public', 's', 'public', 't')`, "1 of the 3 rows")
	db.Exec(t, `INSERT INTO t (a, b) VALUES (2, 0.20000000000000001110223)`)
	db.Exec(t, `ALTER TABLE s ENABLE ROW LEVEL SECURITY; ALTER TABLE s FORCE ROW LEVEL SECURITY; INSERT INTO t (a, b) VALUES (9, 9)`)
	mustFail(t, db, `CALL cleanup_after_migration('public', 's', 'public', 't')`, "row-level security")
	mustFail(t, db, `SELECT * FROM generate_migration_report('public', 's', 'public', 't', 'a', '1')`, "row-level security")
	db.Exec(t, `ALTER TABLE s NO FORCE ROW LEVEL SECURITY; CREATE VIEW uses AS SELECT * FROM s`)
	mustFail(t, db, `CALL cleanup_after_migration('public', 's', 'public', 't')`, "other objects depend on it")
	db.Exec(t, `DROP VIEW uses; SET extra_float_digits = 0`, `CALL cleanup_after_migration('public', 's', 'public', 't')`)
	check(t, "dropped", db.One(t, `SELECT COALESCE(to_regclass('s')::text, 'gone')`), "gone")
}

func TestHostileNames(t *testing.T) {
	db := install(t, `my "ops"; DROP TABLE x; --`)
	db.Exec(t, `CREATE SCHEMA "a.b c"; CREATE TABLE "a.b c"."Tä""ble'1" ("at'""x" date NOT NULL, "select" int) PARTITION BY RANGE ("at'""x");
		CREATE INDEX "I'""x" ON "a.b c"."Tä""ble'1" ("select");
		CREATE TABLE "a.b c"."st%I ag'e" ("at'""x" date, "select" int); INSERT INTO "a.b c"."st%I ag'e" VALUES ('2024-01-05', 1), ('2024-01-06', 2)`)
	s := `"my ""ops""; DROP TABLE x; --"`
	check(t, "report", db.One(t, `SELECT string_agg(result, ' ' ORDER BY check_name) FROM `+s+`.generate_migration_report('a.b c', 'st%I ag''e', 'a.b c', 'Tä"ble''1', 'at''"x', '2024-01')`), "OK OK OK INFO OK")
	db.Exec(t, `CALL `+s+`.attach_restored_partition('a.b c', 'st%I ag''e', 'a.b c', 'Tä"ble''1', 'at''"x', '2024-01-01', '2024-02-01')`)
	check(t, "rows", db.One(t, `SELECT count(*) FROM "a.b c"."Tä""ble'1"`), "2")
}
