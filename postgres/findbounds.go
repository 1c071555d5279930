package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Range are the bounds of a RANGE partition as text, "MINVALUE" and "MAXVALUE" among them, also of an expression key; nil for
// other partitions.
func (l Leaf) Range() (from, to []string) {
	if l.Strategy != 'r' {
		return nil, nil
	}
	return rangeBound(l.Bound)
}

// ErrNotBounds says that a text is not written as bounds.
var ErrNotBounds = errors.New("not written as bounds")

// FindBounds finds the leaf that has the bounds of text at its own level: "[2024-01-01,2024-02-01)", for a key of several columns
// "[(2024-01-01,5),(2024-02-01,MINVALUE))", with quotes ('…') where a value holds a comma or a parenthesis; or as psql prints them, FOR
// VALUES FROM … TO …, FOR VALUES IN …, FOR VALUES WITH …. Values are compared as values of the key's type. It serves any key, of
// expressions too. from and to are what a RANGE text says, also after ErrNoPartition. ErrNotBounds: text is neither form, or the table
// has no RANGE partition and text not the long form; ErrAmbiguous: sub-partitions of several parents have these bounds.
func (db *DB) FindBounds(ctx context.Context, t *Table, text string) (leaf Leaf, from, to []string, err error) {
	op := fmt.Sprintf("find the partition of %s with bounds %s", t.Name.plain(), text)
	text = strings.TrimSpace(text)
	long := strings.HasPrefix(text, "FOR VALUES ")
	if long {
		from, to = rangeBound(text)
	} else if from, to, err = shortBound(text); err != nil {
		return Leaf{}, nil, nil, fmt.Errorf("%s: %w", op, err)
	}
	leaves, err := db.Leaves(ctx, t)
	if err != nil {
		return Leaf{}, nil, nil, err
	}
	var found []Leaf
	ranges := false
	for _, l := range leaves {
		f, _ := l.Range()
		ranges = ranges || f != nil
		if l.Bound == text {
			found = append(found, l)
		}
	}
	if !ranges && !long {
		return Leaf{}, nil, nil, fmt.Errorf("%s: %w: the table has no RANGE partition", op, ErrNotBounds)
	}
	if len(found) == 0 && from != nil {
		if found, err = db.withRange(ctx, op, t, leaves, from, to); err != nil {
			return Leaf{}, nil, nil, err
		}
	}
	switch len(found) {
	case 0:
		return Leaf{}, from, to, fmt.Errorf("%s: %w; the partitions are %s", op, ErrNoPartition, list(leaves))
	case 1:
		return found[0], from, to, nil
	}
	return Leaf{}, nil, nil, fmt.Errorf("%s: %w (give the name of one as the value): %s", op, ErrAmbiguous, list(found))
}

// shortBound reads "[a,b)" and "[(a,b),(c,d))".
func shortBound(s string) (from, to []string, err error) {
	if len(s) < 2 || s[0] != '[' || s[len(s)-1] != ')' {
		return nil, nil, ErrNotBounds
	}
	bad := fmt.Errorf("%w: want [from,to), or [(from,…),(to,…)) for a key of several columns; quote values ('…') that hold commas", ErrBadValue)
	s = strings.TrimSpace(s[1 : len(s)-1])
	if strings.HasPrefix(s, "(") {
		end := closing(s, 0)
		if end < 0 {
			return nil, nil, bad
		}
		rest, ok := strings.CutPrefix(strings.TrimSpace(s[end+1:]), ",")
		rest = strings.TrimSpace(rest)
		if !ok || !strings.HasPrefix(rest, "(") || closing(rest, 0) != len(rest)-1 {
			return nil, nil, bad
		}
		from, to = boundValues(s[1:end]), boundValues(rest[1:len(rest)-1])
	} else {
		parts := boundValues(s)
		if len(parts) != 2 {
			return nil, nil, bad
		}
		from, to = parts[:1], parts[1:]
	}
	if len(from) != len(to) {
		return nil, nil, bad
	}
	return from, to, nil
}

// withRange are the leaves whose own bounds equal from and to, as values of their key's types.
func (db *DB) withRange(ctx context.Context, op string, t *Table, leaves []Leaf, from, to []string) ([]Leaf, error) {
	types := map[Name][]string{} // by parent
	var candidates []Leaf
	var conds []string
	for _, l := range leaves {
		f, u := l.Range()
		if len(f) != len(from) || len(u) != len(to) {
			continue
		}
		if types[l.Parent] == nil {
			var err error
			if types[l.Parent], err = db.boundTypes(ctx, op, t, l); err != nil {
				return nil, err
			}
		}
		candidates = append(candidates, l)
		conds = append(conds, "("+sameBound(types[l.Parent], f, from)+" AND "+sameBound(types[l.Parent], u, to)+")")
	}
	if len(candidates) == 0 {
		return nil, nil
	}
	rows, err := db.QueryText(ctx, op, "SELECT ARRAY["+strings.Join(conds, ", ")+"]::text")
	if err != nil {
		return nil, err
	}
	var found []Leaf
	for i, flag := range strings.Split(strings.Trim(*rows[0][0], "{}"), ",") {
		if flag == "t" {
			found = append(found, candidates[i])
		}
	}
	return found, nil
}

func sameBound(types, bound, want []string) string {
	var terms []string
	for i, b := range bound {
		if open := func(v string) bool { return v == "MINVALUE" || v == "MAXVALUE" }; open(b) || open(want[i]) {
			terms = append(terms, fmt.Sprint(b == want[i]))
			continue
		}
		terms = append(terms, Literal(b)+"::"+types[i]+" = "+Literal(want[i])+"::"+types[i])
	}
	return strings.Join(terms, " AND ")
}

// boundTypes are the types of the key of a leaf's parent, without modifiers. Those of expressions are asked of the server.
func (db *DB) boundTypes(ctx context.Context, op string, t *Table, l Leaf) ([]string, error) {
	columns, err := db.keyTypes(ctx, op, t)
	if err != nil {
		return nil, err
	}
	types := make([]string, len(l.KeyColumns))
	var expressions []int
	for i, c := range l.KeyColumns {
		if types[i] = columns[c].Type; c == "" {
			expressions = append(expressions, i)
		}
	}
	if len(expressions) == 0 {
		return types, nil
	}
	rows, err := db.QueryText(ctx, op, `SELECT pg_get_expr(pk.partexprs, pk.partrelid) FROM pg_partitioned_table pk
		JOIN pg_inherits i ON i.inhparent = pk.partrelid WHERE i.inhrelid = $1::oid`, l.OID)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || rows[0][0] == nil {
		return nil, fmt.Errorf("%s: %w: %s was detached just now", op, ErrNoPartition, l.Name.plain())
	}
	var nulls, names, typed []string
	for _, c := range t.Columns {
		nulls = append(nulls, "NULL::"+columns[c.Name].cast()+" AS "+Quote(c.Name))
	}
	for i := range expressions {
		names, typed = append(names, fmt.Sprintf("e%d", i)), append(typed, fmt.Sprintf("pg_typeof(v.e%d)::text", i))
	}
	got, err := db.QueryText(ctx, op, "SELECT "+strings.Join(typed, ", ")+" FROM (SELECT "+strings.Join(nulls, ", ")+") AS "+Quote(l.Parent.Table)+
		", LATERAL (VALUES ("+*rows[0][0]+")) AS v("+strings.Join(names, ", ")+")")
	if err != nil {
		return nil, err
	}
	for i, e := range expressions {
		types[e] = *got[0][i]
	}
	return types, nil
}
