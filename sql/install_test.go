package sql_test

import (
	"fmt"
	"strings"
	"testing"

	"frostline/internal/pgtest"
	fsql "frostline/sql"
)

const routines = `SELECT p.proname, p.prokind, left(obj_description(p.oid, 'pg_proc'), 18) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = `

func all() string {
	mark := "|frostline " + fsql.Version
	return strings.NewReplacer("|f", "|f"+mark, "|p", "|p"+mark).Replace(`attach_restored_partition|p
cleanup_after_migration|p
frostline_advance_sequences|f
frostline_overlapping_partitions|f
frostline_partition_condition|f
generate_migration_report|f
migrate_partition_data|p
validate_table_schemas|f`)
}

func TestInstall(t *testing.T) {
	db := install(t, `ops "1"`)
	check(t, "routines", rows(db.Query(t, routines+`'ops "1"' ORDER BY 1`)), all())
	if len(fsql.Version) != 8 {
		t.Errorf("version %q", fsql.Version)
	}
}

// An upgrade keeps the grants of what stays, and leaves no routine of ours with other arguments behind.
func TestUpgrade(t *testing.T) {
	srv := pgtest.Start(t)
	reader := srv.Role(t, "reader", "NOSUPERUSER")
	db := install(t, "ops")
	db.Exec(t, `REVOKE ALL ON FUNCTION ops.validate_table_schemas FROM public; GRANT EXECUTE ON FUNCTION ops.validate_table_schemas TO `+reader,
		// an older release: other arguments, other names of arguments, another result, one more helper
		`DROP PROCEDURE ops.cleanup_after_migration; CREATE PROCEDURE ops.cleanup_after_migration(p_staging_table text) LANGUAGE sql AS 'SELECT 1';
		 COMMENT ON PROCEDURE ops.cleanup_after_migration(text) IS 'frostline: drops';
		 DROP FUNCTION ops.generate_migration_report; CREATE FUNCTION ops.generate_migration_report(p_staging_schema text, p_staging_table text, p_target_schema text, p_target_table text,
			p_partition_column text, p_partition_value text) RETURNS TABLE (check_name text, result text) LANGUAGE sql AS 'SELECT 1, 2';
		 COMMENT ON FUNCTION ops.generate_migration_report IS 'frostline 01234567: counts';
		 DROP PROCEDURE ops.attach_restored_partition; CREATE PROCEDURE ops.attach_restored_partition(a text, b text, c text, d text, e text, f text, g text) LANGUAGE sql AS 'SELECT 1';
		 COMMENT ON PROCEDURE ops.attach_restored_partition IS 'frostline: attaches';
		 CREATE FUNCTION ops.frostline_gone() RETURNS int LANGUAGE sql AS 'SELECT 1'; COMMENT ON FUNCTION ops.frostline_gone() IS 'frostline: was used once';
		 CREATE FUNCTION ops.frostline_mine(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'; COMMENT ON FUNCTION ops.frostline_mine(int) IS 'reads the frostline: log'`)
	db.Exec(t, fsql.Install("ops"), fsql.Install("ops"))
	check(t, "routines", rows(db.Query(t, routines+`'ops' AND p.proname <> 'frostline_mine' ORDER BY 1`)), all())
	check(t, "not ours", db.One(t, `SELECT count(*) FROM pg_proc WHERE proname = 'frostline_mine'`), "1")
	check(t, "grants", db.One(t, `SELECT has_function_privilege('`+reader+`', 'ops.validate_table_schemas(text,text,text,text)', 'EXECUTE')::text`), "true")
	check(t, "and they are still those", db.One(t, `SELECT count(*) FROM pg_proc p, aclexplode(proacl) a WHERE proname = 'validate_table_schemas' AND a.grantee = 0`), "0")
}

func TestUninstall(t *testing.T) {
	const schema = `o'p"s $$ \`
	db := install(t, schema)
	const quoted = `"o'p""s $$ \"`
	db.Exec(t, `CREATE PROCEDURE `+quoted+`.migrate_partition_data(mine int) LANGUAGE sql AS 'SELECT 1'`,
		`CREATE VIEW uses AS SELECT * FROM `+quoted+`.validate_table_schemas('a', 'b', 'c', 'd')`)
	mustFail(t, db, fsql.Uninstall(schema), "other objects depend on it")
	db.Exec(t, `ROLLBACK; DROP VIEW uses`, fsql.Uninstall(schema))
	left := rows(db.Query(t, `SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1::text`, schema))
	check(t, "only what is not ours is left", left, quoted+`.migrate_partition_data(integer)`)
	db.Exec(t, fsql.Uninstall(schema), fsql.Uninstall("no such schema"))
}

// Who may create in a schema that is there needs no right on the database.
func TestInstallIntoASchemaThatIsThere(t *testing.T) {
	srv := pgtest.Start(t)
	role := srv.Role(t, "guest", "NOSUPERUSER")
	db := srv.Database(t)
	db.Exec(t, fmt.Sprintf(`REVOKE ALL ON DATABASE %s FROM public; GRANT CONNECT ON DATABASE %[1]s TO "%s"; CREATE SCHEMA ops; GRANT ALL ON SCHEMA ops TO "%[2]s"`, db.Name, role))
	guest := &pgtest.DB{DSN: db.DSNAs(role, ""), Name: db.Name, Server: srv}
	guest.Exec(t, fsql.Install("ops"))
	mustFail(t, guest, fsql.Install("another"), "permission denied for database")
}
