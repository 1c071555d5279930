package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// ForeignKey is a foreign key of another table that refers to rows of a relation.
type ForeignKey struct {
	Name       string
	Table      Name // that has it
	References Name // the relation or an ancestor
	Condition  string
}

// inboundSQL finds the foreign keys that refer to $1 or to an ancestor of it, as a user declared them.
const inboundSQL = `
WITH RECURSIVE up(oid) AS (
	SELECT $1::oid
	UNION ALL
	SELECT i.inhparent FROM up JOIN pg_class c ON c.oid = up.oid AND c.relispartition JOIN pg_inherits i ON i.inhrelid = up.oid
)
SELECT jsonb_build_object('Name', k.conname, 'Table', jsonb_build_object('schema', n.nspname, 'table', c.relname),
	'References', jsonb_build_object('schema', rn.nspname, 'table', rc.relname),
	'Condition', (SELECT string_agg('p.' || quote_ident(pa.attname) || ' OPERATOR(' || quote_ident(opn.nspname) || '.' || op.oprname || ') f.' || quote_ident(fa.attname), ' AND ')
		FROM unnest(k.conkey, k.confkey, k.conpfeqop) AS x(fnum, pnum, eqop)
		JOIN pg_attribute fa ON fa.attrelid = k.conrelid AND fa.attnum = x.fnum
		JOIN pg_attribute pa ON pa.attrelid = k.confrelid AND pa.attnum = x.pnum
		JOIN pg_operator op ON op.oid = x.eqop JOIN pg_namespace opn ON opn.oid = op.oprnamespace))
FROM pg_constraint k JOIN up ON up.oid = k.confrelid JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class rc ON rc.oid = k.confrelid JOIN pg_namespace rn ON rn.oid = rc.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 ORDER BY n.nspname, c.relname, k.conname`

// InboundKeys are the foreign keys that refer to a relation or to a table that it is a partition of.
func (db *DB) InboundKeys(ctx context.Context, oid uint32) ([]ForeignKey, error) {
	const op = "look for foreign keys"
	rows, err := db.QueryText(ctx, op, inboundSQL, oid)
	if err != nil {
		return nil, err
	}
	keys := make([]ForeignKey, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal([]byte(*row[0]), &keys[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
	}
	return keys, nil
}

// detachSQL is the state of partition $1: parent, pending, whether the parent has a DEFAULT partition, another partition
// of the parent with a pending detach, and whether a foreign key touches the tree.
const detachSQL = `
SELECT pn.nspname, p.relname, coalesce((to_jsonb(i)->>'inhdetachpending')::bool, false),
	(SELECT partdefid <> 0 FROM pg_partitioned_table WHERE partrelid = p.oid),
	(SELECT format('%I.%I', on1.nspname, o.relname) FROM pg_inherits oi JOIN pg_class o ON o.oid = oi.inhrelid JOIN pg_namespace on1 ON on1.oid = o.relnamespace
		WHERE oi.inhparent = p.oid AND oi.inhrelid <> c.oid AND (to_jsonb(oi)->>'inhdetachpending')::bool LIMIT 1),
	EXISTS (SELECT 1 FROM pg_constraint k WHERE k.contype = 'f' AND (k.conrelid = p.oid OR k.confrelid = p.oid)),
	n.nspname, c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_inherits i ON i.inhrelid = c.oid JOIN pg_class p ON p.oid = i.inhparent
JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE c.oid = $1::oid AND c.relispartition`

// DetachPlan takes leaf out of its parent: CONCURRENTLY where the server can (14+, no DEFAULT partition), FINALIZE of an interrupted one, else
// plain under lock_timeout. ErrForeignKey names an inbound foreign key that makes it fail. No steps when it is detached already.
func (db *DB) DetachPlan(ctx context.Context, leaf Leaf) ([]Step, error) {
	op := "plan the detach of " + leaf.Name.plain()
	if _, err := db.NameOf(ctx, leaf.OID); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	rows, err := db.QueryText(ctx, op, detachSQL, leaf.OID)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	r := rowText(rows[0])
	parent, name := Name{r[0], r[1]}, Name{r[6], r[7]}
	pending, hasDefault, other, keys := r[2] == "t", r[3] == "t", r[4], r[5] == "t"
	if keys {
		if fixed := corruptingVersion(db.version); fixed != "" {
			return nil, fmt.Errorf("%s: %w: PostgreSQL %s corrupts the catalog entries of foreign keys when a partition is detached; nothing was done; upgrade to %s",
				op, ErrForeignKey, db.text, fixed)
		}
	}
	detach := "ALTER TABLE " + parent.String() + " DETACH PARTITION " + name.String()
	finalize := detach + " FINALIZE"
	if pending {
		return []Step{{Name: "finish the interrupted detach of " + name.plain(), SQL: []string{finalize}, Tx: true}}, nil
	}
	if err := db.referenced(ctx, op, leaf.OID, name); err != nil {
		return nil, err
	}
	if db.version < 140000 || hasDefault {
		return []Step{{Name: "detach " + name.plain(), SQL: []string{detach}, Tx: true}}, nil
	}
	if other != "" {
		return nil, fmt.Errorf("%s: %w: %s of the same table, and one at a time is possible; nothing was done; finish it with: ALTER TABLE %s DETACH PARTITION %s FINALIZE",
			op, ErrHalfDetached, other, parent, other)
	}
	return []Step{{Name: "detach " + name.plain(), SQL: []string{detach + " CONCURRENTLY"}, resume: finalize}}, nil
}

// referenced looks for rows of other tables that refer to rows of the partition: DETACH would fail (23503).
func (db *DB) referenced(ctx context.Context, op string, oid uint32, name Name) error {
	keys, err := db.InboundKeys(ctx, oid)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.References == name { // goes with the partition: the detach works, a drop does not
			return fmt.Errorf("%s: %w: %q of %s refers to the partition itself; nothing was done; drop that constraint first", op, ErrForeignKey, k.Name, k.Table.plain())
		}
		held, err := db.refers(ctx, op, k, name)
		if err != nil {
			return err
		}
		if held {
			return fmt.Errorf("%s: %w: %q of %s refers to rows of the partition; nothing was done; delete or archive those rows first",
				op, ErrForeignKey, k.Name, k.Table.plain())
		}
	}
	return nil
}

// corruptingVersion names the minor release that repaired ATTACH and DETACH of tables with foreign keys (release notes of
// November 2024), "" when the server has it.
func corruptingVersion(version int) string {
	fixed := map[int]int{13: 17, 14: 14, 15: 9, 16: 5, 17: 1}
	major, minor := version/10000, version%10000
	if want, ok := fixed[major]; ok && minor < want {
		return fmt.Sprintf("%d.%d", major, want)
	}
	return ""
}

// LiveColumns are the names of a relation's columns. It reads the catalogs alone, so it does not wait for a table that is locked.
func (db *DB) LiveColumns(ctx context.Context, n Name) ([]string, error) {
	rows, err := db.QueryText(ctx, "inspect "+n.plain(), `SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`, n.Schema, n.Table)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = *row[0]
	}
	return names, nil
}

// comment is an SQL comment of one line.
func comment(format string, args ...any) string {
	return "-- " + strings.NewReplacer("\n", " ", "\r", " ").Replace(fmt.Sprintf(format, args...))
}
