package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// byPeriod finds the leaf that covers all of the period, or the only one that lies within it.
func (f *finder) byPeriod(ctx context.Context, p period) (Leaf, error) {
	from, last, to := p.timestamps()
	takes, err := f.admit(ctx, from, last)
	if err != nil {
		return Leaf{}, err
	}
	var covers, defaults []Leaf
	for i, l := range f.leaves {
		if takes[0][i] && takes[1][i] {
			if l.Default() {
				defaults = append(defaults, l)
			} else if l.Strategy != 'h' || f.oneDay(from, last) {
				covers = append(covers, l)
			}
		}
	}
	if len(covers) > 0 {
		return f.choose(ctx, covers, defaults)
	}
	relations, err := f.compare(ctx, from, to)
	if err != nil {
		return Leaf{}, err
	}
	var within, overlap []Leaf
	for i, l := range f.leaves {
		switch relations[i] {
		case "within":
			within = append(within, l)
			overlap = append(overlap, l)
		case "overlap":
			overlap = append(overlap, l)
		}
	}
	if len(overlap) == 1 && len(within) == 0 {
		return Leaf{}, fmt.Errorf("%s: %w: the period lies only in part in %s; give a value or the partition's name", f.op, ErrNoPartition, list(overlap))
	}
	return f.choose(ctx, overlap, defaults)
}

// oneDay says whether the period is one value of the column: a day of a date.
func (f *finder) oneDay(from, last string) bool {
	return f.column.Type.Base == "date" && from[:10] == last[:10]
}

// compare relates each leaf's bounds on the column to the period: "within", "overlap" or "". A leaf without such bounds, at any
// level, is "".
func (f *finder) compare(ctx context.Context, from, to string) ([]string, error) {
	result := make([]string, len(f.leaves))
	byOID := map[uint32]node{}
	for _, n := range f.nodes {
		byOID[n.OID] = n
	}
	typ := f.column.Type.Base
	cast := func(v string) string {
		switch v {
		case "MINVALUE":
			v = "-infinity"
		case "MAXVALUE":
			v = "infinity"
		}
		return Literal(v) + "::" + typ + "::timestamp"
	}
	start, end := Literal(from)+"::timestamp", Literal(to)+"::timestamp"
	var terms []string
	var index []int
	for i, l := range f.leaves {
		var within, overlap []string
		for n, ok := byOID[l.OID]; ok; n, ok = byOID[n.ParentOID] {
			if len(n.KeyColumns) != 1 || n.KeyColumns[0] != f.column.Name || n.Default() {
				continue
			}
			if n.Strategy == 'r' && len(n.From) == 1 && len(n.To) == 1 {
				within = append(within, cast(n.From[0])+" >= "+start+" AND "+cast(n.To[0])+" <= "+end)
				overlap = append(overlap, cast(n.From[0])+" < "+end+" AND "+cast(n.To[0])+" > "+start)
			}
			if n.Strategy == 'l' {
				values, hasNull := listBound(n.Bound)
				var all, some []string
				for _, v := range values {
					inside := "(" + cast(v) + " >= " + start + " AND " + cast(v) + " < " + end + ")"
					all, some = append(all, inside), append(some, inside)
				}
				if hasNull || len(values) == 0 {
					all = append(all, "false")
				}
				within = append(within, strings.Join(all, " AND "))
				overlap = append(overlap, "("+strings.Join(append(some, "false"), " OR ")+")")
			}
		}
		if len(within) > 0 && !l.Default() {
			terms = append(terms, fmt.Sprintf("CASE WHEN NOT (%s) THEN '' WHEN (%s) THEN 'within' ELSE 'overlap' END",
				strings.Join(overlap, " AND "), strings.Join(within, ") OR (")))
			index = append(index, i)
		}
	}
	if len(terms) == 0 {
		return result, nil
	}
	rows, err := f.db.QueryText(ctx, f.op, "SELECT x FROM unnest(ARRAY["+strings.Join(terms, ", ")+"]) WITH ORDINALITY AS u(x, i) ORDER BY i")
	if err != nil {
		return nil, err
	}
	for i, row := range rows {
		result[index[i]] = *row[0]
	}
	return result, nil
}

// nearestLeaves are up to four leaves around the value in bound order, where bounds can be ordered, else the first ones.
func (f *finder) nearestLeaves(ctx context.Context) []Leaf {
	first := f.leaves[:min(4, len(f.leaves))]
	value := f.value
	if p, ok := parsePeriod(value); ok && f.timed() {
		value, _, _ = p.timestamps()
	}
	types, err := f.db.keyTypes(ctx, f.op, f.t)
	if err != nil {
		return first
	}
	typ := types[f.column.Name].Type
	var rows []string
	for i, l := range f.leaves {
		if len(l.From) == 1 && len(l.KeyColumns) == 1 && l.KeyColumns[0] == f.column.Name {
			bound := Literal(l.From[0]) + "::" + typ
			if l.From[0] == "MINVALUE" {
				bound = "NULL"
			}
			rows = append(rows, fmt.Sprintf("(%d, %s)", i, bound))
		}
	}
	if len(rows) == 0 {
		return first
	}
	sql := "SELECT i, coalesce(b <= " + Literal(value) + "::" + typ + ", true) FROM (VALUES " + strings.Join(rows, ", ") + ") AS v(i, b) ORDER BY b NULLS FIRST, i"
	sorted, err := f.db.QueryText(ctx, f.op, sql)
	if err != nil {
		return first
	}
	var order []Leaf
	below := 0
	for _, row := range sorted {
		r := rowText(row)
		i, _ := strconv.Atoi(r[0])
		order = append(order, f.leaves[i])
		if r[1] == "t" {
			below++
		}
	}
	lo := max(0, below-2)
	return order[lo:min(len(order), max(below+2, lo+4))]
}
