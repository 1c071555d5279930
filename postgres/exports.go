package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Tables are the ordinary and partitioned tables that are no partitions themselves, of all schemas but the system's, by name.
func (db *DB) Tables(ctx context.Context) ([]Name, error) {
	rows, err := db.QueryText(ctx, "list the tables", `SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
		AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%' ORDER BY 1, 2`)
	if err != nil {
		return nil, err
	}
	names := make([]Name, len(rows))
	for i, row := range rows {
		r := rowText(row)
		names[i] = Name{r[0], r[1]}
	}
	return names, nil
}

// DayCondition is the WHERE condition that selects one day, in UTC, of a date or timestamp column. ErrNoColumn names the nearest
// column, ErrBadValue its type.
func (db *DB) DayCondition(t *Table, column string, day time.Time) (where string, err error) {
	op := fmt.Sprintf("select a day of %s of %s", column, t.Name.plain())
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Name != column {
			continue
		}
		if !timed(c) {
			return "", fmt.Errorf("%s: %w: it has type %s, and a date or timestamp column is needed", op, ErrBadValue, c.Type.Name)
		}
		zone, at := "", func(d time.Time) string { return d.Format("2006-01-02 00:00:00") }
		switch c.Type.Base {
		case "date":
			at = func(d time.Time) string { return d.Format(time.DateOnly) }
		case "timestamptz":
			zone = "+00"
		}
		from, to := Literal(at(day)+zone), Literal(at(day.AddDate(0, 0, 1))+zone)
		return fmt.Sprintf("%[1]s >= %[2]s::%[4]s AND %[1]s < %[3]s::%[4]s", Quote(column), from, to, c.Type.Base), nil
	}
	return "", noColumn(op, t, column)
}

// HasRows says whether the relation, its partitions included, has a row that where selects.
func (db *DB) HasRows(ctx context.Context, n Name, where string) (bool, error) {
	rows, err := db.QueryText(ctx, "look for rows of "+n.plain(), "SELECT EXISTS (SELECT FROM "+n.String()+" WHERE "+where+")")
	if err != nil {
		return false, err
	}
	return strings.HasPrefix(*rows[0][0], "t"), nil
}
