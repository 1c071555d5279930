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
	case t.text == "(" && p.i > 0 && p.toks[p.i-1].kind == tokName:
		e = syntax(t.pos, "functions are not supported").hint("compare a column with a literal")
	case t.text == "-" && p.peek(1).text == "-":
		e = syntax(t.pos, "comments are not supported")
	case t.text == "+" || t.text == "-":
		e = syntax(t.pos, "arithmetic is not supported").hint("compare a column with a literal")
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
		y := p.comparison()
		p.operands(at, "IS DISTINCT FROM", x, y)
		p.oneColumn(at, x, y)
		return &distinct{l: x, r: y, neg: neg, at: place{field, at.pos}}
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
	if !comparisonOp(t) {
		return x
	}
	p.i++
	y := p.test()
	p.operands(t, t.text, x, y)
	p.oneColumn(t, x, y)
	if t := p.tok(); comparisonOp(t) {
		panic(syntax(t.pos, "comparisons cannot be chained").hint("write a < x AND x < b"))
	}
	return &compare{op: t.text, l: x, r: y, at: place{field, t.pos}}
}

// operands refuses sides that are conditions themselves.
func (p *parser) operands(at token, op string, list ...Expr) {
	for _, x := range list {
		if x.prec() != precOperand {
			panic(syntax(at.pos, "a side of %s is neither a column nor a literal", op).
				hint("compare a column with a literal; use IS TRUE or NOT on a condition"))
		}
	}
}

func (p *parser) oneColumn(at token, x, y Expr) {
	_, l := x.(*column)
	_, r := y.(*column)
	if l && r {
		panic(syntax(at.pos, "comparing two columns is not supported").
			hint("compare a column with a literal; a text literal stands in single quotes"))
	}
}

func (p *parser) test() Expr {
	x := p.primary()
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
		e := &like{x: x, pattern: p.primary(), fold: op.word == "ILIKE", neg: neg, at: at}
		p.operands(op, op.word, x, e.pattern)
		if c, ok := e.pattern.(*column); ok {
			panic(syntax(c.at.pos, "a column as a pattern is not supported").hint("a pattern stands in single quotes"))
		}
		if t := p.tok(); p.word("ESCAPE") {
			e.escape = p.primary()
			if _, ok := e.escape.(*literal); !ok {
				panic(syntax(t.pos, "the escape must be a literal"))
			}
		}
		x = e
	case "IN":
		p.i++
		p.operands(op, "IN", x)
		x = &in{x: x, list: p.list(op, x), neg: neg, at: at}
	case "BETWEEN":
		p.i++
		e := &between{x: x, neg: neg, at: at}
		if p.word("SYMMETRIC") {
			e.sym = true
		} else {
			p.word("ASYMMETRIC")
		}
		e.lo = p.primary()
		if !p.word("AND") {
			panic(syntax(p.tok().pos, "AND expected inside BETWEEN, found %s", describe(p.tok())))
		}
		e.hi = p.primary()
		p.operands(op, "BETWEEN", x, e.lo, e.hi)
		p.oneColumn(op, x, e.lo)
		p.oneColumn(op, x, e.hi)
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

func (p *parser) list(op token, x Expr) []Expr {
	p.expectSymbol("(", "IN")
	if t := p.tok(); t.word == "SELECT" {
		panic(syntax(t.pos, "subqueries are not supported"))
	}
	var list []Expr
	for {
		y := p.primary()
		p.operands(op, "IN", y)
		p.oneColumn(op, x, y)
		if list = append(list, y); len(list) > MaxList {
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

// reserved words cannot be column names without quotes, in PostgreSQL neither.
var reserved = map[string]bool{
	"AND": true, "OR": true, "NOT": true, "IS": true, "IN": true, "LIKE": true, "ILIKE": true, "ISNULL": true, "NOTNULL": true,
	"SELECT": true, "FROM": true, "WHERE": true, "CASE": true, "CAST": true, "DISTINCT": true, "SYMMETRIC": true, "ASYMMETRIC": true,
}

func (p *parser) primary() Expr {
	t := p.next()
	at := place{field, t.pos}
	switch t.kind {
	case tokString:
		if n := p.tok(); n.kind == tokString {
			panic(syntax(n.pos, "two strings stand side by side").hint("a quote inside a string is written twice"))
		}
		return &literal{litString, t.text, at}
	case tokNumber:
		return &literal{litNumber, t.text, at}
	case tokQuotedName:
		return p.name(&column{t.text, true, at})
	case tokName:
		return p.named(t, at)
	case tokSymbol:
		switch t.text {
		case "(":
			p.deeper(t.pos)
			x := p.or()
			p.expectSymbol(")", "the expression in parentheses")
			p.depth--
			return x
		case "-", "+":
			if n := p.tok(); n.kind == tokNumber {
				p.i++
				return &literal{litNumber, strings.TrimPrefix(t.text, "+") + n.text, at}
			}
		}
	}
	p.i = max(p.i-1, 0)
	if t.kind == tokEnd {
		p.i = len(p.toks) - 1
	}
	panic(p.unexpected(t))
}

// name refuses what may follow a column name in SQL but not here.
func (p *parser) name(c *column) Expr {
	if t := p.tok(); t.kind == tokSymbol && t.text == "(" {
		panic(syntax(c.at.pos, "functions are not supported").hint("compare a column with a literal"))
	}
	return c
}

func (p *parser) named(t token, at place) Expr {
	switch t.word {
	case "NULL":
		return &literal{litNull, "", at}
	case "TRUE", "FALSE":
		return &literal{litBool, t.word, at}
	}
	if kind, n, ok := p.typed(t); ok {
		p.i += n
		return &literal{kind, p.next().text, at}
	}
	if reserved[t.word] {
		p.i--
		e := syntax(t.pos, "a column or a literal expected, found %s", t.text)
		panic(e.hint("a column of this name stands in double quotes: %s", quoteName(t.text)))
	}
	return p.name(&column{t.text, false, at})
}

// typed recognises DATE '…' and the like: the kind and the tokens between the word and the string.
func (p *parser) typed(t token) (kind litKind, skip int, ok bool) {
	switch t.word {
	case "DATE":
		kind = litDate
	case "TIMESTAMPTZ":
		kind = litTimestampTZ
	case "TIME", "TIMESTAMP":
		kind = litTime
		if t.word == "TIMESTAMP" {
			kind = litTimestamp
		}
		if w := p.tok().word; (w == "WITH" || w == "WITHOUT") && p.peek(1).word == "TIME" && p.peek(2).word == "ZONE" {
			skip = 3
			if w == "WITH" {
				if kind == litTime {
					panic(syntax(t.pos, "TIME WITH TIME ZONE literals are not supported"))
				}
				kind = litTimestampTZ
			}
		}
	default:
		return 0, 0, false
	}
	return kind, skip, p.peek(skip).kind == tokString
}
