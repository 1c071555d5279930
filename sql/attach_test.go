package sql_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// shape is every partition with its bounds, and what stands on the parent's default and on staging.
const shape = `SELECT string_agg(c.relname || ' ' || COALESCE(pg_get_expr(c.relpartbound, c.oid), '-') || ' ' ||
	(SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid AND contype <> 'n') || ' ' || (SELECT count(*) FROM pg_index WHERE indrelid = c.oid) || c.relpersistence::text, ', ' ORDER BY c.relname)
	FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')`

func TestAttachKeys(t *testing.T) {
	t.Parallel()
	db := install(t, "public")
	for _, c := range []struct {
		name, typ, old, from, to, row, bound string
	}{
		{"date", "date", `FROM ('2024-01-01') TO ('2024-02-01')`, "2024-01-01", "2024-02-01", "2024-01-05", `FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')`},
		{"date, written otherwise", "date", `FROM ('2024-01-01') TO ('2024-02-01')`, "20240101", "Feb 1 2024", "2024-01-05", `FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')`},
		{"int", "int", `FROM (1) TO (10)`, "1", "10", "5", `FOR VALUES FROM (1) TO (10)`},
		{"negative int", "int", `FROM (-10) TO (-1)`, "-10", "-1", "-5", `FOR VALUES FROM ('-10') TO ('-1')`},
		{"bigint", "bigint", `FROM (9007199254740992) TO (9007199254740994)`, "9007199254740992", "9007199254740994", "9007199254740993", `FOR VALUES FROM ('9007199254740992') TO ('9007199254740994')`},
		{"text with signs", "text", `FROM ('a''") TO (b') TO ('c\%I')`, `a''") TO (b`, `c\%I`, "b", `FOR VALUES FROM ('a''") TO (b') TO ('c\%I')`},
		{"timestamp(0)", "timestamp(0)", `FROM ('2024-01-01') TO ('2024-01-02')`, "2024-01-01", "2024-01-02", "2024-01-01 10:00", `FOR VALUES FROM ('2024-01-01 00:00:00') TO ('2024-01-02 00:00:00')`},
		{"uuid", "uuid", `FROM ('a0000000-0000-0000-0000-000000000000') TO ('b0000000-0000-0000-0000-000000000000')`, "A0000000-0000-0000-0000-000000000000", "b0000000-0000-0000-0000-000000000000",
			"a5000000-0000-0000-0000-000000000000", `FOR VALUES FROM ('a0000000-0000-0000-0000-000000000000') TO ('b0000000-0000-0000-0000-000000000000')`},
		{"numeric", "numeric(10,2)", `FROM (1.5) TO (2.5)`, "1.5", "2.5", "2", `FOR VALUES FROM (1.50) TO (2.50)`},
		{"open below", "int", `FROM (MINVALUE) TO (10)`, "MINVALUE", "10", "-5", `FOR VALUES FROM (MINVALUE) TO (10)`},
		{"open above", "date", `FROM ('2024-01-01') TO (MAXVALUE)`, "2024-01-01", "MAXVALUE", "2124-01-01", `FOR VALUES FROM ('2024-01-01') TO (MAXVALUE)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			db.Exec(t, fmt.Sprintf(`DROP TABLE IF EXISTS p, s; CREATE TABLE p (k %[1]s, v text) PARTITION BY RANGE (k); CREATE TABLE "the Old" PARTITION OF p FOR VALUES %[2]s;
				INSERT INTO p VALUES ('%[3]s', 'old'); CREATE TABLE s (v text, k %[1]s); INSERT INTO s VALUES ('new', '%[3]s')`, c.typ, c.old, c.row))
			bound := func() string {
				return db.One(t, `SELECT string_agg(c.relname || ' ' || pg_get_expr(relpartbound, c.oid), ', ') FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'p'::regclass`)
			}
			before := bound()
			said := db.Notices(t, `SET client_min_messages = debug1`, fmt.Sprintf(`CALL attach_restored_partition('public', 's', 'public', 'p', 'k', '%s', '%s')`, c.from, c.to))
			if !strings.Contains(said, `partition constraint for table "the Old" is implied by existing constraints`) {
				t.Errorf("it was scanned; the server said:\n%s", said)
			}
			if after := bound(); after != before {
				t.Errorf("partition %s, before it was %s", after, before)
			}
			check(t, "rows", rows(db.Query(t, `SELECT v FROM p`)), "new")
			old := db.One(t, `SELECT relname FROM pg_class WHERE relname ~ '^the Old_old_\d{14}$'`)
			check(t, "the old one is kept", db.One(t, `SELECT v FROM "`+old+`"`), "old")
			db.Exec(t, `DROP TABLE "`+old+`"`)
		})
	}
}

// What cannot be attached is refused before anything is touched.
func TestAttachRefusesAndChangesNothing(t *testing.T) {
	t.Parallel()
	const start = `CREATE TABLE p (k int NOT NULL, v text, CONSTRAINT v_ok CHECK (v <> '')) PARTITION BY RANGE (k); CREATE INDEX ON p (v);
		CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (20) TO (MAXVALUE); CREATE TABLE rest PARTITION OF p DEFAULT;
		INSERT INTO p VALUES (1, 'one'), (15, 'fifteen'); CREATE TABLE s (k int, v text); INSERT INTO s VALUES (5, 'new');`
	db := install(t, "public")
	for _, c := range []struct {
		name, more, from, to, want string
	}{
		{"overlap from below", "", "5", "12", "the range FOR VALUES FROM ('5') TO ('12') overlaps partition public.p1; nothing was done"},
		{"within another", "", "2", "8", "overlaps partition public.p1"},
		{"around another", "", "-5", "12", "overlaps partition public.p1"},
		{"open end over another", "", "12", "MAXVALUE", "overlaps partition public.p2"},
		{"empty range", "", "12", "12", "is empty; nothing was done"},
		{"turned round", "", "14", "12", "is empty; nothing was done"},
		{"rows in the DEFAULT partition", "", "10", "20", "the DEFAULT partition public.rest holds rows of the range"},
		{"no such value", "", "a", "20", "invalid input syntax for type integer"},
		{"another type", "ALTER TABLE s ALTER v TYPE varchar(9)", "16", "18", "differ in columns v; nothing was done"},
		{"a column more", "ALTER TABLE s ADD w int", "16", "18", "differ in columns w; nothing was done"},
		{"a column less", "ALTER TABLE s DROP v", "16", "18", "differ in columns v; nothing was done"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db.Exec(t, `DROP TABLE IF EXISTS p, s`, start+c.more)
			before := db.One(t, shape)
			mustFail(t, db, fmt.Sprintf(`CALL attach_restored_partition('public', 's', 'public', 'p', 'k', '%s', '%s')`, c.from, c.to), c.want)
			check(t, "tables", db.One(t, shape), before)
		})
	}

	t.Run("a failed ATTACH gives the old partition back", func(t *testing.T) {
		db.Exec(t, `DROP TABLE IF EXISTS p, s`, start, `DELETE FROM rest; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
			CREATE TRIGGER same BEFORE INSERT ON p FOR EACH ROW EXECUTE FUNCTION f(); CREATE TRIGGER same BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION f()`)
		mustFail(t, db, `CALL attach_restored_partition('public', 's', 'public', 'p', 'k', '0', '10')`, `trigger "same" for relation "p1" already exists; staging public.s is ready and was not attached`)
		check(t, "partitions", db.One(t, `SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY 1) FROM pg_inherits WHERE inhparent = 'p'::regclass`), "p1 p2 rest")
		check(t, "the DEFAULT partition takes rows again", db.One(t, `SELECT count(*) FROM pg_constraint WHERE conrelid = 'rest'::regclass AND conname ~ '^frostline'`), "0")
	})
	t.Run("not the owner", func(t *testing.T) {
		db.Exec(t, `DROP TABLE IF EXISTS p, s`, start+`GRANT ALL ON ALL TABLES IN SCHEMA public TO public`)
		other := beside(db)
		other.DSN = db.DSNAs(db.Server.Role(t, "other", "NOSUPERUSER"), "")
		mustFail(t, other, `CALL attach_restored_partition('public', 's', 'public', 'p', 'k', '12', '14')`, "does not own")
	})
}

// All that the parent asks for is made on staging first, or what staging has of it is taken.
func TestAttachMakesStagingLikeThePartition(t *testing.T) {
	t.Parallel()
	db := install(t, "public")
	major := db.Server.Major
	db.Exec(t, `CREATE TABLE ref (id int PRIMARY KEY); INSERT INTO ref VALUES (1), (2);
		CREATE TABLE pref (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day); CREATE TABLE pref1 PARTITION OF pref DEFAULT; INSERT INTO pref VALUES (1, '2024-01-05'), (2, '2024-01-06');
		CREATE TABLE p (id bigint GENERATED ALWAYS AS IDENTITY, day date NOT NULL, r int REFERENCES ref, note text NOT NULL, len int GENERATED ALWAYS AS (length(note)) STORED,
			CONSTRAINT p_note CHECK (note <> ''), CONSTRAINT p_pref FOREIGN KEY (r, day) REFERENCES pref (id, day), PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
		CREATE INDEX p_lower ON p (lower(note)) INCLUDE (r) WHERE r > 0; CREATE UNIQUE INDEX p_once ON p (note, day);
		CREATE INDEX p_lower_twin ON p (lower(note)) INCLUDE (r) WHERE r > 0; CREATE UNIQUE INDEX p_key_twin ON p (id, day);
		CREATE UNLOGGED TABLE s (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, day date, r int, note text, len int GENERATED ALWAYS AS (length(note)) STORED);
		ALTER TABLE s DROP CONSTRAINT s_pkey; ALTER TABLE s ADD CONSTRAINT own_key PRIMARY KEY (id, day); CREATE UNIQUE INDEX own_once ON s (note, day);
		INSERT INTO s (id, day, r, note) VALUES (7, '2024-01-05', 1, 'x');
		ALTER TABLE s ADD CONSTRAINT frostline_bounds_12345678 CHECK (day < '2000-01-01') NOT VALID`) // of a call with wrong bounds
	if major >= 18 {
		db.Exec(t, `ALTER TABLE s ADD CONSTRAINT later NOT NULL note NOT VALID; ALTER TABLE p ADD CONSTRAINT never CHECK (r < 0) NOT ENFORCED`)
	}
	if major >= 17 {
		db.Exec(t, `ALTER TABLE p ADD span int4range, ADD CONSTRAINT apart EXCLUDE USING btree (day WITH =, span WITH =); ALTER TABLE s ADD span int4range`)
	}
	said := db.Notices(t, `SET client_min_messages = debug1`, `CALL attach_restored_partition('public', 's', 'public', 'p', 'day', '2024-01-01', '2024-02-01')`)
	_, attach, _ := strings.Cut(said, `partition constraint for table "s" is implied by existing constraints`)
	if attach == "" || strings.Contains(attach, "verifying table") || strings.Contains(attach, "building index") || strings.Contains(attach, "validating foreign key constraint") {
		t.Errorf("ATTACH scanned; the server said:\n%s", said)
	}
	check(t, "own indexes are taken", rows(db.Query(t, `SELECT c.relname, p.relname FROM pg_inherits h JOIN pg_class c ON c.oid = inhrelid JOIN pg_class p ON p.oid = inhparent WHERE c.relkind = 'i' AND c.relname ~ '^own' ORDER BY 1`)), "own_key|p_pkey\nown_once|p_once")
	// Before the bounds ATTACH looks at the indexes: one that it builds has a name of the server's. That of an EXCLUDE constraint it always builds.
	built := "<NULL>"
	if major >= 17 {
		built = "s_day_span_excl"
	}
	check(t, "indexes that ATTACH built under its lock", db.One(t, `SELECT string_agg(c.relname, ' ') FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = 's'::regclass AND c.relname !~ '^(own|frostline)_'`), built)
	check(t, "indexes that nothing needs", db.One(t, `SELECT string_agg(c.relname, ' ') FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = 's'::regclass AND NOT c.relispartition`), "<NULL>")
	check(t, "persistence", db.One(t, `SELECT relpersistence FROM pg_class WHERE relname = 's'`), "p")
	check(t, "foreign keys", rows(db.Query(t, `SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 's'::regclass AND contype = 'f' AND conname IN ('p_pref', 'p_r_fkey') ORDER BY 1`)), "p_pref|t\np_r_fkey|t")
	check(t, "no CHECK of ours is left", db.One(t, `SELECT count(*) FROM pg_constraint WHERE conname ~ '^frostline_bounds'`), "0")
	check(t, "the next id is behind the restored one", rows(db.Query(t, `INSERT INTO p (day, r, note) VALUES ('2024-01-06', 2, 'yy') RETURNING id, len`)), "8|2")
	mustFail(t, db, `INSERT INTO p (day, r, note) VALUES ('2024-01-06', 3, 'z')`, "violates foreign key constraint")
}

// Names as long as they can be, of more than one byte a character.
func TestAttachLongNames(t *testing.T) {
	db := install(t, `a$$b $x$`)
	name := strings.Repeat("é", 31)
	db.Exec(t, `CREATE TABLE p (k int) PARTITION BY RANGE (k); CREATE TABLE "`+name+`" PARTITION OF p FOR VALUES FROM (0) TO (10); CREATE TABLE s (k int); INSERT INTO s VALUES (1)`)
	db.Exec(t, `CALL "a$$b $x$".attach_restored_partition('public', 's', 'public', 'p', 'k', '0', '10')`)
	check(t, "names", db.One(t, `SELECT string_agg(relname, ' ' ORDER BY length(relname)) FROM pg_class WHERE relkind = 'r' AND relname ~ '^é' AND relname ~ '^é+(_old_\d{14})?$'`), name+" "+db.One(t, `SELECT relname FROM pg_class WHERE relname ~ '_old_\d{14}$'`))
}

// A temporal key of the parent is left to ATTACH, which takes none that is there.
func TestAttachTemporalKey(t *testing.T) {
	t.Parallel()
	db := install(t, "public")
	if db.Server.Major < 18 {
		t.Skip("WITHOUT OVERLAPS came with PostgreSQL 18")
	}
	db.Exec(t, `CREATE EXTENSION btree_gist; CREATE TABLE p (day date, span int4range, PRIMARY KEY (day, span WITHOUT OVERLAPS)) PARTITION BY RANGE (day);
		CREATE TABLE s (day date, span int4range); INSERT INTO s VALUES ('2024-01-05', '[1,3)'), ('2024-01-05', '[3,4)')`)
	db.Exec(t, `CALL attach_restored_partition('public', 's', 'public', 'p', 'day', '2024-01-01', '2024-02-01')`)
	check(t, "its key", db.One(t, `SELECT string_agg(pg_get_constraintdef(oid), '; ') FROM pg_constraint WHERE conrelid = 's'::regclass AND contype = 'p'`), "PRIMARY KEY (day, span WITHOUT OVERLAPS)")
	mustFail(t, db, `INSERT INTO p VALUES ('2024-01-05', '[2,9)')`, "conflicting key value")
}

// An attach that is killed while it waits for the parent goes on when it is called again.
func TestAttachKilled(t *testing.T) {
	t.Parallel()
	db := install(t, "public")
	db.Exec(t, tables, `CREATE TABLE tx_rest PARTITION OF tx DEFAULT`)
	reader := beside(db)
	reader.Exec(t, `BEGIN; SELECT count(*) FROM tx_jan`)
	const call = `CALL attach_restored_partition('public', 'staging', 'public', 'tx', 'at', '2024-01-01', '2024-02-01')`
	attach := beside(db)
	if err := attach.Try(`SET application_name = 'attach'; SET lock_timeout = '20s'`); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- attach.Try(call) }()
	deadline := time.Now().Add(15 * time.Second)
	for db.One(t, `SELECT count(*) FROM pg_stat_activity a JOIN pg_locks USING (pid) WHERE application_name = 'attach' AND NOT granted`) != "1" {
		if time.Now().After(deadline) {
			t.Fatal("attach never waited for the reader")
		}
		time.Sleep(10 * time.Millisecond)
	}
	db.Exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'attach'`)
	if err := <-done; err == nil || !strings.Contains(err.Error(), "terminating connection") {
		t.Fatalf("error %v, want the terminated connection", err)
	}
	reader.Exec(t, `COMMIT`)
	check(t, "the sequence is moved before the attach, after which no call could do it", db.One(t, `SELECT last_value FROM tx_id_seq`), "1050")
	check(t, "the old partition is still there", db.One(t, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'tx'::regclass AND inhrelid = 'tx_jan'::regclass`), "1")
	db.Exec(t, call)
	check(t, "rows|checks left", rows(db.Query(t, `SELECT (SELECT count(*) FROM tx_jan), (SELECT count(*) FROM pg_constraint WHERE conname LIKE 'frostline\_bounds%')`)), "1050|0")
}
