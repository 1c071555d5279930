package e2e

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"frostline/internal/pgtest"
	"frostline/postgres"
)

// richTable has of everything that belongs to a partition. $other and $gone are roles.
const richTable = `
	CREATE SCHEMA app; CREATE SCHEMA "ty pes"; CREATE SCHEMA fn;
	CREATE COLLATION "ty pes".dir (PROVIDER = libc, LC_COLLATE = 'C', LC_CTYPE = 'C');
	CREATE COLLATION "ty pes"."nd i" (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
	CREATE TYPE "ty pes".mood AS ENUM ('sad', 'it''s ok', 'happy');
	CREATE DOMAIN "ty pes".code AS text COLLATE "ty pes".dir DEFAULT 'x' CONSTRAINT short CHECK (length(VALUE) < 10) NOT NULL;
	CREATE TYPE "ty pes".pair AS (a int, b text COLLATE "ty pes".dir, m "ty pes".mood[]);
	CREATE DOMAIN "ty pes".pairs AS "ty pes".pair[];
	CREATE TYPE "ty pes".span AS RANGE (SUBTYPE = text, COLLATION = "ty pes".dir, MULTIRANGE_TYPE_NAME = "ty pes"."many spans");
	CREATE TYPE "ty pes".nums AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi);
	CREATE SEQUENCE app.loose INCREMENT 10 START 5 MAXVALUE 100000 CYCLE;
	CREATE FUNCTION fn.stays() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
	CREATE FUNCTION fn.goes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
	CREATE TABLE app.tx (
		id bigint GENERATED ALWAYS AS IDENTITY, day date NOT NULL, c "ty pes".code, m "ty pes".mood DEFAULT 'it''s ok', p "ty pes".pair, ps "ty pes".pairs, s "ty pes".span,
		ss "ty pes"."many spans", n "ty pes".nums, seq bigint DEFAULT nextval('app.loose'), amount numeric(12,2) DEFAULT 0, doubled numeric GENERATED ALWAYS AS (amount * 2) STORED,
		note text COLLATE "ty pes"."nd i", big text, PRIMARY KEY (id, day), CONSTRAINT positive CHECK (amount >= 0), UNIQUE (day, seq)) PARTITION BY RANGE (day);
	CREATE TABLE app.tx_2024_01 PARTITION OF app.tx FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
	CREATE INDEX "by ""note""" ON app.tx_2024_01 (lower(note) COLLATE "ty pes".dir DESC NULLS LAST, amount) INCLUDE (m) WHERE amount > 0;
	CREATE INDEX ON app.tx_2024_01 USING brin (day) WITH (pages_per_range = 4);
	ALTER INDEX app."by ""note""" ALTER COLUMN 1 SET STATISTICS 77;
	ALTER TABLE app.tx_2024_01 ADD CONSTRAINT "leaf's own" CHECK (day >= '2024-01-01') NOT VALID, ADD CONSTRAINT apart EXCLUDE USING gist (s WITH &&, n WITH &&) WHERE (id < 0),
		ALTER big SET STORAGE EXTERNAL, ALTER big SET STATISTICS 42, ALTER note SET (n_distinct = -0.5), ALTER amount SET DEFAULT 7, ALTER m SET NOT NULL,
		SET (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_vacuum_threshold = 99), REPLICA IDENTITY FULL;
	CREATE STATISTICS app.both (dependencies, ndistinct) ON m, amount FROM app.tx_2024_01;
	ALTER STATISTICS app.both SET STATISTICS 33;
	CREATE TRIGGER "stays ""here""" BEFORE UPDATE OF amount ON app.tx_2024_01 FOR EACH ROW WHEN (old.amount IS DISTINCT FROM new.amount) EXECUTE FUNCTION fn.stays('a', ' EXECUTE FUNCTION ');
	CREATE TRIGGER goes AFTER INSERT ON app.tx_2024_01 FOR EACH STATEMENT EXECUTE FUNCTION fn.goes();
	ALTER TABLE app.tx_2024_01 DISABLE TRIGGER "stays ""here""";
	ALTER TABLE app.tx_2024_01 ENABLE ROW LEVEL SECURITY; ALTER TABLE app.tx_2024_01 FORCE ROW LEVEL SECURITY;
	CREATE POLICY "see ""own""" ON app.tx_2024_01 AS RESTRICTIVE FOR SELECT TO $other USING (c = current_user::text);
	CREATE POLICY everyone ON app.tx_2024_01 USING (true) WITH CHECK (amount < 1e6);
	GRANT SELECT, UPDATE ON app.tx_2024_01 TO $other WITH GRANT OPTION; GRANT INSERT (day, note) ON app.tx_2024_01 TO PUBLIC; GRANT DELETE ON app.tx_2024_01 TO $gone;
	COMMENT ON TABLE app.tx_2024_01 IS 'January''s "rows"'; COMMENT ON COLUMN app.tx_2024_01.note IS E'line 1\nline 2'; COMMENT ON INDEX app."by ""note""" IS 'an index';
	COMMENT ON CONSTRAINT positive ON app.tx_2024_01 IS 'a check'; COMMENT ON STATISTICS app.both IS 'statistics'; COMMENT ON TRIGGER "stays ""here""" ON app.tx_2024_01 IS 'a trigger';
	CLUSTER app.tx_2024_01 USING tx_2024_01_pkey;
	INSERT INTO app.tx (day, c, m, p, ps, s, ss, n, amount, note, big) SELECT '2024-01-01'::date + i % 31, 'c' || i, 'sad', ('(' || i || ',b,{happy})')::"ty pes".pair,
		ARRAY[('(' || i || ',,)')::"ty pes".pair], '[a,b)', '{[a,b),[c,d)}', '[1,2.5)', i, 'Note ' || i, repeat('x', i) FROM generate_series(1, 300) i`

// catalog is what the catalogs say of app.tx_2024_01, queried here and not by the product, and in a form without OIDs.
const catalog = `
	SELECT 'column', a.attname::text, concat_ws(' | ', format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation, a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attgenerated, a.attstorage,
			a.attcompression, nullif(a.attstattarget::text, '-1'), a.attoptions, col_description(a.attrelid, a.attnum))
		FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = 'app.tx_2024_01'::regclass AND a.attnum > 0 AND NOT a.attisdropped
	UNION ALL SELECT 'constraint', conname, concat_ws(' | ', contype, pg_get_constraintdef(oid), convalidated, obj_description(oid, 'pg_constraint')) FROM pg_constraint WHERE conrelid = 'app.tx_2024_01'::regclass
	UNION ALL SELECT 'index', c.relname, concat_ws(' | ', pg_get_indexdef(c.oid), indisprimary, indisunique, indisclustered, indisreplident, indisvalid, obj_description(c.oid, 'pg_class'),
			(SELECT string_agg(attnum || '=' || attstattarget, ' ') FROM pg_attribute WHERE attrelid = c.oid AND attstattarget > 0))
		FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE indrelid = 'app.tx_2024_01'::regclass
	UNION ALL SELECT 'trigger', tgname, concat_ws(' | ', pg_get_triggerdef(oid), tgenabled, obj_description(oid, 'pg_trigger')) FROM pg_trigger WHERE tgrelid = 'app.tx_2024_01'::regclass AND NOT tgisinternal
	UNION ALL SELECT 'policy', policyname, concat_ws(' | ', permissive, roles, cmd, qual, with_check) FROM pg_policies WHERE schemaname = 'app' AND tablename = 'tx_2024_01'
	UNION ALL SELECT 'grant', coalesce(r.rolname, 'PUBLIC'), concat_ws(' | ', g.col, g.privilege_type, g.is_grantable)
		FROM (SELECT ''::name AS col, e.* FROM pg_class, aclexplode(relacl) e WHERE oid = 'app.tx_2024_01'::regclass UNION ALL
			SELECT attname, e.* FROM pg_attribute, aclexplode(attacl) e WHERE attrelid = 'app.tx_2024_01'::regclass) g LEFT JOIN pg_roles r ON r.oid = g.grantee
	UNION ALL SELECT 'statistics', stxname, concat_ws(' | ', pg_get_statisticsobjdef(oid), stxstattarget, obj_description(oid, 'pg_statistic_ext')) FROM pg_statistic_ext WHERE stxrelid = 'app.tx_2024_01'::regclass
	UNION ALL SELECT 'table', relname, concat_ws(' | ', relpersistence, (SELECT array_agg(o ORDER BY o) FROM unnest(reloptions) o), (SELECT reloptions FROM pg_class t WHERE t.oid = c.reltoastrelid),
			relrowsecurity, relforcerowsecurity, relreplident, relowner::regrole, obj_description(oid, 'pg_class')) FROM pg_class c WHERE oid = 'app.tx_2024_01'::regclass
	UNION ALL SELECT 'type', format_type(t.oid, -1), concat_ws(' | ', t.typtype, nullif(format_type(t.typbasetype, t.typtypmod), '-'), t.typnotnull, t.typdefault, nullif(t.typcollation, 0)::regcollation,
			(SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid), (SELECT string_agg(conname || pg_get_constraintdef(oid), ',') FROM pg_constraint WHERE contypid = t.oid),
			(SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attcollation::regcollation), ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = t.typrelid AND t.typrelid <> 0),
			(SELECT concat_ws(' ', rngsubtype::regtype, rngcollation::regcollation, rngsubdiff, format_type(rngmultitypid, -1)) FROM pg_range WHERE rngtypid = t.oid))
		FROM pg_type t WHERE typnamespace = '"ty pes"'::regnamespace
	UNION ALL SELECT 'collation', collname, concat_ws(' | ', collprovider, collisdeterministic, collcollate, collctype, colliculocale) FROM pg_collation WHERE collnamespace = '"ty pes"'::regnamespace
	UNION ALL SELECT 'sequence', sequencename, concat_ws(' | ', data_type, start_value, min_value, max_value, increment_by, cycle, cache_size, last_value) FROM pg_sequences WHERE schemaname = 'app' AND sequencename = 'loose'
	ORDER BY 1, 2, 3`

// The record alone makes the partition again in an empty database, where even its types are missing.
func TestBundle(t *testing.T) {
	server := pgtest.Start(t)
	if server.Major < 15 {
		t.Skipf("the test's own look at the catalogs is for PostgreSQL 15 and later, this is %d", server.Major)
	}
	other, gone := server.Role(t, "other", ""), server.Role(t, "gone", "")
	w := newWorld(t, "file://"+filepath.Join(t.TempDir(), "warehouse"))
	w.db.Exec(t, "SET search_path = pg_catalog")
	for _, sql := range strings.Split(strings.NewReplacer("$other", other, "$gone", gone).Replace(richTable), ";\n") {
		w.db.Exec(t, sql)
	}
	rows := func(db *pgtest.DB) [][]string { return db.Query(t, `SELECT x::text FROM app.tx_2024_01 x ORDER BY id`) }
	before, data := w.db.Query(t, catalog), rows(w.db)
	res := w.run("archive", "--schema", "app", "--table", "tx", "--partition-column", "day", "--partition-value", "2024-01", "--retire", "drop")

	w.db.Exec(t, `DROP SCHEMA app CASCADE; DROP SCHEMA "ty pes" CASCADE; DROP SCHEMA fn CASCADE; DROP ROLE `+gone)
	empty := *w
	empty.db = server.Database(t)
	empty.env = append(slices.Clone(w.env), "DATABASE_URL="+empty.db.DSN)
	empty.db.Exec(t, `SET search_path = pg_catalog`, `CREATE SCHEMA fn`, `CREATE FUNCTION fn.stays() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`)
	empty.run("restore", "--source-path", res["location"].(string), "--target-schema", "app", "--target-table", "staging")

	// Everything else comes from the record's bundle, as for a table that is attached to nothing.
	var record struct {
		Definition postgres.Definition `json:"definition"`
	}
	if err := json.Unmarshal(readRecord(t, res["location"].(string)), &record); err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(t.Context(), postgres.Config{DSN: empty.db.DSN, Application: "bundle test"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	steps, err := db.AttachPlan(t.Context(), postgres.AttachOptions{Staging: postgres.Name{Schema: "app", Table: "staging"}, Final: record.Definition.Name, Definition: &record.Definition})
	if err != nil {
		t.Fatal(err)
	}
	var skipped []string
	for _, s := range steps {
		for _, sql := range s.SQL {
			if strings.HasPrefix(sql, "--") {
				skipped = append(skipped, sql)
			}
		}
		if err := db.RunStep(t.Context(), s); err != nil {
			t.Fatalf("%s: %v\n%s", s.Name, err, strings.Join(s.SQL, ";\n"))
		}
	}
	// What is gone cannot come back, and is said.
	if want := []string{`-- skipped trigger "goes": function fn.goes() does not exist`, `-- skipped GRANT DELETE: role "` + gone + `" does not exist`}; !slices.Equal(skipped, want) {
		t.Errorf("skipped %q\nwant %q", skipped, want)
	}
	want := slices.DeleteFunc(slices.Clone(before), func(r []string) bool { return r[0] == "trigger" && r[1] == "goes" || r[0] == "grant" && r[1] == gone })
	after := empty.db.Query(t, catalog)
	for _, r := range want {
		if !slices.ContainsFunc(after, func(a []string) bool { return slices.Equal(a, r) }) {
			t.Errorf("missing   %s", strings.Join(r, " | "))
		}
	}
	for _, a := range after {
		if !slices.ContainsFunc(want, func(r []string) bool { return slices.Equal(a, r) }) {
			t.Errorf("not there before   %s", strings.Join(a, " | "))
		}
	}
	if len(want) < 50 {
		t.Errorf("only %d facts were compared", len(want))
	}
	if !slices.EqualFunc(rows(empty.db), data, slices.Equal) {
		t.Error("the rows came back otherwise")
	}
}
