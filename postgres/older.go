package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"frostline/coltype"
)

// AgedLeaf is a leaf and what its bounds, of all levels, say of a date or timestamp column: Lower <= column < Upper, as
// timestamp text in UTC ("2024-01-01 00:00:00", "-infinity").
type AgedLeaf struct {
	Leaf
	Lower, Upper string
}

// OlderLeaves are the leaves of t whose bounds put every row before now - age, oldest first; age is an interval as PostgreSQL reads
// it ("24 months", "90d"), and months are calendar months. The age is taken of a column by which t, or a partitioned table below it, is
// partitioned by RANGE, as the first key column: column, or the only such column whatever the name. Leaves without such a bound
// (DEFAULT, MAXVALUE) are never old. Times without a zone are UTC. ErrNoColumn: there is no such column; ErrBadValue: age.
func (db *DB) OlderLeaves(ctx context.Context, t *Table, column, age string, now time.Time) (aged string, leaves []AgedLeaf, err error) {
	op := fmt.Sprintf("find the partitions of %s older than %q", t.Name.plain(), age)
	if !t.Partitioned {
		return "", nil, fmt.Errorf("%s: %w: the table is not partitioned", op, ErrNoPartition)
	}
	cutoff, err := db.cutoff(ctx, op, age, now)
	if err != nil {
		return "", nil, err
	}
	nodes, err := db.nodes(ctx, op, t.OID)
	if err != nil {
		return "", nil, err
	}
	key, err := agedColumn(op, t, nodes, column)
	if err != nil {
		return "", nil, err
	}
	byOID := map[uint32]node{}
	for _, n := range nodes {
		byOID[n.OID] = n
	}
	var terms []string
	for i, n := range nodes {
		if !n.IsLeaf {
			continue
		}
		lower, upper := limits(byOID, n, key)
		if len(upper) > 0 {
			terms = append(terms, fmt.Sprintf("(%d, GREATEST(%s), LEAST(%s))", i, strings.Join(lower, ", "), strings.Join(upper, ", ")))
		}
	}
	if len(terms) == 0 {
		return key.Name, nil, nil
	}
	rows, err := db.QueryText(ctx, op, "SELECT i, lower::text, upper::text FROM (VALUES "+strings.Join(terms, ", ")+
		") AS v(i, lower, upper) WHERE upper <= "+cutoff+" ORDER BY upper, lower, i")
	if err != nil {
		return "", nil, err
	}
	for _, row := range rows {
		r := rowText(row)
		i, err := strconv.Atoi(r[0])
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", op, err)
		}
		leaves = append(leaves, AgedLeaf{nodes[i].Leaf, r[1], r[2]})
	}
	return key.Name, leaves, nil
}

// cutoff is now - age as SQL.
func (db *DB) cutoff(ctx context.Context, op, age string, now time.Time) (string, error) {
	if strings.TrimSpace(age) == "" || strings.ContainsRune(age, 0) {
		return "", fmt.Errorf("%s: %w: an interval such as '24 months' or '90 days' is needed", op, ErrBadValue)
	}
	interval := Literal(age) + "::interval"
	sql := "(" + Literal(now.UTC().Format("2006-01-02 15:04:05.999999")) + "::timestamp - " + interval + ")"
	rows, err := db.QueryText(ctx, op, "SELECT "+interval+" < '0'::interval, "+sql)
	if err != nil {
		return "", err
	}
	if *rows[0][0] == "t" {
		return "", fmt.Errorf("%s: %w: the age is negative", op, ErrBadValue)
	}
	return sql, nil
}

// agedColumn is the column whose age counts.
func agedColumn(op string, t *Table, nodes []node, column string) (*coltype.Column, error) {
	first := map[string]bool{} // the first columns of RANGE keys
	if t.Key != nil && t.Key.Strategy == 'r' {
		first[t.Key.Columns[0]] = true
	}
	for _, n := range nodes {
		if n.Strategy == 'r' {
			first[n.KeyColumns[0]] = true
		}
	}
	var fits []*coltype.Column
	var names []string
	for i := range t.Columns {
		c := &t.Columns[i]
		if !first[c.Name] || !timed(c) {
			continue
		}
		if c.Name == column {
			return c, nil
		}
		fits, names = append(fits, c), append(names, c.Name)
	}
	switch {
	case len(fits) == 1:
		return fits[0], nil
	case len(fits) > 1:
		return nil, fmt.Errorf("%s: %w: it is partitioned by several date columns (%s); name one", op, ErrNoColumn, strings.Join(names, ", "))
	}
	why := ""
	if t.Key != nil {
		why = ", its key is " + t.Key.Def
	}
	return nil, fmt.Errorf("%s: %w: it is not partitioned by RANGE of a date or timestamp column%s; name its partitions by value, name or bounds",
		op, ErrNoColumn, why)
}

// timed says whether a column holds dates or timestamps.
func timed(c *coltype.Column) bool {
	return c.Type.Base == "date" || c.Type.Base == "timestamp" || c.Type.Base == "timestamptz"
}

// limits are the bounds that the levels above and at n set on the column, as SQL timestamps.
func limits(byOID map[uint32]node, n node, c *coltype.Column) (lower, upper []string) {
	for ok := true; ok; n, ok = byOID[n.ParentOID] {
		if n.Strategy != 'r' || n.KeyColumns[0] != c.Name || n.Default() {
			continue
		}
		from, to := rangeBound(n.Bound)
		if len(from) == 0 || len(from) != len(n.KeyColumns) || len(to) != len(from) {
			continue
		}
		lower = append(lower, instant(c, from[0]))
		end := instant(c, to[0])
		// Of several columns, a row may have the bound's own first value unless the others are MINVALUE.
		for _, v := range to[1:] {
			if v != "MINVALUE" {
				step := "1 microsecond"
				if c.Type.Base == "date" {
					step = "1 day"
				}
				end = "(" + end + " + interval '" + step + "')"
				break
			}
		}
		upper = append(upper, end)
	}
	return lower, upper
}

func instant(c *coltype.Column, bound string) string {
	switch bound {
	case "MINVALUE":
		bound = "-infinity"
	case "MAXVALUE":
		bound = "infinity"
	}
	return Literal(bound) + "::" + c.Type.Base + "::timestamp"
}
