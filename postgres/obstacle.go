package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// Obstacle is a table that stands where a partition is to be attached: it has the partition's name, or is a partition with its
// bound. It is never dropped.
type Obstacle struct {
	Name    Name
	OID     uint32
	Parent  Name // of which it is a partition, zero when it is none
	Bound   string
	Pending bool // an interrupted DETACH CONCURRENTLY
	To      Name // what it is renamed to, the zero value keeps its name
}

const obstaclesSQL = `
SELECT jsonb_build_object('Name', jsonb_build_object('schema', n.nspname, 'table', c.relname), 'OID', c.oid::int8,
	'Parent', jsonb_build_object('schema', coalesce(pn.nspname, ''), 'table', coalesce(p.relname, '')),
	'Bound', coalesce(pg_get_expr(c.relpartbound, c.oid), ''), 'Pending', coalesce((to_jsonb(i)->>'inhdetachpending')::bool, false))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition LEFT JOIN pg_class p ON p.oid = i.inhparent LEFT JOIN pg_namespace pn ON pn.oid = p.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 OR pn.nspname = $3 AND p.relname = $4 AND pg_get_expr(c.relpartbound, c.oid) = $5
ORDER BY n.nspname = $1 AND c.relname = $2 DESC`

// Obstacles are the relation of a partition's name, if there is one, and then the other partition of parent with that bound.
func (db *DB) Obstacles(ctx context.Context, final, parent Name, bound string) ([]Obstacle, error) {
	op := "look for what is in the way of " + final.plain()
	rows, err := db.QueryText(ctx, op, obstaclesSQL, final.Schema, final.Table, parent.Schema, parent.Table, bound)
	if err != nil {
		return nil, err
	}
	found := make([]Obstacle, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal([]byte(*row[0]), &found[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
	}
	return found, nil
}

// moveAway is the SQL that detaches and renames it.
func (o Obstacle) moveAway() []string {
	var sql []string
	if o.Parent != (Name{}) {
		sql = append(sql, "ALTER TABLE "+o.Parent.String()+" DETACH PARTITION "+o.Name.String())
	}
	if o.To != (Name{}) && o.To != o.Name {
		sql = append(sql, "ALTER TABLE "+o.Name.String()+" RENAME TO "+Quote(o.To.Table))
	}
	return sql
}

func (a *attachment) replaces(n Name) bool {
	return slices.ContainsFunc(a.Replace, func(o Obstacle) bool { return o.Name == n })
}
