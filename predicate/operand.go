package predicate

import (
	"strings"

	"frostline/coltype"
)

// operation is l op r of two values: arithmetic, ||, JSON and array operators.
type operation struct {
	op   string // + - * / % || -> ->> #> #>> @> <@ &&
	l, r Expr
	at   place
}

// sign is -x or +x. A number literal has its sign in itself.
type sign struct {
	op string
	x  Expr
	at place
}

// cast is CAST(x AS type), which prints as x::type.
type cast struct {
	x   Expr
	typ coltype.Type
	at  place
}

// arrayOf is ARRAY[…]; a list in it is one more dimension.
type arrayOf struct {
	list []Expr
	at   place
}

// quantified is x op ANY (array), or ALL.
type quantified struct {
	op   string // as compare's
	x, a Expr
	all  bool
	at   place
}

// function is a call of lower, upper or length.
type function struct {
	name string
	x    Expr
	at   place
}

func (e *operation) prec() int {
	switch e.op {
	case "+", "-":
		return precAdd
	case "*", "/", "%":
		return precMul
	}
	return precOther
}

func (*sign) prec() int       { return precSign }
func (*cast) prec() int       { return precOperand }
func (*arrayOf) prec() int    { return precOperand }
func (*quantified) prec() int { return precCompare }
func (*function) prec() int   { return precOperand }

func (e *operation) String() string {
	return within(e.l, e.prec()) + " " + e.op + " " + within(e.r, e.prec()+1)
}

func (e *sign) String() string {
	return e.op + " " + within(e.x, precSign)
}

func (e *cast) String() string {
	x := within(e.x, precOperand)
	if n, ok := e.x.(*literal); ok && n.kind == litNumber && strings.HasPrefix(n.text, "-") {
		x = "(" + x + ")"
	}
	return x + "::" + e.typ.Name
}

func (e *arrayOf) String() string { return "ARRAY[" + join(e.list, ", ", precOr) + "]" }

func (e *quantified) String() string {
	word := "ANY"
	if e.all {
		word = "ALL"
	}
	return within(e.x, precTest) + " " + e.op + " " + word + " (" + e.a.String() + ")"
}

func (e *function) String() string { return e.name + "(" + e.x.String() + ")" }
