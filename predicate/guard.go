package predicate

import (
	"errors"

	"frostline/coltype"
)

// CodeGuard is the code of an Error of a guard: it cannot be computed for some row.
const CodeGuard = "row_filter"

// guarded is an expression behind a guard.
type guarded struct {
	guard, e Expr // nil is true
	seen     []coltype.Column
}

func (g *guarded) prec() int { return precAnd }

func (g *guarded) String() string {
	if all := And(g.guard, g.e); all != nil {
		return all.String()
	}
	return "TRUE"
}

// Guard is guard AND e for [Bind], where e comes from somebody who may see neither the rows that guard leaves out nor the
// columns that seen does not have: names in e are looked up in seen alone, whose columns are among those that are bound by the same
// names. e is evaluated for the rows for which guard is TRUE, whatever it costs, so that no error of e tells of another row; an error of guard
// itself has CodeGuard and names no value.
func Guard(guard, e Expr, seen []coltype.Column) Expr { return &guarded{guard, e, seen} }

func (b *binder) guarded(g *guarded) node {
	var list []node
	if g.guard != nil {
		n := b.pred(g.guard)
		if raises(n) {
			n = &guardNode{n}
		}
		list = append(list, n)
	}
	if g.e != nil {
		before := b.seen
		b.seen, b.narrow = g.seen, true
		list = append(list, b.pred(g.e))
		b.seen, b.narrow = before, false
	}
	switch len(list) {
	case 0:
		return isTrue
	case 1:
		return list[0]
	}
	return &andNode{list: list} // in this order
}

// lookup is the index in b.cols of the column that c names.
func (b *binder) lookup(c *column) int {
	if !b.narrow {
		return find(c, b.cols)
	}
	return indexOf(b.seen[find(c, b.seen)].Name, b.cols)
}

// guardNode is the condition of a guard. Its errors name no value.
type guardNode struct{ node }

func (g *guardNode) eval(c *call, active, t, n []uint64) error {
	err := g.node.eval(c, active, t, n)
	var e *Error
	if errors.As(err, &e) {
		return &Error{Code: CodeGuard, Msg: "the row filter of the caller cannot be computed for some row"}
	}
	return err
}
