package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"frostline/coltype"
)

// Table describes a relation.
type Table struct {
	OID         uint32
	Name        Name
	Partitioned bool
	Persistence byte // p, u, t
	// Columns are the live ones with FieldName set, in attnum order. A partition's are listed in its root's order and with
	// the root's attnum, matched by name, since its own order may differ.
	Columns    []coltype.Column
	PrimaryKey []string
	Key        *PartitionKey // nil unless Partitioned
	Parent     *Name         // if it is itself a partition
	Bytes      int64         // of the heap and toast, partitions summed
	Rows       int64         // the planner's estimate, partitions summed; -1 unknown
}

// PartitionKey is a partition key.
type PartitionKey struct {
	Strategy byte     // r, l, h
	Columns  []string // "" stands for an expression
	Def      string   // pg_get_partkeydef
}

// keyJSON is SQL for a PartitionKey of the partitioned table whose OID the expression gives.
func keyJSON(oid string) string {
	return `(SELECT jsonb_build_object('Strategy', ascii(pk.partstrat::text), 'Def', pg_get_partkeydef(pk.partrelid),
	'Columns', (SELECT jsonb_agg(coalesce(a.attname::text, '') ORDER BY k.ord)
		FROM unnest(pk.partattrs::int2[]) WITH ORDINALITY AS k(num, ord)
		LEFT JOIN pg_attribute a ON a.attrelid = pk.partrelid AND a.attnum = k.num AND k.num <> 0))
	FROM pg_partitioned_table pk WHERE pk.partrelid = ` + oid + `)`
}

var tableSQL = `
SELECT c.oid, c.relkind, c.relpersistence, ` + keyJSON("c.oid") + `,
	(SELECT jsonb_build_object('Schema', pn.nspname, 'Table', p.relname) FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
		JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE i.inhrelid = c.oid AND c.relispartition),
	CASE WHEN c.relkind = 'p' THEN (SELECT coalesce(sum(pg_table_size(relid)), 0)::int8 FROM pg_partition_tree(c.oid) WHERE isleaf)
		ELSE pg_table_size(c.oid) END,
	CASE WHEN c.relkind = 'p' THEN (SELECT coalesce(sum(l.reltuples) FILTER (WHERE l.reltuples >= 0), 0)::int8
			FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf)
		ELSE c.reltuples::int8 END,
	(SELECT jsonb_agg(a.attname ORDER BY k.ord) FROM pg_index x, unnest(x.indkey::int2[]) WITH ORDINALITY AS k(num, ord), pg_attribute a
		WHERE x.indrelid = c.oid AND x.indisprimary AND k.ord <= x.indnkeyatts AND a.attrelid = c.oid AND a.attnum = k.num)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2`

// Table introspects; ErrNoTable names the nearest tables.
func (db *DB) Table(ctx context.Context, n Name) (*Table, error) {
	op := "inspect " + n.plain()
	rows, err := db.QueryText(ctx, op, tableSQL, n.Schema, n.Table)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, db.noTable(ctx, op, n)
	}
	r := rowText(rows[0])
	if !strings.Contains("rpf", r[1]) {
		kinds := map[string]string{"v": "a view", "m": "a materialized view", "i": "an index", "S": "a sequence", "I": "an index", "c": "a type", "t": "a toast table"}
		return nil, fmt.Errorf("%s: %w: it is %s", op, ErrNoTable, kinds[r[1]])
	}
	t := &Table{Name: n, Partitioned: r[1] == "p", Persistence: r[2][0]}
	oid, _ := strconv.ParseUint(r[0], 10, 32)
	t.OID = uint32(oid)
	t.Bytes, _ = strconv.ParseInt(r[5], 10, 64)
	t.Rows, _ = strconv.ParseInt(r[6], 10, 64)
	for _, part := range []struct {
		text string
		into any
	}{{r[3], &t.Key}, {r[4], &t.Parent}, {r[7], &t.PrimaryKey}} {
		if part.text != "" {
			if err := json.Unmarshal([]byte(part.text), part.into); err != nil {
				return nil, fmt.Errorf("%s: %w", op, err)
			}
		}
	}
	if t.Columns, err = db.columns(ctx, op, t.OID); err != nil {
		return nil, err
	}
	return t, nil
}

func (db *DB) noTable(ctx context.Context, op string, n Name) error {
	rows, err := db.QueryText(ctx, op, `SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1, 2 LIMIT 20000`)
	if err != nil {
		return err
	}
	var same, others []string
	for _, row := range rows {
		r := rowText(row)
		if r[0] == n.Schema {
			same = append(same, r[1])
		} else if r[1] == n.Table {
			others = append(others, r[0]+"."+r[1])
		}
	}
	near := append(others, nearest(n.Table, same, 5)...)
	return fmt.Errorf("%s: %w: %s%s", op, ErrNoTable, n.plain(), didYouMean(near))
}

// Exists says whether a relation of that name exists, of whatever kind.
func (db *DB) Exists(ctx context.Context, n Name) (bool, error) {
	rows, err := db.QueryText(ctx, "look for "+n.plain(), `SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2`, n.Schema, n.Table)
	return len(rows) > 0, err
}

// NameOf is the name of a relation by its OID: ErrNoTable.
func (db *DB) NameOf(ctx context.Context, oid uint32) (Name, error) {
	rows, err := db.QueryText(ctx, "look up a relation", `SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = $1::oid`, oid)
	if err != nil {
		return Name{}, err
	}
	if len(rows) == 0 {
		return Name{}, fmt.Errorf("look up a relation: %w: OID %d", ErrNoTable, oid)
	}
	r := rowText(rows[0])
	return Name{r[0], r[1]}, nil
}

// Count is count(*) of the rows that where (SQL, "" all) selects.
func (db *DB) Count(ctx context.Context, n Name, where string) (int64, error) {
	if where == "" {
		where = "true"
	}
	rows, err := db.QueryText(ctx, "count "+n.plain(), "SELECT count(*) FROM "+n.String()+" WHERE "+where)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(*rows[0][0], 10, 64)
}

// InfoColumn is one row of information_schema.columns: the contract's columns[].
type InfoColumn struct {
	Name, DataType, Nullable    string
	Default                     *string
	Ordinal                     int
	MaxLength, Precision, Scale *int64
}

// InfoColumns reads them in ordinal order. The view shows the columns that the user has some privilege on.
func (db *DB) InfoColumns(ctx context.Context, n Name) ([]InfoColumn, error) {
	op := "inspect " + n.plain()
	rows, err := db.QueryText(ctx, op, `SELECT column_name, data_type, is_nullable, column_default, ordinal_position,
		character_maximum_length, numeric_precision, numeric_scale
		FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position`, n.Schema, n.Table)
	if err != nil {
		return nil, err
	}
	columns := make([]InfoColumn, len(rows))
	for i, row := range rows {
		r := rowText(row)
		c := &columns[i]
		c.Name, c.DataType, c.Nullable, c.Default = r[0], r[1], r[2], row[3]
		c.Ordinal, _ = strconv.Atoi(r[4])
		for j, p := range []**int64{&c.MaxLength, &c.Precision, &c.Scale} {
			if row[5+j] != nil {
				if v, err := strconv.ParseInt(r[5+j], 10, 64); err == nil {
					*p = &v
				}
			}
		}
	}
	return columns, nil
}
