package query

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/predicate"
)

// Rights are what a caller may see. They come with the context of a call ([WithRights]) and hold for every method of an Engine. They
// are immutable.
//
// A table without a grant does not exist for the caller, a column that is not granted does not either: not in filters, order, groups,
// aggregates, projections, metadata, the side column, nor in hints. The rows are those for which Grant.Rows is TRUE, whatever else
// is asked. Where it cannot be bound to the table's columns, or reads a column that had another type in one of the partitions, the query is
// [Forbidden].
type Rights struct {
	Grants       []Grant       // the first one that names a table holds for it
	Timeout      time.Duration // of one query; Options.Timeout holds too; 0 is no bound
	MaxScanBytes int64         // as in Options, and both hold
	MaxScanRows  int64
}

// Grant is what may be seen of some tables.
type Grant struct {
	Tables  []TablePattern
	Columns []Glob         // nil: all
	Denied  []Glob         // of Columns
	Rows    predicate.Expr // nil: all
}

// narrow reports whether the grant leaves columns out.
func (g *Grant) narrow() bool { return g != nil && (g.Columns != nil || g.Denied != nil) }

// filters reports whether the grant leaves rows out.
func (g *Grant) filters() bool { return g != nil && g.Rows != nil }

// shows reports whether the column may be seen.
func (g *Grant) shows(column string) bool {
	if !g.narrow() {
		return true
	}
	matches := func(p Glob) bool { return p.Match(column) }
	return (g.Columns == nil || slices.ContainsFunc(g.Columns, matches)) && !slices.ContainsFunc(g.Denied, matches)
}

// Glob is a pattern of a name: * stands for any characters, ? for one.
type Glob string

// Match reports whether the whole name fits.
func (g Glob) Match(name string) bool {
	p, s := []rune(string(g)), []rune(name)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// TablePattern names tables.
type TablePattern struct{ Schema, Table Glob }

type rightsKey struct{}

// WithRights is ctx for calls in the name of somebody with rights r. Without it everything may be seen, unless Options.NeedRights is set.
func WithRights(ctx context.Context, r *Rights) context.Context {
	return context.WithValue(ctx, rightsKey{}, r)
}

// RightsOf are the rights of ctx, nil without.
func RightsOf(ctx context.Context) *Rights {
	r, _ := ctx.Value(rightsKey{}).(*Rights)
	return r
}

// grant is what the caller may see of a table; nil is all of it. A table that he may not see is not there.
func (e *Engine) grant(ctx context.Context, schema, table string) (*Grant, error) {
	r := RightsOf(ctx)
	if r == nil {
		if e.opt.NeedRights {
			return nil, &Error{Code: Internal, Msg: "the caller's rights are not known"}
		}
		return nil, nil
	}
	for i, g := range r.Grants {
		if slices.ContainsFunc(g.Tables, func(p TablePattern) bool { return p.Schema.Match(schema) && p.Table.Match(table) }) {
			return &r.Grants[i], nil
		}
	}
	return nil, fmt.Errorf("table %s.%s: %w", schema, table, iceberg.ErrNoTable)
}

// grantAt is grant of the table at path, which is not read.
func (e *Engine) grantAt(ctx context.Context, path string) (*Grant, error) {
	schema, table, err := e.catalog.TableAt(path)
	if err != nil {
		return nil, err
	}
	return e.grant(ctx, schema, table)
}

// timeout is the longest time of a query of the caller.
func (e *Engine) timeout(ctx context.Context) time.Duration {
	if r := RightsOf(ctx); r != nil && r.Timeout > 0 {
		return min(r.Timeout, e.opt.Timeout)
	}
	return e.opt.Timeout
}

// bounds are what one query of the caller may read; 0 is no bound.
func (e *Engine) bounds(ctx context.Context) (bytes, rows int64) {
	bytes, rows = e.opt.MaxScanBytes, e.opt.MaxScanRows
	if r := RightsOf(ctx); r != nil {
		bytes, rows = tighter(bytes, r.MaxScanBytes), tighter(rows, r.MaxScanRows)
	}
	return bytes, rows
}

func tighter(a, b int64) int64 {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

// whole refuses what shows more of a table than g grants.
func (g *Grant) whole(what string) error {
	if !g.narrow() && !g.filters() {
		return nil
	}
	return &Error{Code: Forbidden, Reason: "partial_rights", Field: "archivePath", Msg: what + " is for callers who may see the whole table",
		Hint: "ask for rows and metadata"}
}

// visibleFirst puts the columns that may be seen first and counts them: an index among them is one among all.
func (p *plan) visibleFirst(g *Grant) {
	if g.narrow() {
		shown := func(c coltype.Column) bool { return g.shows(c.Name) }
		var hidden []coltype.Column
		for _, c := range p.cols {
			if !shown(c) {
				hidden = append(hidden, c)
			}
		}
		p.cols = append(slices.DeleteFunc(p.cols, func(c coltype.Column) bool { return !shown(c) }), hidden...)
		p.shown = len(p.cols) - len(hidden)
		p.narrow = true
		return
	}
	p.shown = len(p.cols)
}

// visible are the columns that the caller may name.
func (p *plan) visible() []coltype.Column { return p.cols[:p.shown] }

// guard is e behind the row filter of g.
func (p *plan) guard(g *Grant, e predicate.Expr) (predicate.Expr, error) {
	if !g.filters() && !p.narrow {
		return e, nil
	}
	var rows predicate.Expr
	if g.filters() {
		rows = g.Rows
		alone, err := predicate.Bind(rows, p.cols)
		if err != nil {
			return nil, noFilter("it does not fit the columns of the table")
		}
		for _, i := range alone.Columns() {
			if _, ok := p.changed[p.cols[i].Name]; ok {
				return nil, noFilter("it reads a column that had another type in some partition")
			}
		}
	}
	return predicate.Guard(rows, e, p.visible()), nil
}

func noFilter(why string) error {
	return &Error{Code: Forbidden, Reason: "row_filter", Field: "archivePath", Msg: "the row filter of the caller cannot be applied: " + why + "; no rows were returned",
		Hint: "ask for one partition by its own path, or have the filter adapted"}
}

func isForbidden(err error) bool {
	var qe *Error
	return errors.As(err, &qe) && qe.Code == Forbidden
}

// seen are the partitions of t that may hold rows that the caller may see, by manifests.
func (e *Engine) seen(ctx context.Context, t *target) (map[string]bool, error) {
	out := map[string]bool{}
	p, err := e.plan(ctx, t, Request{Path: t.location})
	if isForbidden(err) {
		if t.partition != "" {
			return out, nil
		}
		for _, part := range t.table.Partitions() { // the filter may fit each by itself
			one := *t
			one.partition, one.location = part.Name, e.archivePath(t.table, part.Name)
			seen, err := e.seen(ctx, &one)
			if err != nil {
				return nil, err
			}
			maps.Copy(out, seen)
		}
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	s := &scan{plan: p, engine: e}
	for i := range p.parts {
		part := &p.parts[i]
		if s.byPartition(part) == predicate.None {
			continue
		}
		for _, pf := range part.Files {
			if s.byFile(&pf) != predicate.None {
				out[part.Name] = true
				break
			}
		}
	}
	return out, nil
}

// plainProperties are those of a table's properties that tell neither of columns nor of rows.
var plainProperties = []string{"source.schema", "source.table", "source.partition_value", "archive.timestamp"}

// limit leaves out of m what the caller may not see. now are the names of the table's fields by id.
func (e *Engine) limit(ctx context.Context, t *target, m *Metadata) error {
	g := t.grant
	if !g.narrow() && !g.filters() {
		return nil
	}
	for k, v := range m.Properties {
		if k == "source.partition_column" && g.shows(v) {
			continue
		}
		if !slices.Contains(plainProperties, strings.ToLower(k)) {
			delete(m.Properties, k)
		}
	}
	now := map[int]string{}
	for _, c := range t.table.Schema().Columns {
		now[c.FieldID] = c.Name
	}
	m.Columns = slices.DeleteFunc(slices.Clone(m.Columns), func(c coltype.Column) bool {
		if name, ok := now[c.FieldID]; ok && !g.shows(name) {
			return true
		}
		return !g.shows(c.Name)
	})
	if !g.filters() {
		return nil
	}
	seen, err := e.seen(ctx, t)
	if err != nil {
		return err
	}
	m.Partitions = slices.DeleteFunc(m.Partitions, func(p Partition) bool { return !seen[p.Name] })
	m.ArchivedAt = time.Time{}
	for i := range m.Partitions {
		p := &m.Partitions[i]
		p.Rows, p.Files, p.Bytes, p.Digest = 0, 0, 0, ""
		if p.ArchivedAt.After(m.ArchivedAt) {
			m.ArchivedAt = p.ArchivedAt
		}
	}
	return nil
}
