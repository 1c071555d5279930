package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Leaf is a leaf partition.
type Leaf struct {
	OID        uint32
	Name       Name
	Parent     Name   // its direct parent
	Bound      string // pg_get_expr(relpartbound): "FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')" or DEFAULT
	Constraint string // pg_get_partition_constraintdef, all levels; "" for a DEFAULT without siblings
	Strategy   byte   // of the direct parent
	KeyColumns []string
	From, To   []string // RANGE on plain columns: bound values as text, "MINVALUE", "MAXVALUE"; else nil
	Bytes      int64
	Rows       int64 // the planner's estimate, -1 unknown
	Pending    bool  // an interrupted DETACH CONCURRENTLY: its rows are not seen through the parent any more
}

// Default says whether it is a DEFAULT partition.
func (l Leaf) Default() bool { return l.Bound == "DEFAULT" }

// node is a partition of any level.
type node struct {
	Leaf
	ParentOID uint32
	IsLeaf    bool
	HeapBytes int64
}

// nodesSQL walks pg_inherits rather than pg_partition_tree, which hides partitions with a pending detach.
var nodesSQL = `
WITH RECURSIVE tree(oid) AS (
	SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = $1::oid
	UNION ALL
	SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
)
SELECT jsonb_build_object('OID', c.oid::int8, 'Name', jsonb_build_object('Schema', n.nspname, 'Table', c.relname),
	'ParentOID', p.oid::int8, 'Parent', jsonb_build_object('Schema', pn.nspname, 'Table', p.relname),
	'Bound', pg_get_expr(c.relpartbound, c.oid), 'Constraint', coalesce(pg_get_partition_constraintdef(c.oid), ''),
	'IsLeaf', c.relkind <> 'p', 'Rows', c.reltuples::int8,
	'Bytes', CASE WHEN c.relkind <> 'p' THEN pg_table_size(c.oid) ELSE 0 END,
	'Pending', coalesce((to_jsonb(i)->>'inhdetachpending')::bool, false)), ` + keyJSON("p.oid") + `
FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_inherits i ON i.inhrelid = c.oid JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
WHERE c.relispartition
ORDER BY pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', n.nspname, c.relname`

func (db *DB) nodes(ctx context.Context, op string, root uint32) ([]node, error) {
	rows, err := db.QueryText(ctx, op, nodesSQL, root)
	if err != nil {
		return nil, err
	}
	nodes := make([]node, len(rows))
	for i, row := range rows {
		r := rowText(row)
		n := &nodes[i]
		var key PartitionKey
		if err := json.Unmarshal([]byte(r[0]), n); err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		if err := json.Unmarshal([]byte(r[1]), &key); err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		n.Strategy, n.KeyColumns = key.Strategy, key.Columns
		plain := true
		for _, c := range key.Columns {
			plain = plain && c != ""
		}
		if key.Strategy == 'r' && plain {
			n.From, n.To = rangeBound(n.Bound)
		}
	}
	return nodes, nil
}

// Leaves are all leaf partitions in the order that psql lists them: by name, DEFAULT last.
func (db *DB) Leaves(ctx context.Context, t *Table) ([]Leaf, error) {
	nodes, err := db.nodes(ctx, "list the partitions of "+t.Name.plain(), t.OID)
	if err != nil {
		return nil, err
	}
	var leaves []Leaf
	for _, n := range nodes {
		if n.IsLeaf {
			leaves = append(leaves, n.Leaf)
		}
	}
	return leaves, nil
}

// Leaf is the partition with that OID, wherever it hangs: ErrNoPartition when the relation is no partition (any more).
func (db *DB) Leaf(ctx context.Context, oid uint32) (Leaf, error) {
	name, err := db.NameOf(ctx, oid)
	if err != nil {
		return Leaf{}, err
	}
	op := "inspect " + name.plain()
	rows, err := db.QueryText(ctx, op, `SELECT inhparent FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhrelid = $1::oid AND relispartition`, oid)
	if err != nil {
		return Leaf{}, err
	}
	if len(rows) == 0 {
		return Leaf{}, fmt.Errorf("%s: %w: it is not a partition", op, ErrNoPartition)
	}
	parent, err := strconv.ParseUint(*rows[0][0], 10, 32)
	if err != nil {
		return Leaf{}, fmt.Errorf("%s: %w", op, err)
	}
	nodes, err := db.nodes(ctx, op, uint32(parent))
	if err != nil {
		return Leaf{}, err
	}
	for _, n := range nodes {
		if n.OID == oid {
			return n.Leaf, nil
		}
	}
	return Leaf{}, fmt.Errorf("%s: %w: it was detached just now", op, ErrNoPartition)
}

// rangeBound takes FOR VALUES FROM (…) TO (…) apart.
func rangeBound(bound string) (from, to []string) {
	rest, ok := strings.CutPrefix(bound, "FOR VALUES FROM ")
	if !ok || rest == "" || rest[0] != '(' {
		return nil, nil
	}
	end := closing(rest, 0)
	if end < 0 || !strings.HasPrefix(rest[end+1:], " TO (") {
		return nil, nil
	}
	return boundValues(rest[1:end]), boundValues(rest[end+6 : len(rest)-1])
}

// listBound takes FOR VALUES IN (…) apart; hasNull says that NULL is one of the values.
func listBound(bound string) (values []string, hasNull bool) {
	rest, ok := strings.CutPrefix(bound, "FOR VALUES IN (")
	if !ok {
		return nil, false
	}
	for _, item := range splitComma(strings.TrimSuffix(rest, ")")) {
		if item == "NULL" {
			hasNull = true
		} else {
			values = append(values, unquoteLiteral(item))
		}
	}
	return values, hasNull
}

func boundValues(list string) []string {
	items := splitComma(list)
	for i, item := range items {
		items[i] = unquoteLiteral(item)
	}
	return items
}

func splitComma(s string) []string {
	var items []string
	start := 0
	for i := 0; i < len(s); {
		if j := skipQuoted(s, i); j > i {
			i = j
			continue
		}
		if s[i] == ',' {
			items = append(items, strings.TrimSpace(s[start:i]))
			start = i + 1
		}
		i++
	}
	return append(items, strings.TrimSpace(s[start:]))
}

// unquoteLiteral is the value of a constant as the deparser prints it in a bound: 'it”s', E'a\\b', 12, true.
func unquoteLiteral(s string) string {
	escaped := strings.HasPrefix(s, "E'")
	if escaped {
		s = s[1:]
	}
	if len(s) < 2 || s[0] != '\'' {
		return s
	}
	s = strings.ReplaceAll(s[1:len(s)-1], "''", "'")
	if escaped {
		s = strings.ReplaceAll(s, `\\`, `\`)
	}
	return s
}
