package predicate

import (
	"strings"
	"unicode/utf8"
)

// Parse reads a filterExpression. A text of only white space gives the nil Expr. Errors are
// *Error with the position.
func Parse(text string) (e Expr, err error) {
	defer catch(&err)
	if len(text) > MaxText {
		return nil, (&Error{Code: CodeTooLong, Field: field, Msg: "the expression is too long"}).
			hint("it has %d bytes, %d are allowed", len(text), MaxText)
	}
	if !utf8.ValidString(text) {
		return nil, syntax(0, "the expression is not valid UTF-8")
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return nil, syntax(utf8.RuneCountInString(text[:i])+1, "the expression holds a zero byte")
	}
	p := &parser{toks: lex(text)}
	if p.tok().kind == tokEnd {
		return nil, nil
	}
	e = p.or()
	if t := p.tok(); t.kind != tokEnd {
		panic(p.unexpected(t))
	}
	return e, nil
}

// parser is a recursive descent in the order of PostgreSQL's gram.y. It panics with *Error.
type parser struct {
	toks  []token
	i     int
	depth int
}

func (p *parser) tok() token { return p.toks[p.i] }

func (p *parser) peek(n int) token { return p.toks[min(p.i+n, len(p.toks)-1)] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != tokEnd {
		p.i++
	}
	return t
}

// word takes the keyword w if it is next.
func (p *parser) word(w string) bool {
	if p.tok().word == w {
		p.i++
		return true
	}
	return false
}

func (p *parser) symbol(s string) bool {
	if t := p.tok(); t.kind == tokSymbol && t.text == s {
		p.i++
		return true
	}
	return false
}

func (p *parser) expectSymbol(s, after string) {
	if !p.symbol(s) {
		t := p.tok()
		panic(syntax(t.pos, "%s expected after %s, found %s", s, after, describe(t)))
	}
}

func describe(t token) string {
	switch t.kind {
	case tokEnd:
		return "the end"
	case tokString:
		return quote(t.text)
	case tokQuotedName:
		return quoteName(t.text)
	}
	return t.text
}

// deeper counts a level of nesting.
func (p *parser) deeper(pos int) {
	if p.depth++; p.depth > MaxDepth {
		panic((&Error{Code: CodeTooDeep, Field: field, Pos: pos, Msg: "the expression is nested too deeply"}).
			hint("%d levels are allowed", MaxDepth))
	}
}

func (p *parser) unexpected(t token) *Error {
	e := syntax(t.pos, "unexpected %s", describe(t))
	switch {
	case t.kind == tokEnd:
		e.Msg = "the expression ends too early"
	case t.text == "[":
		e.Msg = "subscripts are not supported"
	case t.kind == tokName || t.kind == tokQuotedName || t.kind == tokString || t.kind == tokNumber:
		e.Hint = "AND, OR or an operator may be missing before it"
	}
	return e
}

func (p *parser) or() Expr {
	list := []Expr{p.and()}
	for p.word("OR") {
		list = append(list, p.and())
	}
	return disjoin(list)
}

func (p *parser) and() Expr {
	list := []Expr{p.not()}
	for p.word("AND") {
		list = append(list, p.not())
	}
	return And(list...)
}

func (p *parser) not() Expr {
	if t := p.tok(); p.word("NOT") {
		p.deeper(t.pos)
		x := p.not()
		p.depth--
		return &not{x}
	}
	return p.is()
}

func (p *parser) is() Expr {
	x := p.comparison()
	levels := 0
	defer func() { p.depth -= levels }()
	for {
		t := p.tok()
		switch t.word {
		case "ISNULL", "NOTNULL":
			p.i++
			x = &is{x: x, what: "NULL", neg: t.word == "NOTNULL"}
		case "IS":
			p.i++
			x = p.isTest(x, t)
			if n := p.tok(); x.prec() == precDistinct && (n.word == "IS" || n.word == "ISNULL" || n.word == "NOTNULL") {
				panic(syntax(n.pos, "%s cannot follow IS DISTINCT FROM", n.word).hint("put the first condition in parentheses"))
			}
		default:
			return x
		}
		levels++
		p.deeper(t.pos)
	}
}

func (p *parser) isTest(x Expr, at token) Expr {
	neg := p.word("NOT")
	t := p.next()
	switch t.word {
	case "NULL", "TRUE", "FALSE", "UNKNOWN":
		return &is{x: x, what: t.word, neg: neg}
	case "DISTINCT":
		if !p.word("FROM") {
			panic(syntax(p.tok().pos, "FROM expected after IS DISTINCT, found %s", describe(p.tok())))
		}
		return &distinct{l: x, r: p.comparison(), neg: neg, at: place{field, at.pos}}
	}
	panic(syntax(t.pos, "NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM expected after IS, found %s", describe(t)))
}

func comparisonOp(t token) bool {
	if t.kind != tokSymbol {
		return false
	}
	switch t.text {
	case "=", "<>", "<", "<=", ">", ">=":
		return true
	}
	return false
}

func (p *parser) comparison() Expr {
	x := p.test()
	t := p.tok()
	for levels := 0; comparisonOp(t); levels++ {
		p.i++
		at := place{field, t.pos}
		word := p.tok().word
		quantifier := (word == "ANY" || word == "SOME" || word == "ALL") && p.peek(1).text == "("
		if quantifier {
			p.i += 2
			p.deeper(t.pos)
			p.subquery()
			x = &quantified{op: t.text, x: x, a: p.or(), all: word == "ALL", at: at}
			p.depth--
			p.expectSymbol(")", "the array")
		} else {
			x = &compare{op: t.text, l: x, r: p.test(), at: at}
		}
		if t = p.tok(); comparisonOp(t) && (!quantifier || levels > 0) { // ANY (…) = TRUE is none
			panic(syntax(t.pos, "comparisons cannot be chained").hint("write a < x AND x < b"))
		}
	}
	return x
}

func (p *parser) subquery() {
	if t := p.tok(); t.word == "SELECT" {
		panic(syntax(t.pos, "subqueries are not supported"))
	}
}

func (p *parser) test() Expr {
	x := p.operand()
	t := p.tok()
	neg := false
	if t.word == "NOT" {
		switch p.peek(1).word {
		case "LIKE", "ILIKE", "IN", "BETWEEN":
			neg = true
			p.i++
		default:
			return x
		}
	}
	op := p.tok()
	at := place{field, op.pos}
	switch op.word {
	case "LIKE", "ILIKE":
		p.i++
		e := &like{x: x, pattern: p.operand(), fold: op.word == "ILIKE", neg: neg, at: at}
		if t := p.tok(); p.word("ESCAPE") {
			e.escape = p.operand()
			if _, ok := e.escape.(*literal); !ok {
				panic(syntax(t.pos, "the escape must be a literal"))
			}
		}
		x = e
	case "IN":
		p.i++
		x = &in{x: x, list: p.list(op), neg: neg, at: at}
	case "BETWEEN":
		p.i++
		e := &between{x: x, neg: neg, at: at}
		if p.word("SYMMETRIC") {
			e.sym = true
		} else {
			p.word("ASYMMETRIC")
		}
		e.lo = p.operand()
		if !p.word("AND") {
			panic(syntax(p.tok().pos, "AND expected inside BETWEEN, found %s", describe(p.tok())))
		}
		e.hi = p.operand()
		x = e
	default:
		return x
	}
	switch t := p.tok(); t.word {
	case "LIKE", "ILIKE", "IN", "BETWEEN":
		panic(syntax(t.pos, "%s cannot follow here", t.word).hint("join conditions with AND or OR"))
	}
	return x
}

func (p *parser) list(op token) []Expr {
	p.expectSymbol("(", "IN")
	p.deeper(op.pos)
	defer func() { p.depth-- }()
	p.subquery()
	var list []Expr
	for {
		if list = append(list, p.or()); len(list) > MaxList {
			panic((&Error{Code: CodeTooLong, Field: field, Pos: op.pos, Msg: "the IN list is too long"}).
				hint("%d items are allowed", MaxList))
		}
		if !p.symbol(",") {
			break
		}
	}
	p.expectSymbol(")", "the IN list")
	return list
}
