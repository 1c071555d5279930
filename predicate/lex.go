package predicate

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokName
	tokQuotedName
	tokString
	tokNumber
	tokSymbol
)

type token struct {
	kind tokenKind
	text string // a name as typed or unquoted, the content of a string, a number, a symbol
	word string // an unquoted name in upper case, "" otherwise
	pos  int    // 1-based, in characters
}

const field = "filterExpression"

func syntax(pos int, format string, args ...any) *Error {
	return &Error{Code: CodeSyntax, Field: field, Pos: pos, Msg: fmt.Sprintf(format, args...)}
}

func (e *Error) hint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// lexer cuts text into tokens. It panics with *Error.
type lexer struct {
	text string
	i    int // bytes read
	pos  int // characters read
}

func lex(text string) []token {
	l := &lexer{text: text}
	var out []token
	for {
		t := l.next()
		out = append(out, t)
		if t.kind == tokEnd {
			return out
		}
	}
}

// take is the text up to byte end, and moves there.
func (l *lexer) take(end int) string {
	s := l.text[l.i:end]
	l.pos += utf8.RuneCountInString(s)
	l.i = end
	return s
}

func (l *lexer) at(i int) byte {
	if i < len(l.text) {
		return l.text[i]
	}
	return 0
}

func (l *lexer) next() token {
	end := l.i
	for end < len(l.text) && isSpace(l.text[end]) {
		end++
	}
	l.take(end)
	pos := l.pos + 1
	c := l.at(l.i)
	switch {
	case l.i == len(l.text):
		return token{pos: pos}
	case c == '\'':
		return token{kind: tokString, text: l.quoted('\'', "string"), pos: pos}
	case c == '"':
		name := l.quoted('"', "quoted identifier")
		if name == "" {
			panic(syntax(pos, "a quoted identifier has no characters"))
		}
		return token{kind: tokQuotedName, text: name, pos: pos}
	case isDigit(c) || c == '.' && isDigit(l.at(l.i+1)):
		return token{kind: tokNumber, text: l.number(pos), pos: pos}
	case isLetter(c):
		for end < len(l.text) && (isLetter(l.text[end]) || isDigit(l.text[end]) || l.text[end] == '$') {
			end++
		}
		s := l.take(end)
		if q := l.at(l.i); q == '\'' && (strings.EqualFold(s, "E") || strings.EqualFold(s, "B") || strings.EqualFold(s, "X") || strings.EqualFold(s, "N")) {
			panic(syntax(pos, "%s'…' strings are not supported", s).hint("write a plain '…' string"))
		}
		return token{kind: tokName, text: s, word: strings.ToUpper(s), pos: pos}
	}
	if strings.IndexByte("(),[]", c) >= 0 {
		return token{kind: tokSymbol, text: l.take(l.i + 1), pos: pos}
	}
	if strings.HasPrefix(l.text[l.i:], "::") {
		return token{kind: tokSymbol, text: l.take(l.i + 2), pos: pos}
	}
	if n := l.operator(pos); n > 0 {
		s := l.take(l.i + n)
		if s == "!=" {
			s = "<>"
		}
		return token{kind: tokSymbol, text: s, pos: pos}
	}
	panic(unknownSymbol(l.text[l.i:], pos))
}

// operators are the known ones.
var operators = map[string]bool{
	"=": true, "<>": true, "!=": true, "<": true, "<=": true, ">": true, ">=": true, "+": true, "-": true, "*": true, "/": true, "%": true,
	"||": true, "->": true, "->>": true, "#>": true, "#>>": true, "@>": true, "<@": true, "&&": true,
}

// operator is the length of the known operator that comes next, cut as scan.l cuts: the longest run of operator
// characters, without + and - at its end unless one of some others is in it. 0 is none. Signs behind != are cut too.
func (l *lexer) operator(pos int) int {
	n := 0
	for strings.IndexByte("~!@#^&|`?+-*/%<>=", l.at(l.i+n)) >= 0 && l.at(l.i+n) != 0 {
		n++
	}
	run := l.text[l.i : l.i+n]
	for _, s := range []string{"--", "/*"} {
		if i := strings.Index(run, s); i == 0 {
			panic(syntax(pos, "comments are not supported"))
		} else if i > 0 {
			run = run[:i]
		}
	}
	if !strings.ContainsAny(run, "~!@#^&|`?%") || strings.HasPrefix(run, "!=") {
		for len(run) > 1 && (run[len(run)-1] == '+' || run[len(run)-1] == '-') {
			run = run[:len(run)-1]
		}
	}
	if operators[run] {
		return len(run)
	}
	return 0
}

func unknownSymbol(rest string, pos int) *Error {
	for _, s := range []struct{ text, name string }{
		{"~", "regular expressions (~)"}, {"!~", "regular expressions (!~)"}, {"$", "parameters and dollar quotes"}, {".", "qualified names"},
	} {
		if strings.HasPrefix(rest, s.text) {
			return syntax(pos, "%s are not supported", s.name)
		}
	}
	run := rest[:len(rest)-len(strings.TrimLeft(rest, "~!@#^&|`?+-*/%<>="))]
	if len(run) > 16 {
		run = run[:16]
	}
	if run != "" {
		return syntax(pos, "there is no operator %s", run).hint("separate two operators by a space")
	}
	if strings.HasPrefix(rest, ";") {
		return syntax(pos, "unexpected %q", ";").hint("write one expression without a semicolon")
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return syntax(pos, "unexpected character %q", r)
}

// quoted reads a run in quotes q, a doubled quote standing for one.
func (l *lexer) quoted(q byte, what string) string {
	pos := l.pos + 1
	var b strings.Builder
	i := l.i + 1
	for {
		n := strings.IndexByte(l.text[i:], q)
		if n < 0 {
			panic(syntax(pos, "this %s is not closed", what).hint("end it with %c; a %c inside is written twice", q, q))
		}
		b.WriteString(l.text[i : i+n])
		i += n + 1
		if l.at(i) != q {
			break
		}
		b.WriteByte(q)
		i++
	}
	l.take(i)
	return b.String()
}

func (l *lexer) number(pos int) string {
	end := l.i
	digits := func() {
		for isDigit(l.at(end)) {
			end++
		}
	}
	digits()
	if l.at(end) == '.' {
		end++
		digits()
	}
	if c := l.at(end); c == 'e' || c == 'E' {
		mark := end
		end++
		if c := l.at(end); c == '+' || c == '-' {
			end++
		}
		if !isDigit(l.at(end)) {
			end = mark
		}
		digits()
	}
	if c := l.at(end); isLetter(c) || c == '.' || c == '$' {
		panic(syntax(pos, "the number %q is followed by %q", l.text[l.i:end], rune(c)).hint("separate them"))
	}
	return l.take(end)
}
