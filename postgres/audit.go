package postgres

import (
	"context"
	"strconv"
	"strings"
)

// AuditColumn is one column of an audit row; an empty Value is NULL.
type AuditColumn struct {
	Name, Type, Value string
}

// WriteAudit adds a row to an audit table, which is made first when it is not there. A table that is there needs these columns, and
// INSERT on it and USAGE of its schema are then enough.
func (db *DB) WriteAudit(ctx context.Context, table Name, row []AuditColumn) error {
	op := "write the audit row to " + table.plain()
	exists, err := db.Exists(ctx, table)
	if err != nil {
		return err
	}
	if !exists {
		var columns []string
		for _, c := range row {
			columns = append(columns, Quote(c.Name)+" "+c.Type)
		}
		create := "CREATE TABLE IF NOT EXISTS " + table.String() + " (" + strings.Join(columns, ", ") + ", PRIMARY KEY (" + Quote(row[0].Name) + "))"
		// Of two that create it at once, one fails although IF NOT EXISTS: the INSERT shows whether it is there.
		if err := db.Exec(ctx, op, create); err != nil {
			if exists, again := db.Exists(ctx, table); again != nil || !exists {
				return err
			}
		}
	}
	var names, params []string
	var values []any
	for i, c := range row {
		names = append(names, Quote(c.Name))
		params = append(params, "$"+strconv.Itoa(i+1)+"::"+c.Type)
		if c.Value == "" {
			values = append(values, nil)
		} else {
			values = append(values, strings.ReplaceAll(strings.ToValidUTF8(c.Value, "?"), "\x00", "")) // what text can hold
		}
	}
	_, err = db.QueryText(ctx, op, "INSERT INTO "+table.String()+" ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(params, ", ")+")", values...)
	return err
}
