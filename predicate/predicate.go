// Package predicate is the filter language: parse, bind to typed columns, evaluate over Arrow
// batches, prune by bounds. Semantics are PostgreSQL's: three-valued logic, exact numerics, char
// padding, NaN highest. Text compares by bytes.
package predicate

import (
	"frostline/coltype"

	"github.com/apache/arrow-go/v18/arrow"
)

// Error is a mistake of the caller's: a syntax error, an unknown column, a literal that does not
// fit. It is the 400 of the API.
type Error struct {
	Code  string // "syntax", "unknown_column", "type_mismatch", "unknown_filter", "too_deep", "too_long"
	Field string // "filterExpression", or the key in filters
	Pos   int    // 1-based position in the text in characters, 0 without
	Msg   string // what was wrong
	Hint  string // what to do, "" without
}

// Error is Msg with its place and the hint.
func (e *Error) Error() string { panic("stub") }

// Expr is a parsed, unbound expression. The nil Expr is true.
type Expr interface {
	// String is the expression as text that Parse reads back to an equal tree.
	String() string
}

// Parse reads a filterExpression. Errors are *Error.
func Parse(text string) (Expr, error) { panic("stub") }

// FromFilters makes the AND of a filters object (key → JSON value: string, json.Number, bool,
// nil, []any for _in). A real column whose name ends in a suffix wins over the suffix. Keys are
// taken in byte order.
func FromFilters(filters map[string]any, cols []coltype.Column) (Expr, error) { panic("stub") }

// And is the conjunction; nil operands are left out.
func And(list ...Expr) Expr { panic("stub") }

// Predicate is an expression bound to columns. It is immutable and may be used by many goroutines.
type Predicate struct{}

// Bind types the expression against cols. Errors are *Error. A nil Expr gives a predicate that is always true.
func Bind(e Expr, cols []coltype.Column) (*Predicate, error) { panic("stub") }

// Columns are the indexes into cols that the predicate reads, ascending.
func (p *Predicate) Columns() []int { panic("stub") }

// NeedsExact reports whether a column that it reads may have cells in the side column.
func (p *Predicate) NeedsExact() bool { panic("stub") }

// Eval sets sel[i] to whether row i is TRUE (not NULL, not FALSE). arrs[j] is the column Columns()[j] with the Arrow type of
// coltype.Column.ArrowField; exact is the side column (map<string,string>) or nil when it has no entries. len(sel) is the row count.
func (p *Predicate) Eval(arrs []arrow.Array, exact arrow.Array, sel []bool) error { panic("stub") }

// Verdict is what bounds say of a predicate.
type Verdict uint8

// None: no row is TRUE. All: every row is TRUE. Some: unknown.
const (
	Some Verdict = iota
	None
	All
)

// Prune decides from bounds of columns (index into the bound cols). Unknown statistics give Some. Cells in the side
// column (Bounds.Exact != 0) make the typed bounds and NULL counts of a column that can have such cells unknown.
func (p *Predicate) Prune(bounds func(col int) coltype.Bounds) Verdict { panic("stub") }
