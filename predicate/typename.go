package predicate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"frostline/coltype"
)

// castNames are the types of casts by the words that name them.
var castNames = map[string]class{
	"bool": boolean, "boolean": boolean, "smallint": smallint, "int2": smallint, "int": integer, "integer": integer, "int4": integer,
	"bigint": bigint, "int8": bigint, "oid": oid, "real": float4, "float4": float4, "double precision": float8, "float8": float8, "float": float8,
	"numeric": numeric, "decimal": numeric, "dec": numeric, "text": text, "varchar": text, "character varying": text, "char varying": text,
	"char": bpchar, "character": bpchar, "bpchar": bpchar, "name": name, "uuid": uuid, "bytea": bytea, "date": date,
	"time": clock, "time without time zone": clock, "timestamp": timestamp, "timestamp without time zone": timestamp,
	"timestamptz": timestamptz, "timestamp with time zone": timestamptz, "interval": interval, "json": jsonType, "jsonb": jsonbType,
}

// typeName reads the name of a type, with its modifier and [].
func (p *parser) typeName() coltype.Type {
	t := p.next()
	if t.kind != tokName {
		p.i--
		panic(syntax(t.pos, "a type expected, found %s", describe(t)))
	}
	word := lowerASCII(t.text)
	more := func(list ...string) bool {
		for i, w := range list {
			if p.peek(i).word != w {
				return false
			}
		}
		p.i += len(list)
		for _, w := range list {
			word += " " + strings.ToLower(w)
		}
		return true
	}
	switch word {
	case "double":
		more("PRECISION")
	case "character", "char":
		more("VARYING")
	case "time", "timestamp":
		_ = more("WITH", "TIME", "ZONE") || more("WITHOUT", "TIME", "ZONE")
	}
	c, ok := castNames[word]
	if !ok {
		panic(unknownType(word, t))
	}
	typ := plain[c]
	if strings.HasSuffix(word, "varying") || word == "varchar" {
		typ.Base, typ.Name = "varchar", "character varying"
	}
	if word == "bpchar" {
		typ.Name = word
	}
	p.modifier(c, word, &typ)
	for p.symbol("[") {
		if n := p.tok(); n.kind == tokNumber {
			if _, err := strconv.ParseInt(n.text, 10, 32); err != nil {
				panic(syntax(n.pos, "a whole number expected in the [] of %s, found %s", word, describe(n)))
			}
			p.i++
		}
		p.expectSymbol("]", "[")
		if typ.Kind == coltype.List {
			continue // int[][] is int[]
		}
		if c == interval || c == jsonType || c == jsonbType {
			panic(syntax(t.pos, "arrays of %s are not supported", typ.Name))
		}
		typ = listType(typ)
	}
	return typ
}

func unknownType(word string, t token) *Error {
	e := &Error{Code: CodeUnknownType, Field: field, Pos: t.pos, Msg: fmt.Sprintf("there is no cast to a type %q here", word)}
	if near, d := nearest(word, slices.Sorted(maps.Keys(castNames))); d <= max(1, len(near)/3) {
		return e.hint("did you mean %s?", near)
	}
	return e.hint("the types are boolean, smallint, integer, bigint, real, double precision, numeric, text, varchar, char, uuid, bytea, date, time, timestamp, timestamptz, interval, and arrays of most")
}

// modifier reads (n) or (p, s) behind the word of a type.
func (p *parser) modifier(c class, word string, typ *coltype.Type) {
	if word == "char" || word == "character" {
		typ.Precision, typ.Name = 1, "character(1)"
	}
	at := p.tok()
	if !p.symbol("(") {
		return
	}
	var mods []int
	for {
		negative := p.symbol("-")
		t := p.next()
		n, err := strconv.Atoi(t.text)
		if t.kind != tokNumber || err != nil {
			p.i--
			panic(syntax(t.pos, "a whole number expected in the modifier of %s, found %s", word, describe(t)))
		}
		if negative {
			n = -n
		}
		if mods = append(mods, n); len(mods) > 2 {
			panic(syntax(t.pos, "a modifier of %s has two numbers at most", word))
		}
		if !p.symbol(",") {
			break
		}
	}
	p.expectSymbol(")", "the modifier")
	within := func(n, lo, hi int) bool { return n >= lo && n <= hi }
	switch {
	case c == numeric && within(mods[0], 1, 1000):
		scale := 0
		if len(mods) == 2 {
			scale = mods[1]
		}
		if within(scale, 0, mods[0]) {
			typ.Precision, typ.Scale = mods[0], scale
			typ.Name = fmt.Sprintf("numeric(%d,%d)", mods[0], scale)
			return
		}
	case c == bpchar && word != "bpchar" && len(mods) == 1 && within(mods[0], 1, 10485760):
		typ.Precision, typ.Name = mods[0], fmt.Sprintf("character(%d)", mods[0])
		return
	case c == text && word != "text" && len(mods) == 1 && within(mods[0], 1, 10485760):
		typ.Precision, typ.Name = mods[0], fmt.Sprintf("character varying(%d)", mods[0])
		return
	}
	panic(syntax(at.pos, "this modifier of %s is not supported", word).hint("numeric takes (precision, scale) of 1 to 1000 digits, varchar and char take a length"))
}
