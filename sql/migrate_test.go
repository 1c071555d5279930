package sql_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"frostline/internal/pgtest"
)

// beside is a further session of the same role.
func beside(db *pgtest.DB) *pgtest.DB {
	return &pgtest.DB{DSN: db.DSN, Name: db.Name, Server: db.Server}
}

// The partition's value is read as the column's type reads it, and is never compared as text.
func TestPartitionValues(t *testing.T) {
	t.Parallel()
	db := install(t, "public")
	for _, c := range []struct {
		name, typ, value string
		in, out          []string
	}{
		{"date", "date", "2024-01-31", []string{"2024-01-31"}, []string{"2024-02-01", "2024-01-30"}},
		{"date, written otherwise", "date", "20240131", []string{"2024-01-31"}, []string{"2024-01-30"}},
		{"month of a date", "date", "2024-02", []string{"2024-02-01", "2024-02-29"}, []string{"2024-01-31", "2024-03-01", "infinity"}},
		{"year of a date", "date", "2024", []string{"2024-01-01", "2024-12-31"}, []string{"2023-12-31", "2025-01-01"}},
		{"day of a timestamp", "timestamp", "2024-01-31", []string{"2024-01-31", "2024-01-31 23:59:59.999999"}, []string{"2024-02-01"}},
		{"hour of a timestamp", "timestamp", "2024-01-31 13", []string{"2024-01-31 13:00", "2024-01-31 13:59:59.999999"}, []string{"2024-01-31 14:00", "2024-01-31 12:59"}},
		{"instant", "timestamp", "2024-01-31 13:30:00", []string{"2024-01-31 13:30:00"}, []string{"2024-01-31 13:30:01"}},
		{"timestamp(0)", "timestamp(0)", "2024-01", []string{"2024-01-31 23:59:59"}, []string{"2024-02-01"}},
		{"month with a zone, in UTC", "timestamptz", "2024-01", []string{"2024-01-31 23:59:59Z"}, []string{"2024-02-01 00:00:00Z", "2024-01-01 01:00:00+02"}},
		{"int", "int", "007", []string{"7"}, []string{"70"}},
		{"bigint", "bigint", "9007199254740993", []string{"9007199254740993"}, []string{"9007199254740992"}},
		{"numeric", "numeric(10,2)", "1.5", []string{"1.50"}, []string{"1.51"}},
		{"text that looks like a month", "text", "2024-01", []string{"2024-01"}, []string{"2024-01-01"}},
		{"text with signs", "text", `o'k "x" \ %`, []string{`o'k "x" \ %`}, []string{"ok"}},
		{"a value longer than the column is not cut", "varchar(3)", "abcdef", nil, []string{"abc"}},
		{"padded", "char(5)", "ab", []string{"ab   "}, []string{"abc"}},
		{"uuid", "uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", []string{"a0eebc999c0b4ef8bb6d6bb9bd380a11"}, []string{"a0eebc999c0b4ef8bb6d6bb9bd380a12"}},
		{"bool", "bool", "yes", []string{"t"}, []string{"f"}},
		{"domain over a date", "day", "2024-01", []string{"2024-01-05"}, []string{"2024-02-05"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			db.Exec(t, `DROP TABLE IF EXISTS s, t; DROP DOMAIN IF EXISTS day; CREATE DOMAIN day AS date;
				CREATE TABLE s (k `+c.typ+`); CREATE TABLE t (k `+c.typ+`)`)
			for _, v := range append(c.in, c.out...) {
				db.Query(t, `INSERT INTO s VALUES ($1::text::`+c.typ+`)`, v)
			}
			value := strings.ReplaceAll(c.value, "'", "''")
			check(t, "report", rows(db.Query(t, `SELECT details->>'rows_outside' FROM generate_migration_report('public', 's', 'public', 't', 'k', '`+value+`') WHERE check_name = 'partition_value'`)), fmt.Sprint(len(c.out)))
			db.Exec(t, `CALL migrate_partition_data('public', 's', 'public', 't', 'k', '`+value+`')`)
			check(t, "moved|left", rows(db.Query(t, `SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM s)`)), fmt.Sprintf("%d|%d", len(c.in), len(c.out)))
		})
	}
	db.Exec(t, `SET standard_conforming_strings = off; DROP TABLE s, t; CREATE TABLE s (k date); CREATE TABLE t (k date); INSERT INTO s VALUES ('2024-01-05')`,
		`CALL migrate_partition_data('public', 's', 'public', 't', 'k', '2024-01')`, `RESET standard_conforming_strings`)
	check(t, "with backslashes in strings", db.One(t, `SELECT count(*) FROM t`), "1")
	db.Exec(t, `DROP TABLE s, t; CREATE TABLE s (k int); CREATE TABLE t (k int); INSERT INTO s VALUES (NULL), (1)`)
	mustFail(t, db, `CALL migrate_partition_data('public', 's', 'public', 't', 'k', '2024-01')`, "invalid input syntax for type integer")
	db.Exec(t, `CALL migrate_partition_data('public', 's', 'public', 't', 'k', NULL)`)
	check(t, "NULL is a value", rows(db.Query(t, `SELECT k FROM t`)), pgtest.Null)
}

func TestMigrateBatches(t *testing.T) {
	t.Parallel()
	db := install(t, "public")
	for _, c := range []struct {
		rows, batch, transactions int
	}{{7, 1, 7}, {7, 2, 4}, {6, 3, 2}, {7, 7, 1}, {7, 50000, 1}, {0, 1, 0}} {
		t.Run(fmt.Sprintf("%d by %d", c.rows, c.batch), func(t *testing.T) {
			db.Exec(t, fmt.Sprintf(`DROP TABLE IF EXISTS s, t; CREATE TABLE s (k int, v int); CREATE TABLE t (k int, v int); CREATE INDEX ON s (k, v DESC);
				INSERT INTO s SELECT 1, i FROM generate_series(1, %d) i`, c.rows))
			db.Exec(t, fmt.Sprintf(`CALL migrate_partition_data('public', 's', 'public', 't', 'k', '1', p_batch_size => %d)`, c.batch))
			check(t, "moved", rows(db.Query(t, `SELECT count(*), count(DISTINCT v), count(DISTINCT xmin::text), (SELECT count(*) FROM s) FROM t`)),
				fmt.Sprintf("%d|%d|%d|0", c.rows, c.rows, c.transactions))
		})
	}
}

// A finished migration that is called again deletes nothing of what it has moved.
func TestMigrateTwiceWithDelete(t *testing.T) {
	db := install(t, "public")
	db.Exec(t, tables, `INSERT INTO tx (at, note, amount) VALUES ('2024-01-05', 'old', 1)`)
	const call = `CALL migrate_partition_data('public', 'staging', 'public', 'tx', 'at', '2024-01', true, 400)`
	for range 2 {
		said := db.Notices(t, call)
		check(t, "rows", rows(db.Query(t, `SELECT count(*), count(*) FILTER (WHERE note = 'old') FROM tx`)), "1050|0")
		if strings.Contains(said, "rows deleted") == strings.Contains(said, "nothing was deleted") {
			t.Errorf("it said %s", said)
		}
	}
}

// Two callers at once, both told to delete what is there: each row ends in the target once.
func TestMigrateConcurrently(t *testing.T) {
	t.Parallel()
	db := install(t, "public")
	db.Exec(t, tables, `INSERT INTO tx (at, note, amount) VALUES ('2024-01-05', 'old', 1)`)
	done := make(chan error, 3)
	for range cap(done) {
		go func() {
			done <- beside(db).Try(`CALL migrate_partition_data('public', 'staging', 'public', 'tx', 'at', '2024-01', true, 10)`)
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	check(t, "moved", rows(db.Query(t, `SELECT (SELECT count(*) FROM staging), count(*), count(DISTINCT id), sum(id), count(*) FILTER (WHERE note = 'old') FROM tx`)),
		"0|1050|1050|551775|0")
}

// A backend that is terminated in the middle loses and doubles nothing, and the next call goes on.
func TestMigrateKilled(t *testing.T) {
	t.Parallel()
	db := install(t, "public")
	db.Exec(t, tables, `INSERT INTO tx (at, note, amount) VALUES ('2024-01-05', 'old', 1)`)
	// Slow enough for a busy machine to catch it in the middle.
	db.Exec(t, `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF current_setting('application_name') = 'mover' THEN PERFORM pg_sleep(0.01); END IF; RETURN NULL; END $$;
		CREATE TRIGGER slow AFTER INSERT ON tx FOR EACH STATEMENT EXECUTE FUNCTION slow()`)
	const both = `SELECT (SELECT count(*) FROM staging) + count(*), count(DISTINCT id), count(*) FILTER (WHERE note = 'old') FROM tx WHERE id > 0`
	const call = `CALL migrate_partition_data('public', 'staging', 'public', 'tx', 'at', '2024-01', true, 2)`
	for kills := range 3 {
		done := make(chan error, 1)
		mover := beside(db)
		if err := mover.Try(`SET application_name = 'mover'`); err != nil {
			t.Fatal(err)
		}
		go func() { done <- mover.Try(call) }()
		target := 100 * (kills + 1)
		deadline := time.Now().Add(20 * time.Second)
		for db.One(t, fmt.Sprintf(`SELECT (count(*) FILTER (WHERE note <> 'old') >= %d)::text FROM tx`, target)) == "false" {
			if time.Now().After(deadline) {
				t.Fatalf("%d rows were never moved", target)
			}
		}
		db.Exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mover'`)
		if err := <-done; err == nil || !strings.Contains(err.Error(), "terminating connection") {
			t.Fatalf("error %v, want the terminated connection; is the table too small?", err)
		}
		got := db.Query(t, both)[0]
		if got[0] != "1050" || got[2] != "0" {
			t.Fatalf("after kill %d: rows in both, distinct, old: %v", kills, got)
		}
	}
	db.Exec(t, call)
	check(t, "all there once", rows(db.Query(t, `SELECT (SELECT count(*) FROM staging), count(*), count(DISTINCT id), sum(id), COALESCE(obj_description('staging'::regclass), '') FROM tx`)), "0|1050|1050|551775|")
}

func TestMigrateMovesSequencesAndFiresTriggers(t *testing.T) {
	db := install(t, "public")
	db.Exec(t, `CREATE SCHEMA app; CREATE TABLE app.seen (id bigint);
		CREATE TABLE app.t (id bigint GENERATED ALWAYS AS IDENTITY, n serial, day date NOT NULL, twice bigint GENERATED ALWAYS AS (id * 2) STORED);
		CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO seen VALUES (NEW.id); RETURN NEW; END';
		CREATE TRIGGER note BEFORE INSERT ON app.t FOR EACH ROW EXECUTE FUNCTION app.note();
		CREATE TABLE app.s (day date, twice bigint, n int, id bigint); INSERT INTO app.s SELECT '2024-01-05', 0, 500 + i, 1000 + i FROM generate_series(1, 9) i`)
	db.Exec(t, `SET search_path = app, public; SET lock_timeout = '7s'`, `CALL migrate_partition_data('app', 's', 'app', 't', 'day', '2024-01', p_batch_size => 4)`)
	check(t, "the session's settings are as they were", rows(db.Query(t, `SELECT current_setting('search_path'), current_setting('lock_timeout')`)), "app, public|7s")
	check(t, "the trigger found its table in the caller's path", db.One(t, `SELECT count(*) FROM seen`), "9")
	check(t, "generated anew", db.One(t, `SELECT sum(twice) FROM t`), "18090")
	check(t, "next values", rows(db.Query(t, `INSERT INTO t (day) VALUES ('2024-01-06') RETURNING id, n`)), "1010|510")
}

// Every wait for a lock ends, and nothing has happened then.
func TestLockTimeouts(t *testing.T) {
	t.Parallel()
	db := install(t, "public")
	db.Exec(t, tables)
	holder := beside(db)
	holder.Exec(t, `BEGIN; LOCK TABLE tx, staging IN ACCESS EXCLUSIVE MODE`)
	for _, call := range []string{
		`CALL migrate_partition_data('public', 'staging', 'public', 'tx', 'at', '2024-01')`,
		`CALL attach_restored_partition('public', 'staging', 'public', 'tx', 'at', '2024-03-01', '2024-04-01')`,
		`CALL cleanup_after_migration('public', 'staging', 'public', 'tx')`,
	} {
		caller := beside(db)
		caller.Exec(t, `SET lock_timeout = '50ms'`)
		mustFail(t, caller, call, "lock timeout")
	}
	// Without a setting of the session it is 5 s.
	start := time.Now()
	mustFail(t, beside(db), `CALL cleanup_after_migration('public', 'staging', 'public', 'tx')`, "lock timeout")
	if took := time.Since(start); took < 4*time.Second || took > 15*time.Second {
		t.Errorf("gave up after %v, want 5 s", took)
	}
	holder.Exec(t, `ROLLBACK`)
	check(t, "nothing was changed", rows(db.Query(t, `SELECT (SELECT count(*) FROM staging), (SELECT count(*) FROM tx), (SELECT count(*) FROM pg_constraint WHERE conrelid = 'staging'::regclass)`)), "1050|0|0")
}

// Grants are enough to migrate: nobody has to own the tables, unless rows are deleted first.
func TestMigrateWithGrantsOnly(t *testing.T) {
	srv := pgtest.Start(t)
	role := srv.Role(t, "mover", "NOSUPERUSER")
	db := install(t, "public")
	db.Exec(t, tables, `GRANT SELECT, DELETE ON staging TO `+role+`; GRANT SELECT, INSERT, DELETE ON tx TO `+role)
	mover := beside(db)
	mover.DSN = db.DSNAs(role, "")
	mustFail(t, mover, `CALL migrate_partition_data('public', 'staging', 'public', 'tx', 'at', '2024-01', true)`, "must be owner of")
	mustFail(t, mover, `BEGIN; CALL migrate_partition_data('public', 'staging', 'public', 'tx', 'at', '2024-01')`, "invalid transaction termination")
	mover.Exec(t, `ROLLBACK`)
	check(t, "nothing was done", rows(db.Query(t, `SELECT (SELECT count(*) FROM staging), (SELECT count(*) FROM tx)`)), "1050|0")
	said := mover.Notices(t, `CALL migrate_partition_data('public', 'staging', 'public', 'tx', 'at', '2024-01')`)
	if !strings.Contains(said, "sequence public.tx_id_seq of column id may not be changed by "+role) {
		t.Errorf("it said %s", said)
	}
	check(t, "moved", db.One(t, `SELECT count(*) FROM tx`), "1050")
}
