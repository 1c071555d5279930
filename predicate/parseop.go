package predicate

import "strings"

// operand reads a value: what binds stronger than LIKE and comparisons.
func (p *parser) operand() Expr { return p.chain(0) }

// chains are the operators of two values that associate to the left, weakest first.
var chains = [...]map[string]bool{
	{"||": true, "->": true, "->>": true, "#>": true, "#>>": true, "@>": true, "<@": true, "&&": true},
	{"+": true, "-": true},
	{"*": true, "/": true, "%": true},
}

func (p *parser) chain(strength int) Expr {
	if strength == len(chains) {
		return p.signed()
	}
	x := p.chain(strength + 1)
	levels := 0
	for {
		t := p.tok()
		if t.kind != tokSymbol || !chains[strength][t.text] {
			p.depth -= levels
			return x
		}
		levels++ // the tree is as deep as the chain is long
		p.deeper(t.pos)
		p.i++
		x = &operation{op: t.text, l: x, r: p.chain(strength + 1), at: place{field, t.pos}}
	}
}

// signed reads signs. Like doNegate of gram.y it puts one into a number.
func (p *parser) signed() Expr {
	t := p.tok()
	if t.kind != tokSymbol || t.text != "-" && t.text != "+" {
		return p.casts()
	}
	p.i++
	p.deeper(t.pos)
	x := p.signed()
	p.depth--
	at := place{field, t.pos}
	if n, ok := x.(*literal); ok && n.kind == litNumber {
		if t.text == "+" {
			return n
		}
		if text, ok := strings.CutPrefix(n.text, "-"); ok {
			return &literal{litNumber, text, at}
		}
		return &literal{litNumber, "-" + n.text, at}
	}
	return &sign{t.text, x, at}
}

func (p *parser) casts() Expr {
	x := p.primary()
	levels := 0
	for p.symbol("::") {
		levels++
		p.deeper(p.tok().pos)
		at := place{field, p.tok().pos}
		x = &cast{x, p.typeName(), at}
	}
	p.depth -= levels
	if t := p.tok(); t.kind == tokSymbol && t.text == "[" {
		panic(p.unexpected(t))
	}
	return x
}

// reserved words cannot be column names without quotes, in PostgreSQL neither.
var reserved = map[string]bool{
	"AND": true, "OR": true, "NOT": true, "IS": true, "IN": true, "LIKE": true, "ILIKE": true, "ISNULL": true, "NOTNULL": true,
	"SELECT": true, "FROM": true, "WHERE": true, "CASE": true, "CAST": true, "DISTINCT": true, "SYMMETRIC": true, "ASYMMETRIC": true,
	"ANY": true, "SOME": true, "ALL": true, "ARRAY": true, "BETWEEN": true,
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
		if n := p.tok(); n.kind == tokSymbol && n.text == "(" {
			panic(unknownFunction(t.text, at))
		}
		return &column{t.text, true, at}
	case tokName:
		return p.named(t, at)
	case tokSymbol:
		if t.text == "(" {
			p.deeper(t.pos)
			x := p.or()
			p.expectSymbol(")", "the expression in parentheses")
			p.depth--
			return x
		}
	}
	p.i = max(p.i-1, 0)
	if t.kind == tokEnd {
		p.i = len(p.toks) - 1
	}
	panic(p.unexpected(t))
}

var functions = []string{"lower", "upper", "length"}

func unknownFunction(name string, at place) *Error {
	e := syntax(at.pos, "there is no function %s here", name)
	if near, d := nearest(name, functions); d <= 2 {
		return e.hint("did you mean %s?", near)
	}
	return e.hint("the functions are %s", strings.Join(functions, ", "))
}

func (p *parser) named(t token, at place) Expr {
	switch t.word {
	case "NULL":
		return &literal{litNull, "", at}
	case "TRUE", "FALSE":
		return &literal{litBool, t.word, at}
	case "CAST":
		p.expectSymbol("(", "CAST")
		p.deeper(t.pos)
		x := p.or()
		if !p.word("AS") {
			panic(syntax(p.tok().pos, "AS expected inside CAST, found %s", describe(p.tok())))
		}
		at := place{field, p.tok().pos}
		typ := p.typeName()
		p.expectSymbol(")", "the type")
		p.depth--
		return &cast{x, typ, at}
	case "ARRAY":
		if p.tok().text == "[" {
			return p.array(at)
		}
	case "INTERVAL":
		if n := p.tok(); n.kind == tokString {
			p.i++
			return &literal{litInterval, n.text + p.intervalUnit(n), at}
		}
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
	if p.symbol("(") {
		name := strings.ToLower(t.text)
		for _, f := range functions {
			if f == name {
				p.deeper(t.pos)
				x := p.or()
				p.depth--
				p.expectSymbol(")", "the argument of "+f)
				return &function{f, x, at}
			}
		}
		panic(unknownFunction(t.text, at))
	}
	return &column{t.text, false, at}
}

// array reads the list of ARRAY[…], where a list without the word is one more dimension.
func (p *parser) array(at place) Expr {
	p.expectSymbol("[", "ARRAY")
	p.deeper(at.pos)
	defer func() { p.depth-- }()
	out := &arrayOf{at: at}
	if p.symbol("]") {
		return out
	}
	p.subquery()
	for {
		if t := p.tok(); t.kind == tokSymbol && t.text == "[" {
			out.list = append(out.list, p.array(place{field, t.pos}))
		} else {
			out.list = append(out.list, p.or())
		}
		if len(out.list) > MaxList {
			panic((&Error{Code: CodeTooLong, Field: field, Pos: at.pos, Msg: "the array is too long"}).hint("%d items are allowed", MaxList))
		}
		if !p.symbol(",") {
			break
		}
	}
	p.expectSymbol("]", "the array")
	return out
}

// intervalUnit is the unit behind the string of INTERVAL '3' DAY, which stands for INTERVAL '3 day'.
func (p *parser) intervalUnit(n token) string {
	switch t := p.tok(); t.word {
	case "YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND":
		if digits := strings.TrimPrefix(n.text, "-"); digits == "" || strings.Trim(digits, "0123456789") != "" {
			panic(syntax(t.pos, "%s takes a whole number in the string before it", t.text).hint("write INTERVAL '1 day 02:00'"))
		}
		p.i++
		if n := p.tok(); n.word == "TO" || n.text == "(" {
			panic(syntax(n.pos, "unexpected %s", describe(n)).hint("write INTERVAL '1 day 02:00'"))
		}
		return " " + strings.ToLower(t.text)
	}
	return ""
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
