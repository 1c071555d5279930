package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"frostline/coltype"
)

// FindLeaf finds the leaf that column = value names, from the catalog's bounds: a value of the column's type lies in exactly one
// leaf (PostgreSQL itself evaluates the partition constraints, so RANGE, LIST, HASH, expressions and several levels work); a
// period ("2024", "2024-01", "2024-01-15", "2024-01-15 13") of a date or timestamp column names the leaf that covers all of it or
// lies within it alone. Times without a zone are UTC. column may be a name that no column has (transaction_month) when the
// key has one column. The exact name of a leaf is accepted as a value, and so is DEFAULT; a DEFAULT partition is never found
// by a value. ErrNoPartition and ErrAmbiguous list candidates, ErrBadValue names the type.
func (db *DB) FindLeaf(ctx context.Context, t *Table, column, value string) (Leaf, error) {
	op := fmt.Sprintf("find the partition of %s for %s = %s", t.Name.plain(), column, value)
	if !t.Partitioned {
		return Leaf{}, fmt.Errorf("%s: %w: the table is not partitioned", op, ErrNoPartition)
	}
	nodes, err := db.nodes(ctx, op, t.OID)
	if err != nil {
		return Leaf{}, err
	}
	f := finder{db: db, op: op, t: t, value: value, keys: t.keyColumns(nodes)}
	for _, n := range nodes {
		if n.IsLeaf {
			f.leaves = append(f.leaves, n.Leaf)
		}
	}
	f.nodes = nodes
	if len(f.leaves) == 0 {
		return Leaf{}, fmt.Errorf("%s: %w: the table has no partitions", op, ErrNoPartition)
	}
	named := f.byName()
	if f.column, err = f.resolve(column); err != nil {
		if len(named) == 1 {
			return named[0], nil
		}
		return Leaf{}, err
	}
	found, err := f.byValue(ctx)
	switch {
	case len(named) == 1 && (found.OID == named[0].OID || errors.Is(err, ErrNoPartition) || errors.Is(err, ErrAmbiguous) || errors.Is(err, ErrBadValue)):
		return named[0], nil
	case len(named) == 1 && err == nil:
		return Leaf{}, f.ambiguous("a partition has that name, and another holds that value", []Leaf{named[0], found})
	case err == nil:
		return found, nil
	case errors.Is(err, ErrNoPartition) && len(named) > 1:
		return Leaf{}, f.ambiguous("several have that name", named)
	}
	return Leaf{}, err
}

type finder struct {
	db     *DB
	op     string
	t      *Table
	nodes  []node
	leaves []Leaf
	keys   []string // columns in the keys of all levels, "" for an expression
	column *coltype.Column
	value  string
}

// keyColumns are the distinct key columns of all levels.
func (t *Table) keyColumns(nodes []node) []string {
	var keys []string
	seen := map[string]bool{}
	add := func(columns []string) {
		for _, c := range columns {
			if !seen[c] {
				seen[c] = true
				keys = append(keys, c)
			}
		}
	}
	if t.Key != nil {
		add(t.Key.Columns)
	}
	for _, n := range nodes {
		add(n.KeyColumns)
	}
	return keys
}

// resolve finds the column, or the key's only column in its place.
func (f *finder) resolve(name string) (*coltype.Column, error) {
	var only []*coltype.Column
	for i := range f.t.Columns {
		c := &f.t.Columns[i]
		if c.Name == name {
			return c, nil
		}
		for _, k := range f.keys {
			if k == c.Name || k == "" && f.t.Key != nil && mentionsColumn(f.t.Key.Def, c.Name) {
				only = append(only, c)
				break
			}
		}
	}
	if len(only) == 1 {
		return only[0], nil
	}
	return nil, noColumn(f.op, f.t, name)
}

func noColumn(op string, t *Table, name string) error {
	var names []string
	for _, c := range t.Columns {
		names = append(names, c.Name)
	}
	near := nearest(name, names, 3)
	if len(near) == 0 {
		return fmt.Errorf("%s: %w: %q; the columns are %s", op, ErrNoColumn, name, strings.Join(names[:min(len(names), 30)], ", "))
	}
	return fmt.Errorf("%s: %w: %q%s", op, ErrNoColumn, name, didYouMean(near))
}

// quoteIdent is quote_ident for what can stand in deparsed SQL: quotes only where needed. A keyword, which quote_ident
// quotes too, is found by trying both forms (mentions is asked twice).
func quoteIdent(s string) string {
	for i := range len(s) {
		c := s[i]
		if !(c == '_' || 'a' <= c && c <= 'z' || i > 0 && '0' <= c && c <= '9') {
			return Quote(s)
		}
	}
	return s
}

func mentionsColumn(sql, column string) bool {
	return mentions(sql, quoteIdent(column)) || mentions(sql, Quote(column))
}

// byName are the leaves that the value names.
func (f *finder) byName() []Leaf {
	var named []Leaf
	for _, l := range f.leaves {
		if l.Name.Table == f.value || l.Name.plain() == f.value || l.Name.String() == f.value || l.Default() && f.value == "DEFAULT" {
			named = append(named, l)
		}
	}
	return named
}

func (f *finder) byValue(ctx context.Context) (Leaf, error) {
	if p, ok := parsePeriod(f.value); ok && f.timed() {
		return f.byPeriod(ctx, p)
	}
	takes, err := f.admit(ctx, f.value)
	if err != nil {
		return Leaf{}, err
	}
	var candidates, defaults []Leaf
	for i, l := range f.leaves {
		switch {
		case takes[0][i] && l.Default():
			defaults = append(defaults, l)
		case takes[0][i]:
			candidates = append(candidates, l)
		}
	}
	return f.choose(ctx, candidates, defaults)
}

// timed says whether the column can be asked for a period.
func (f *finder) timed() bool {
	base := f.column.Type.Base
	return base == "date" || base == "timestamp" || base == "timestamptz"
}

// choose decides between the leaves that qualify.
func (f *finder) choose(ctx context.Context, candidates, defaults []Leaf) (Leaf, error) {
	if len(candidates) == 1 {
		return candidates[0], nil
	}
	if len(candidates) == 0 {
		why := "no partition takes it"
		if len(defaults) > 0 {
			why = fmt.Sprintf("it lies in the DEFAULT partition %s; give that name as the value to mean all of it", defaults[0].Name.plain())
		}
		return Leaf{}, fmt.Errorf("%s: %w: %s; nearest: %s", f.op, ErrNoPartition, why, list(f.nearestLeaves(ctx)))
	}
	return Leaf{}, f.ambiguous("give the name of one as the value", candidates)
}

func (f *finder) ambiguous(why string, candidates []Leaf) error {
	return fmt.Errorf("%s: %w (%s): %s", f.op, ErrAmbiguous, why, list(candidates))
}

// list names leaves with their bounds, 10 at most.
func list(leaves []Leaf) string {
	var items []string
	for i, l := range leaves {
		if i == 10 {
			items = append(items, fmt.Sprintf("and %d more", len(leaves)-i))
			break
		}
		items = append(items, l.Name.plain()+" "+l.Bound)
	}
	return strings.Join(items, "; ")
}

// admit asks the server which leaves could hold a row with each of the values in the column: one row of booleans for each
// value, one boolean for each leaf. Conditions that the column alone cannot decide count as met.
func (f *finder) admit(ctx context.Context, values ...string) ([][]bool, error) {
	types, err := f.db.keyTypes(ctx, f.op, f.t)
	if err != nil {
		return nil, err
	}
	typ := types[f.column.Name]
	if err := f.db.checkValue(ctx, f.op, f.column, typ, values...); err != nil {
		return nil, err
	}
	var others []string // NULLs under the names of the other columns
	for _, c := range f.t.Columns {
		if c.Name != f.column.Name {
			others = append(others, "NULL::"+types[c.Name].cast()+" AS "+Quote(c.Name))
		}
	}
	conditions := make([]string, len(f.leaves))
	for i, l := range f.leaves {
		conditions[i] = f.condition(l)
	}
	result := make([][]bool, len(values))
	for i, v := range values {
		sql := "SELECT ARRAY[" + strings.Join(conditions, ", ") + "]::text FROM (SELECT " +
			strings.Join(append([]string{Literal(v) + "::" + typ.cast() + " AS " + Quote(f.column.Name)}, others...), ", ") + ") AS " + Quote(f.t.Name.Table)
		rows, err := f.db.QueryText(ctx, f.op, sql)
		if err != nil {
			return nil, err
		}
		for _, flag := range strings.Split(strings.Trim(*rows[0][0], "{}"), ",") {
			result[i] = append(result[i], flag == "t")
		}
	}
	return result, nil
}

// condition is what the column decides of a leaf's partition constraint, true unless it is false.
func (f *finder) condition(l Leaf) string {
	var terms []string
	for _, part := range conjuncts(l.Constraint) {
		if !mentionsColumn(part, f.column.Name) {
			continue
		}
		// A hash of several columns, and the NOT (…) of a DEFAULT, say nothing when a part is unknown.
		if strings.Contains(part, "satisfies_hash_partition(") || strings.HasPrefix(strings.TrimLeft(part, "("), "NOT ") {
			if f.mentionsOther(part) {
				continue
			}
		}
		terms = append(terms, "("+part+") IS NOT FALSE")
	}
	if len(terms) == 0 {
		return "true"
	}
	return strings.Join(terms, " AND ")
}

func (f *finder) mentionsOther(sql string) bool {
	for _, c := range f.t.Columns {
		if c.Name != f.column.Name && mentionsColumn(sql, c.Name) {
			return true
		}
	}
	return false
}

// keyType is what a literal is cast to: the type without its modifier, since a cast to varchar(3) would cut silently.
type keyType struct{ Type, Collation string }

func (k keyType) cast() string {
	if k.Collation == "" {
		return k.Type
	}
	return k.Type + " COLLATE " + k.Collation
}

func (db *DB) keyTypes(ctx context.Context, op string, t *Table) (map[string]keyType, error) {
	rows, err := db.QueryText(ctx, op, `SELECT a.attname, format_type(a.atttypid, -1), coalesce(quote_ident(n.nspname) || '.' || quote_ident(co.collname), '')
		FROM pg_attribute a LEFT JOIN pg_collation co ON co.oid = a.attcollation LEFT JOIN pg_namespace n ON n.oid = co.collnamespace
		WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped`, t.OID)
	if err != nil {
		return nil, err
	}
	types := map[string]keyType{}
	for _, row := range rows {
		r := rowText(row)
		types[r[0]] = keyType{r[1], r[2]}
	}
	return types, nil
}

func (db *DB) checkValue(ctx context.Context, op string, c *coltype.Column, typ keyType, values ...string) error {
	for _, v := range values {
		if strings.ContainsRune(v, 0) {
			return fmt.Errorf("%s: %w: column %q has type %s: the value holds a zero byte", op, ErrBadValue, c.Name, c.Type.Name)
		}
		_, err := db.QueryText(ctx, op, "SELECT "+Literal(v)+"::"+typ.Type)
		if state := sqlState(err); strings.HasPrefix(state, "22") || strings.HasPrefix(state, "23") {
			var said *serverError
			errors.As(err, &said)
			return fmt.Errorf("%s: %w: column %q has type %s: %w", op, ErrBadValue, c.Name, c.Type.Name, said)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// ValueCondition is the WHERE condition column = value for a table that is not partitioned, the value as a literal of the
// column's type. ErrNoColumn names the nearest column, ErrBadValue carries PostgreSQL's message.
func (db *DB) ValueCondition(ctx context.Context, t *Table, column, value string) (where string, err error) {
	op := fmt.Sprintf("select %s = %s of %s", column, value, t.Name.plain())
	types, err := db.keyTypes(ctx, op, t)
	if err != nil {
		return "", err
	}
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Name == column {
			typ := types[column]
			if err := db.checkValue(ctx, op, c, typ, value); err != nil {
				return "", err
			}
			return Quote(column) + " = " + strings.TrimSpace(Literal(value)) + "::" + typ.Type, nil
		}
	}
	return "", noColumn(op, t, column)
}
