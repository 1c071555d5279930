package predicate

import (
	"strings"
)

// The binding strengths of PostgreSQL's gram.y, weakest first.
const (
	precOr = iota + 1
	precAnd
	precNot
	precDistinct // nothing may follow it without parentheses
	precIs
	precCompare
	precTest  // LIKE, IN, BETWEEN
	precOther // any operator that is not named here
	precAdd
	precMul
	precSign
	precOperand
)

// place is where an operand stands, for errors. Expressions are equal regardless of it.
type place struct {
	field string
	pos   int
}

type column struct {
	name   string
	quoted bool // spelled exactly; otherwise also tried in lower case
	at     place
}

type litKind uint8

const (
	litNull litKind = iota
	litBool
	litNumber
	litString // of unknown type, as SQL says: it takes the type of what it is compared with
	litDate
	litTime
	litTimestamp
	litTimestampTZ
	litInterval
)

type literal struct {
	kind litKind
	text string // TRUE or FALSE, the number, the content of the quotes
	at   place
}

type not struct{ x Expr }

type and struct{ list []Expr } // two or more, none of them an *and

type or struct{ list []Expr } // two or more, none of them an *or

// is is x IS [NOT] NULL, TRUE, FALSE or UNKNOWN.
type is struct {
	x    Expr
	what string
	neg  bool
}

type distinct struct {
	l, r Expr
	neg  bool // IS NOT DISTINCT FROM
	at   place
}

type compare struct {
	op   string // = <> < <= > >=
	l, r Expr
	at   place
}

type like struct {
	x, pattern Expr
	escape     Expr // nil without
	fold, neg  bool
	at         place
}

type in struct {
	x    Expr
	list []Expr
	neg  bool
	at   place
}

type between struct {
	x, lo, hi Expr
	sym, neg  bool
	at        place
}

func (*column) prec() int   { return precOperand }
func (*literal) prec() int  { return precOperand }
func (*not) prec() int      { return precNot }
func (*and) prec() int      { return precAnd }
func (*or) prec() int       { return precOr }
func (*is) prec() int       { return precIs }
func (*distinct) prec() int { return precDistinct }
func (*compare) prec() int  { return precCompare }
func (*like) prec() int     { return precTest }
func (*in) prec() int       { return precTest }
func (*between) prec() int  { return precTest }

// And is the conjunction; nil operands are left out.
func And(list ...Expr) Expr {
	var all []Expr
	for _, e := range list {
		switch e := e.(type) {
		case nil:
		case *and:
			all = append(all, e.list...)
		default:
			all = append(all, e)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return &and{all}
}

func disjoin(list []Expr) Expr {
	var all []Expr
	for _, e := range list {
		if o, ok := e.(*or); ok {
			all = append(all, o.list...)
		} else {
			all = append(all, e)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return &or{all}
}

// within is e as an operand of something that binds with strength at least min.
func within(e Expr, min int) string {
	if e.prec() < min {
		return "(" + e.String() + ")"
	}
	return e.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func negated(neg bool, word string) string {
	if neg {
		return " NOT " + word + " "
	}
	return " " + word + " "
}

func (e *column) String() string {
	if e.quoted {
		return quoteName(e.name)
	}
	return e.name
}

func (e *literal) String() string {
	switch e.kind {
	case litNull:
		return "NULL"
	case litString:
		return quote(e.text)
	case litDate:
		return "DATE " + quote(e.text)
	case litTime:
		return "TIME " + quote(e.text)
	case litTimestamp:
		return "TIMESTAMP " + quote(e.text)
	case litTimestampTZ:
		return "TIMESTAMPTZ " + quote(e.text)
	case litInterval:
		return "INTERVAL " + quote(e.text)
	}
	return e.text
}

func (e *not) String() string { return "NOT " + within(e.x, precNot) }

func join(list []Expr, sep string, min int) string {
	parts := make([]string, len(list))
	for i, x := range list {
		parts[i] = within(x, min)
	}
	return strings.Join(parts, sep)
}

func (e *and) String() string { return join(e.list, " AND ", precNot) }

func (e *or) String() string { return join(e.list, " OR ", precAnd) }

func (e *is) String() string {
	s := within(e.x, precIs) + " IS "
	if e.neg {
		s += "NOT "
	}
	return s + e.what
}

func (e *distinct) String() string {
	s := within(e.l, precIs) + " IS "
	if e.neg {
		s += "NOT "
	}
	return s + "DISTINCT FROM " + within(e.r, precCompare)
}

func (e *compare) String() string {
	return within(e.l, precTest) + " " + e.op + " " + within(e.r, precTest)
}

func (e *like) String() string {
	word := "LIKE"
	if e.fold {
		word = "ILIKE"
	}
	s := within(e.x, precOther) + negated(e.neg, word) + within(e.pattern, precOther)
	if e.escape != nil {
		s += " ESCAPE " + within(e.escape, precOperand)
	}
	return s
}

func (e *in) String() string {
	return within(e.x, precOther) + negated(e.neg, "IN") + "(" + join(e.list, ", ", precOr) + ")"
}

func (e *between) String() string {
	word := "BETWEEN"
	if e.sym {
		word = "BETWEEN SYMMETRIC"
	}
	return within(e.x, precOther) + negated(e.neg, word) + within(e.lo, precOther) + " AND " + within(e.hi, precOther)
}
