// Package predicate is the filter language of queries: parse, bind to typed columns, evaluate over
// Arrow batches, prune by bounds. Semantics are PostgreSQL's: three-valued logic, exact numerics,
// char padding, NaN highest. Text compares by bytes, as under the C collation, and ILIKE folds
// ASCII letters only, as a server of that locale does.
//
// The language is SQL's WHERE over the columns of one row:
//
//	= <> != < <= > >=   [NOT] LIKE, [NOT] ILIKE, each with ESCAPE   [NOT] IN (…)   op ANY (array), op ALL (array)
//	[NOT] BETWEEN [SYMMETRIC]   IS [NOT] NULL | TRUE | FALSE | UNKNOWN   IS [NOT] DISTINCT FROM
//	AND OR NOT ( )   a bare boolean
//	+ - * / %   ||   @> <@ &&   -> ->> #> #>>   CAST(x AS type)   x::type   lower(x) upper(x) length(x)   ARRAY[…]
//	'text' 12 -1.5 1e3 TRUE FALSE NULL DATE '…' TIME '…' TIMESTAMP '…' TIMESTAMPTZ '…' INTERVAL '…'
//
// [Bind] types operands as PostgreSQL resolves operators: a quoted string is read by the input function of the type
// beside it, a number keeps its own type. What PostgreSQL refuses for its types, Bind refuses. A column whose type has no
// operators here takes only IS [NOT] NULL.
//
// What Bind makes of a comparison of a column with a constant, also a computed one, is a leaf: a test on the column's Arrow
// values, which bounds and Bloom filters prune. The rest is a scalar: values that are computed for whole batches, and
// a node that compares them. Their bounds are not known, but for two columns compared.
//
// Values that an operator or a cast cannot compute with end the evaluation in an *Error of the caller's. Only rows raise one
// for which the operand is needed: the operands of AND and OR that cannot raise are evaluated first, then the others from left to
// right. What is pruned raises nothing.
//
// Everything returned is immutable and may be used by many goroutines.
package predicate

import (
	"fmt"
	"sort"

	"frostline/coltype"
)

// Error is a mistake of the caller's: a syntax error, an unknown column, a literal that does not
// fit. It is the 400 of the API.
type Error struct {
	Code  string // one of the Code constants
	Field string // "filterExpression", or the key in filters
	Pos   int    // 1-based position in the text in characters, 0 without
	Msg   string // what was wrong
	Hint  string // what to do, "" without
}

// The codes of Error.
const (
	CodeSyntax        = "syntax"
	CodeUnknownColumn = "unknown_column"
	CodeTypeMismatch  = "type_mismatch"
	CodeUnknownFilter = "unknown_filter"
	CodeTooDeep       = "too_deep"
	CodeTooLong       = "too_long"
	CodeUnknownType   = "unknown_type" // of a cast
	CodeDivisionZero  = "division_by_zero"
	CodeOutOfRange    = "out_of_range"  // the result of an operator or a cast
	CodeInvalidValue  = "invalid_value" // a text that is cast is not one of the type's
)

// Error is Msg with its place and the hint.
func (e *Error) Error() string {
	s := e.Msg
	switch {
	case e.Field != "" && e.Pos > 0:
		s = fmt.Sprintf("%s, position %d: %s", e.Field, e.Pos, s)
	case e.Field != "":
		s = e.Field + ": " + s
	}
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// The limits of an expression.
const (
	MaxText     = 64 << 10  // bytes of a filterExpression
	MaxDepth    = 200       // nested parentheses, NOT and IS
	MaxList     = 10_000    // items of one IN list
	maxComputed = 2000      // operators, casts and comparisons that are computed for each row
	maxDigit    = 1_000_000 // digits of all numeric literals of one expression, exponents written out
)

// Expr is a parsed, unbound expression. The nil Expr is true.
type Expr interface {
	// String is the expression as text that Parse reads back to an equal tree.
	String() string

	prec() int
}

// Predicate is an expression bound to columns. It is immutable and may be used by many goroutines.
type Predicate struct {
	root  node
	cols  []int            // indexes into the bound columns, ascending
	bound []coltype.Column // the columns at those indexes
	exact bool             // one of them may have cells in the side column
}

// Bind types the expression against cols. Errors are *Error. A nil Expr gives a predicate that is
// always true.
func Bind(e Expr, cols []coltype.Column) (p *Predicate, err error) {
	defer catch(&err)
	b := &binder{cols: cols, slots: map[int]int{}}
	p = &Predicate{root: isTrue}
	if e != nil {
		p.root = b.pred(e)
		onlyTrue(p.root)
	}
	for i := range b.slots {
		p.cols = append(p.cols, i)
	}
	sort.Ints(p.cols)
	for slot, i := range p.cols {
		b.slots[i] = slot
		p.bound = append(p.bound, cols[i])
		p.exact = p.exact || cols[i].Type.MayBeExact()
	}
	for _, r := range b.refs {
		r.slot = b.slots[r.col]
	}
	return p, nil
}

// onlyTrue tells the operands of AND and OR that FALSE and NULL are one to whoever asks.
func onlyTrue(n node) {
	switch n := n.(type) {
	case *andNode:
		n.top = true
		for _, x := range n.list {
			onlyTrue(x)
		}
	case *orNode:
		for _, x := range n.list {
			onlyTrue(x)
		}
	}
}

// Columns are the indexes into cols that the predicate reads, ascending.
func (p *Predicate) Columns() []int { return p.cols }

// NeedsExact reports whether a column that it reads may have cells in the side column.
func (p *Predicate) NeedsExact() bool { return p.exact }

// catch turns the panic of a refusal into an error.
func catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case *Error:
		*err = r
	default:
		panic(r)
	}
}
