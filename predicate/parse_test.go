package predicate

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParsePrints(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", " \n\t", ""},
		{"or is weakest", "a = 1 OR b = 2 AND c = 3", "a = 1 OR b = 2 AND c = 3"},
		{"parentheses stay where they matter", "(a = 1 OR b = 2) AND (c = 3)", "(a = 1 OR b = 2) AND c = 3"},
		{"flat chains", "a = 1 and (b = 2 and (c = 3))", "a = 1 AND b = 2 AND c = 3"},
		{"not over comparison", "not a = 1 and b = 2", "NOT a = 1 AND b = 2"},
		{"not over is", "NOT a IS NULL", "NOT a IS NULL"},
		{"not of or", "NOT (a = 1 OR b)", "NOT (a = 1 OR b)"},
		{"is over comparison", "a = 1 IS NOT TRUE", "a = 1 IS NOT TRUE"},
		{"is over not", "(NOT a) IS UNKNOWN", "(NOT a) IS UNKNOWN"},
		{"is twice", "a IS NULL IS FALSE", "a IS NULL IS FALSE"},
		{"postfix nulls", "a ISNULL OR b NOTNULL", "a IS NULL OR b IS NOT NULL"},
		{"distinct", "a is not distinct from 'x'", "a IS NOT DISTINCT FROM 'x'"},
		{"not equal", "a != 1 AND a <> 1", "a <> 1 AND a <> 1"},
		{"quotes", `"a ""b""" = 'it''s AND (x'`, `"a ""b""" = 'it''s AND (x'`},
		{"numbers", "a IN (1, -1, +1, .5, 5., 1e3, 1.5E-3, - 2)", "a IN (1, -1, 1, .5, 5., 1e3, 1.5E-3, -2)"},
		{"no spaces", "a=1AND(b<>'x')OR-5<c", ""},
		{"tight", "a='1'AND(b<>'x')OR-5<c", "a = '1' AND b <> 'x' OR -5 < c"},
		{"between binds its AND", "a BETWEEN 1 AND 2 AND b NOT BETWEEN SYMMETRIC 'x' AND 'y'", "a BETWEEN 1 AND 2 AND b NOT BETWEEN SYMMETRIC 'x' AND 'y'"},
		{"like", `a NOT LIKE '%x\_' AND a iLike 'y' escape '!'`, `a NOT LIKE '%x\_' AND a ILIKE 'y' ESCAPE '!'`},
		{"typed literals", "a > date '2024-01-01' OR a < Timestamp with time zone '2024-01-01 00:00+00' OR a = timestamp '2024-01-01'",
			"a > DATE '2024-01-01' OR a < TIMESTAMPTZ '2024-01-01 00:00+00' OR a = TIMESTAMP '2024-01-01'"},
		{"words that are names", "date > 1 AND timestamp = 2 AND escape = 3 AND unknown AND time IS NULL", "date > 1 AND timestamp = 2 AND escape = 3 AND unknown AND time IS NULL"},
		{"unicode names", "größe = 1 AND 名 = '名'", "größe = 1 AND 名 = '名'"},
		{"operands in parentheses", "(a) > (5) and (b) in ((1), (2))", "a > 5 AND b IN (1, 2)"},
		{"arithmetic", "a+b*2-c/3%4 < - d", "a + b * 2 - c / 3 % 4 < - d"},
		{"grouping", "(a + b) * c - (d - e) = -(1 + 2)", "(a + b) * c - (d - e) = - (1 + 2)"},
		{"signs of numbers", "a = - -1 AND b = +2 AND c = -(3)", "a = 1 AND b = 2 AND c = -3"},
		{"casts", "CAST(a AS int) = b::Varchar(5) AND -1::int2 = (-1)::decimal(5, 2)", "a::integer = b::character varying(5) AND - 1::smallint = (-1)::numeric(5,2)"},
		{"types of several words", "a::timestamp with time zone::time without time zone = b::double precision::float[]", "a::timestamp with time zone::time without time zone = b::double precision::double precision[]"},
		{"char", "a::char = b::character(3) OR a::bpchar = c::char varying", "a::character(1) = b::character(3) OR a::bpchar = c::character varying"},
		{"arrays", "ARRAY[1,b,(2)] @> a AND a <@ '{1}'::int[] OR a && ARRAY[[1],[2]]", "ARRAY[1, b, 2] @> a AND a <@ '{1}'::integer[] OR a && ARRAY[ARRAY[1], ARRAY[2]]"},
		{"quantifiers", "a = any (b) and 1 < ALL('{1}') = true", "a = ANY (b) AND (1 < ALL ('{1}')) = TRUE"},
		{"json", "a->'b'->>0 = 'x' AND a#>>'{b,c}' LIKE b||'%'", "a -> 'b' ->> 0 = 'x' AND a #>> '{b,c}' LIKE b || '%'"},
		{"intervals", "a > INTERVAL '1 day' OR a < interval '-3' Month", "a > INTERVAL '1 day' OR a < INTERVAL '-3 month'"},
		{"functions", "LOWER(a) = upper(b||'x') AND length((c)) > 1", "lower(a) = upper(b || 'x') AND length(c) > 1"},
		{"conditions as operands", "(a = 1) = (b IS NULL) AND a LIKE 'x' = TRUE AND c IN (a > 1, b OR d)", "(a = 1) = (b IS NULL) AND a LIKE 'x' = TRUE AND c IN (a > 1, b OR d)"},
		{"operators side by side", "a<-1 AND b>=+c AND d-1=e*-f", "a < -1 AND b >= + c AND d - 1 = e * - f"},
		{"literals alone", "TRUE and null or 'f'", "TRUE AND NULL OR 'f'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := Parse(c.text)
			if c.name == "no spaces" {
				if err == nil {
					t.Fatal("1AND was read as a number and a word; PostgreSQL refuses trailing junk")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if e != nil {
				got = e.String()
			}
			if got != c.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text, code string
		pos              int
		says             string
	}{
		{"unclosed string", "名 = 'abc", CodeSyntax, 5, "not closed"},
		{"unclosed name", `"abc = 1`, CodeSyntax, 1, "not closed"},
		{"empty name", `"" = 1`, CodeSyntax, 1, "no characters"},
		{"no right side", "a =", CodeSyntax, 4, "ends too early"},
		{"no left side", "= 1", CodeSyntax, 1, "unexpected ="},
		{"no operator", "a 1", CodeSyntax, 3, "unexpected 1"},
		{"chained", "1 < a < 5", CodeSyntax, 7, "chained"},
		{"unclosed parenthesis", "(a = 1", CodeSyntax, 7, ") expected"},
		{"extra parenthesis", "a = 1)", CodeSyntax, 6, "unexpected )"},
		{"unknown function", "abs(a) = 'x'", CodeSyntax, 1, "the functions are"},
		{"misspelt function", "lowr(a) = 'x'", CodeSyntax, 1, "did you mean lower?"},
		{"quoted function", `"lower"(a) = 'x'`, CodeSyntax, 1, "no function"},
		{"unknown type", "a::intt = 1", CodeUnknownType, 4, "did you mean int?"},
		{"unknown type in CAST", "CAST(a AS point) = 1", CodeUnknownType, 11, "the types are"},
		{"no type", "a:: = 1", CodeSyntax, 5, "a type expected"},
		{"CAST without AS", "CAST(a, int) = 1", CodeSyntax, 7, "AS expected"},
		{"modifier", "a::numeric(3,2,1) = 1", CodeSyntax, 16, "two numbers"},
		{"modifier of int", "a::int(3) = 1", CodeSyntax, 7, "modifier of int"},
		{"subscript", "a[1] = 1", CodeSyntax, 2, "subscripts"},
		{"empty array", "a = ANY (ARRAY[)", CodeSyntax, 16, "unexpected )"},
		{"any of a subquery", "a = ANY (SELECT 1)", CodeSyntax, 10, "subqueries"},
		{"unknown operator", "a @@ b", CodeSyntax, 3, "no operator @@"},
		{"glued operators", "a @>-1", CodeSyntax, 3, "no operator @>-"},
		{"unit of no number", "a > INTERVAL '1 day' HOUR", CodeSyntax, 22, "whole number"},
		{"chained quantifiers", "1 = ANY (a) = TRUE = TRUE", CodeSyntax, 20, "chained"},
		{"comment", "a = 1 -- x", CodeSyntax, 7, "comments"},
		{"subquery", "a IN (SELECT 1)", CodeSyntax, 7, "subqueries"},
		{"empty list", "a IN ()", CodeSyntax, 7, "unexpected )"},
		{"semicolon", "a = 1; DROP TABLE t", CodeSyntax, 6, "unexpected"},
		{"qualified", "t.a = 1", CodeSyntax, 2, "qualified names"},
		{"regular expression", "a ~ 'x'", CodeSyntax, 3, "regular expressions"},
		{"escape string", `a = E'\n'`, CodeSyntax, 5, "not supported"},
		{"junk after a number", "a = 12abc", CodeSyntax, 5, "followed by"},
		{"is what", "a IS 5", CodeSyntax, 6, "expected after IS"},
		{"side by side strings", "a = 'x' 'y'", CodeSyntax, 9, "side by side"},
		{"keyword as a name", "select = 1", CodeSyntax, 1, "double quotes"},
		{"zero byte", "a = 'x\x00'", CodeSyntax, 7, "zero byte"},
		{"not UTF-8", "a = '\xff'", CodeSyntax, 0, "UTF-8"},
		{"too long", strings.Repeat(" ", MaxText+1), CodeTooLong, 0, "too long"},
		{"deep parentheses", strings.Repeat("(", 201) + "a" + strings.Repeat(")", 201), CodeTooDeep, 201, "too deeply"},
		{"deep not", strings.Repeat("NOT ", 201) + "a", CodeTooDeep, 801, "too deeply"},
		{"deep is", "a" + strings.Repeat(" IS NULL", 201), CodeTooDeep, 1603, "too deeply"},
		{"deep signs", strings.Repeat("- ", 201) + "a = 1", CodeTooDeep, 401, "too deeply"},
		{"deep casts", "a" + strings.Repeat("::int", 201), CodeTooDeep, 1004, "too deeply"},
		{"long sums", "a" + strings.Repeat("+a", 201), CodeTooDeep, 402, "too deeply"},
		{"deep calls", strings.Repeat("lower(", 201) + "a" + strings.Repeat(")", 201), CodeTooDeep, 1201, "too deeply"},
		{"deep arrays", "ARRAY" + strings.Repeat("[", 201) + "1" + strings.Repeat("]", 201), CodeTooDeep, 206, "too deeply"},
		{"long array", "a = ANY (ARRAY[" + strings.Repeat("1,", 10_000) + "1])", CodeTooLong, 10, "array"},
		{"long list", "a IN (" + strings.Repeat("1,", 10_000) + "1)", CodeTooLong, 3, "IN list"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := Parse(c.text)
			var bad *Error
			if !errors.As(err, &bad) {
				t.Fatalf("accepted as %v", e)
			}
			if bad.Code != c.code || bad.Pos != c.pos || bad.Field != "filterExpression" || !strings.Contains(bad.Error(), c.says) {
				t.Errorf("got %#v, want code %s at %d saying %q", bad, c.code, c.pos, c.says)
			}
		})
	}
}

func TestParseLimitsHold(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("(", 200) + "a" + strings.Repeat(")", 200),
		strings.Repeat("NOT ", 200) + "a",
		"a IN (" + strings.Repeat("1,", 9_999) + "1)",
		strings.Repeat("a = 1 OR b = 2 AND ", 3000) + "c",
	} {
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Parse(e.String()); err != nil || !equal(e, again) {
			t.Errorf("%.40s… does not read back: %v", text, err)
		}
	}
}

// equal compares trees without their places.
func equal(a, b Expr) bool { return reflect.DeepEqual(unplaced(a), unplaced(b)) }

func unplaced(e Expr) Expr {
	list := func(in []Expr) (out []Expr) {
		for _, x := range in {
			out = append(out, unplaced(x))
		}
		return out
	}
	switch e := e.(type) {
	case *column:
		return &column{name: e.name, quoted: e.quoted}
	case *literal:
		return &literal{kind: e.kind, text: e.text}
	case *not:
		return &not{unplaced(e.x)}
	case *and:
		return &and{list(e.list)}
	case *or:
		return &or{list(e.list)}
	case *is:
		return &is{unplaced(e.x), e.what, e.neg}
	case *distinct:
		return &distinct{l: unplaced(e.l), r: unplaced(e.r), neg: e.neg}
	case *compare:
		return &compare{op: e.op, l: unplaced(e.l), r: unplaced(e.r)}
	case *in:
		return &in{x: unplaced(e.x), list: list(e.list), neg: e.neg}
	case *between:
		return &between{x: unplaced(e.x), lo: unplaced(e.lo), hi: unplaced(e.hi), sym: e.sym, neg: e.neg}
	case *operation:
		return &operation{op: e.op, l: unplaced(e.l), r: unplaced(e.r)}
	case *sign:
		return &sign{op: e.op, x: unplaced(e.x)}
	case *cast:
		return &cast{x: unplaced(e.x), typ: e.typ}
	case *arrayOf:
		return &arrayOf{list: list(e.list)}
	case *quantified:
		return &quantified{op: e.op, x: unplaced(e.x), a: unplaced(e.a), all: e.all}
	case *function:
		return &function{name: e.name, x: unplaced(e.x)}
	case *like:
		out := &like{x: unplaced(e.x), pattern: unplaced(e.pattern), fold: e.fold, neg: e.neg}
		if e.escape != nil {
			out.escape = unplaced(e.escape)
		}
		return out
	}
	return e
}

// FuzzParse: no input panics, and what is read prints as text that reads back to an equal tree.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"a = 1 OR NOT (b <> 'it''s' AND c IS NOT NULL)", `"x""y" IN (1, -2.5e3, NULL)`, "a BETWEEN SYMMETRIC 1 AND DATE '2024-01-01' IS UNKNOWN",
		"a ILIKE '%x' ESCAPE '' IS NULL", "5 IS DISTINCT FROM a", "TIMESTAMP WITH TIME ZONE '2024-01-01' > ts", "((a)) ISNULL", "date > time", "größe<.5", "- 5. < a", "a !=-1",
		"a IS NULL IS TRUE AND (a IS NULL AND b) OR (NOT NOT c)",
		"a+b*-c/(d-1)%2 = - -1::int2", "CAST(a AS numeric(5,2)) <> b::timestamp with time zone::varchar(3)[]", "ARRAY[1,[2],ARRAY[]] @> a <@ b && c",
		"a = ANY ('{1,2}') = (b < ALL (ARRAY[c]))", "a->'b'->>0#>>'{x}'||lower(upper(c)) LIKE length(d)::text", "a > INTERVAL '1' DAY + INTERVAL '-2 mons' ISNULL",
		"(a = 1) IS DISTINCT FROM (b IN (c > 1, NOT d))", "a IS DISTINCT FROM b IS NULL = c", "a::bpchar::char::dec::\"x\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			var bad *Error
			if !errors.As(err, &bad) || bad.Pos < 0 || bad.Pos > len([]rune(text))+1 || bad.Msg == "" {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		if e == nil {
			return
		}
		again, err := Parse(e.String())
		var bad *Error
		if errors.As(err, &bad) && bad.Code == CodeTooLong {
			return
		}
		if err != nil || !equal(e, again) {
			t.Fatalf("%q prints as %q, which reads back as %v, %v", text, e, again, err)
		}
	})
}
