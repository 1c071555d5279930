package load

import (
	"context"
	"encoding/json"
	"fmt"

	"frostline/postgres"
)

// facts are what an existing target has beside its columns.
type facts struct {
	identity map[string]string // column → a or d
	defaults map[string]bool
	triggers []trigger
	indexes  []definition // plain ones, which can be dropped and made again as they were
	keys     []definition // foreign keys of the target, the same
	stays    int          // indexes that stay
}

type trigger struct{ Name, Enabled string }

// definition is a name and the definition that makes it again.
type definition struct{ Name, Def string }

// factsSQL reads the facts of $1. An index or key that has more than its definition tells (a comment, a tablespace, a role in
// CLUSTER or replication, a parent) stays where it is.
const factsSQL = `SELECT jsonb_build_object(
'identity', (SELECT jsonb_object_agg(attname, attidentity) FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped AND attidentity <> ''),
'defaults', (SELECT jsonb_object_agg(attname, true) FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped AND atthasdef),
'triggers', (SELECT jsonb_agg(jsonb_build_object('Name', tgname, 'Enabled', tgenabled) ORDER BY tgname) FROM pg_trigger
	WHERE tgrelid = $1::oid AND NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgtype & 4 <> 0),
'indexes', (SELECT jsonb_agg(jsonb_build_object('Name', format('%I.%I', n.nspname, c.relname), 'Def', pg_get_indexdef(c.oid)) ORDER BY c.relname)
	FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class t ON t.oid = x.indrelid
	WHERE x.indrelid = $1::oid AND t.relkind = 'r' AND NOT c.relispartition AND x.indisvalid AND NOT x.indisunique AND NOT x.indisexclusion
	AND NOT x.indisclustered AND NOT x.indisreplident AND c.reltablespace = 0
	AND NOT EXISTS (SELECT 1 FROM pg_description d WHERE d.classoid = 'pg_class'::regclass AND d.objoid = c.oid)
	AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND coalesce(a.attstattarget, -1) >= 0)
	AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid)),
'keys', (SELECT jsonb_agg(jsonb_build_object('Name', k.conname, 'Def', pg_get_constraintdef(k.oid)) ORDER BY k.conname)
	FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid WHERE k.conrelid = $1::oid AND t.relkind = 'r' AND k.contype = 'f' AND k.conparentid = 0
	AND k.convalidated AND NOT EXISTS (SELECT 1 FROM pg_description d WHERE d.classoid = 'pg_constraint'::regclass AND d.objoid = k.oid)),
'all', (SELECT count(*) FROM pg_index WHERE indrelid = $1::oid))`

func (l *Loader) inspect(ctx context.Context, t *postgres.Table) (facts, error) {
	rows, err := l.DB.QueryText(ctx, "inspect "+t.Name.Schema+"."+t.Name.Table, factsSQL, t.OID)
	if err != nil {
		return facts{}, err
	}
	var f struct {
		Identity      map[string]string
		Defaults      map[string]bool
		Triggers      []trigger
		Indexes, Keys []definition
		All           int
	}
	if err := json.Unmarshal([]byte(*rows[0][0]), &f); err != nil {
		return facts{}, fmt.Errorf("inspect the target: %w", err)
	}
	return facts{f.Identity, f.Defaults, f.Triggers, f.Indexes, f.Keys, f.All - len(f.Indexes)}, nil
}
