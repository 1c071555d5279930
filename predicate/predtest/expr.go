package predtest

import (
	"fmt"
	"strings"
)

// expression is a condition on values that are computed: mostly of columns whose values stay small, so that few end in an error.
func (g *Gen) expression() string {
	switch g.r.IntN(10) {
	case 0:
		return g.array()
	case 1:
		return g.json()
	case 2:
		return g.columns()
	}
	base := pick(g.r, "int", "int", "numeric", "float", "date", "timestamp", "timestamptz", "interval", "text", "text", "bool", "time")
	depth := g.r.IntN(3)
	x := g.of(base, depth)
	not := pick(g.r, "", "", "NOT ")
	switch g.r.IntN(12) {
	case 0:
		return x + " IS " + not + "NULL"
	case 1:
		return x + " " + not + "IN (" + g.of(base, 0) + ", " + g.of(base, depth) + ", " + g.of(base, 0) + ")"
	case 2:
		return x + " " + not + "BETWEEN " + pick(g.r, "", "SYMMETRIC ") + g.of(base, 0) + " AND " + g.of(base, depth)
	case 3:
		return x + " IS " + not + "DISTINCT FROM " + g.of(base, depth)
	case 4:
		if base == "text" {
			return x + " " + not + pick(g.r, "LIKE ", "ILIKE ") + pick(g.r, "'%a%'", "'_%'", "'1%'", "lower('A') || '%'", "'%' || s_text")
		}
	}
	return x + " " + g.op() + " " + g.of(base, depth)
}

// of is an expression of about that type.
func (g *Gen) of(base string, depth int) string {
	if g.one(60) && (base == "int" || base == "numeric" || base == "text" || base == "bool" || base == "interval") {
		return "NULL"
	}
	if depth <= 0 {
		return g.atom(base)
	}
	sub := func(base string) string { return g.of(base, depth-1) }
	two := func(base string, ops ...string) string {
		return "(" + sub(base) + " " + pick(g.r, ops...) + " " + sub(base) + ")"
	}
	switch base {
	case "int":
		switch g.r.IntN(10) {
		case 0:
			return "(" + sub("int") + pick(g.r, " / ", " % ") + pick(g.r, "s_pos", "3", "-7", "s_int4") + ")"
		case 1:
			return "- " + g.atom("int")
		case 2:
			return "(" + sub("date") + " - " + g.atom("date") + ")"
		case 3:
			return "length(" + sub("text") + ")"
		case 4:
			return g.cast(pick(g.r, "int", "numeric", "float", "bool"), depth, pick(g.r, "int", "int4", "bigint", "smallint", "int8"))
		}
		return two("int", "+", "-", "*")
	case "numeric":
		switch g.r.IntN(8) {
		case 0, 1:
			return "(" + sub("numeric") + pick(g.r, " / ", " % ") + pick(g.r, "s_pos", "3.0", "0.07", "-7.5", "1e3", "s_num") + ")"
		case 2:
			return "(" + sub("numeric") + pick(g.r, " + ", " * ", " - ") + sub("int") + ")"
		case 3:
			return g.cast(pick(g.r, "int", "float", "numeric"), depth, pick(g.r, "numeric", "numeric(30,3)", "decimal(20)"))
		case 4:
			return "- " + g.atom("numeric")
		}
		return two("numeric", "+", "-", "*")
	case "float":
		switch g.r.IntN(6) {
		case 0:
			return "(" + sub("float") + " / " + pick(g.r, "s_pos", "0.5", "3") + ")"
		case 1:
			return g.cast(pick(g.r, "int", "numeric", "float"), depth, pick(g.r, "float8", "double precision", "real"))
		case 2:
			return "(" + sub("float") + pick(g.r, " + ", " * ") + sub(pick(g.r, "int", "numeric")) + ")"
		}
		return two("float", "+", "-", "*")
	case "date":
		if g.one(3) {
			return pick(g.r, "s_ts", "s_tstz", "c_ts", "c_tstz", "s_date") + "::date"
		}
		return "(" + sub("date") + pick(g.r, " + ", " - ") + pick(g.r, "s_int2", "s_pos", "30", "s_int4") + ")"
	case "timestamp", "timestamptz":
		switch g.r.IntN(4) {
		case 0:
			return g.cast(pick(g.r, "date", "timestamp", "timestamptz"), depth, base)
		case 1:
			if base == "timestamp" {
				return "(" + sub("date") + pick(g.r, " + ", " - ") + g.of("interval", 0) + ")"
			}
		case 2:
			if base == "timestamp" {
				return "(" + sub("date") + " + " + g.atom("time") + ")"
			}
		}
		return "(" + sub(base) + pick(g.r, " + ", " - ") + sub("interval") + ")"
	case "interval":
		switch g.r.IntN(6) {
		case 0, 1: // not of infinite ones, which are an error before PostgreSQL 17
			moment := func() string {
				return pick(g.r, "s_ts", "s_tstz", "s_date::timestamp", "TIMESTAMP "+literal(value(g.r, "near timestamp")), "TIMESTAMPTZ "+literal(value(g.r, "near timestamptz")))
			}
			return "(" + moment() + " - " + pick(g.r, moment(), "s_date") + ")"
		case 2:
			return "(" + g.atom("time") + " - " + g.atom("time") + ")"
		case 3:
			return "(" + sub("interval") + pick(g.r, " * ", " / ") + pick(g.r, "2", "1.5", "s_pos", "0.1") + ")"
		case 4:
			return "- " + g.atom("interval")
		}
		return two("interval", "+", "-")
	case "time":
		if g.one(3) {
			return pick(g.r, "s_ts", "s_tstz", "c_ts", "c_interval") + "::time"
		}
		return "(" + sub("time") + pick(g.r, " + ", " - ") + g.atom("interval") + ")"
	case "text":
		switch g.r.IntN(6) {
		case 0:
			return pick(g.r, "lower(", "upper(") + sub("text") + ")"
		case 1:
			return g.cast(pick(g.r, "int", "numeric", "float", "date", "timestamp", "timestamptz", "interval", "bool", "time", "text"), depth, pick(g.r, "text", "varchar", "varchar(5)", "char(6)"))
		case 2:
			return pick(g.r, "c_uuid::text", "c_bytea::text", `"Mood ""x"""::text`, "c_longs::text", "c_texts::text", "c_nums::text", "c_doc::text", "c_dates::text")
		case 3:
			return "(" + g.atom("text") + " || " + pick(g.r, "s_int4", "s_num", "s_date", "c_bool", "c_uuid") + ")"
		}
		return two("text", "||")
	case "bool":
		return "(" + g.of("int", 0) + " " + g.op() + " " + g.of("int", 0) + ")"
	}
	return g.atom(base)
}

func (g *Gen) cast(from string, depth int, to string) string {
	x := g.of(from, depth-1)
	if g.one(2) {
		return "CAST(" + x + " AS " + to + ")"
	}
	if strings.HasPrefix(x, "-") || strings.Contains(x, " ") {
		x = "(" + x + ")"
	}
	return x + "::" + to
}

// atom is a column or a constant.
func (g *Gen) atom(base string) string {
	lit := func(base string) string { return literal(value(g.r, base)) }
	switch base {
	case "int":
		return pick(g.r, "s_int2", "s_int4", "s_int8", "s_pos", "s_pos", fmt.Sprint(g.r.IntN(20)), fmt.Sprint(g.r.IntN(20)-10), "c_domain", "'7'::int2")
	case "numeric":
		return pick(g.r, "s_num", "s_num", "s_free", "c_num", "c_wide", "1.5", "0.001", "-2.50", "100", "'3.25'::numeric", "s_int4::numeric(10,4)")
	case "float":
		return pick(g.r, "s_real", "s_dbl", "s_dbl", "c_float8", "'2.5'::float8", "1.1::real", "s_int4::float8", "s_num::real")
	case "date":
		return pick(g.r, "s_date", "s_date", "s_date", "DATE "+lit("near date"), "c_date", "'2024-01-31'::date")
	case "timestamp":
		return pick(g.r, "s_ts", "s_ts", "TIMESTAMP "+lit("near timestamp"), "c_ts", "s_date::timestamp")
	case "timestamptz":
		return pick(g.r, "s_tstz", "s_tstz", "TIMESTAMPTZ "+lit("near timestamptz"), "c_tstz")
	case "interval":
		return pick(g.r, "c_interval", "INTERVAL "+lit("interval"), "INTERVAL '1 month'", "INTERVAL '1.5 days'", "INTERVAL '3' DAY", "INTERVAL '-1 year 2 months ago'", "INTERVAL 'P1Y2M3DT4H5M6S'", "'90 min'::interval")
	case "time":
		return pick(g.r, "s_time", "TIME "+lit("near time"), "c_time")
	case "bool":
		return pick(g.r, "c_bool", "TRUE", "(s_int4 > 0)", "(c_text LIKE 'a%')", "'yes'::bool", "(c_int4 IS NULL)")
	}
	return pick(g.r, "s_text", "c_text", "c_varchar", "c_char", "c_name", literal(pick(g.r, words...)), "'a'::varchar", "' x '::char(4)")
}

// columns compares two columns, whatever their values.
func (g *Gen) columns() string {
	pair := pick(g.r, "c_int2 c_int4", "c_int4 c_int8", "c_oid c_int4", "c_int8 s_int2", "c_float4 c_float8", "c_float8 c_int4", "s_num c_float8", "c_num c_wide", "c_free c_num", "c_num c_int8", "c_text c_varchar",
		"c_text c_char", "c_char c_varchar", "c_name c_text", "c_char c_name", "c_date c_ts", "c_ts c_tstz", "c_tstz c_date", "s_date c_date", "s_ts s_tstz", "c_time s_time", "c_domain s_int4", "s_pos s_int4",
		"c_uuid c_uuid", "c_bytea c_bytea", "c_bool c_bool", `"Mood ""x""" "Mood ""x"""`, "c_longs c_longs", "c_interval c_interval", "c_texts c_texts")
	a, b, _ := strings.Cut(pair, " ")
	if strings.HasPrefix(pair, `"`) {
		a, b = `"Mood ""x"""`, `"Mood ""x"""`
	}
	if g.one(2) {
		a, b = b, a
	}
	switch g.r.IntN(5) {
	case 0:
		return a + " IS " + pick(g.r, "", "NOT ") + "DISTINCT FROM " + b
	case 1:
		return a + " IN (" + b + ", " + a + ")"
	}
	return a + " " + g.op() + " " + b
}

// array is a condition on an array.
func (g *Gen) array() string {
	type kind struct{ col, elem, typ, item string }
	k := pick(g.r, kind{"c_longs", "s_int8", "int8", fmt.Sprint(g.r.IntN(6))}, kind{"c_list", "s_int4", "int", fmt.Sprint(g.r.IntN(6))}, kind{"c_texts", "s_text", "text", "'a'"}, kind{"c_chars", "c_char", "char(3)", "'a '"},
		kind{"c_nums", "s_num", "numeric", "1.5"}, kind{"c_dates", "s_date", "date", "'2024-01-05'"}, kind{"c_moods", `"Mood ""x"""`, "", "'ok'"})
	constant := "ARRAY[" + k.item + "]"
	switch {
	case k.typ == "":
		constant = pick(g.r, "'{sad,ok}'", "'{}'", "'{NULL}'")
	case g.one(2):
		constant = pick(g.r, "ARRAY[]", "ARRAY["+k.item+", NULL]", literal("{"+strings.Trim(k.item, "'")+"}"), "'{}'", "ARRAY["+k.item+","+k.item+"]")
	}
	if k.typ != "" {
		constant += "::" + k.typ + "[]"
	}
	switch g.r.IntN(8) {
	case 0:
		return k.item + " " + g.op() + pick(g.r, " ANY (", " ALL (", " SOME (") + k.col + ")"
	case 1:
		return k.elem + " " + g.op() + pick(g.r, " ANY (", " ALL (") + k.col + ")"
	case 2:
		return k.elem + pick(g.r, " = ANY (", " <> ALL (", " < ANY (", " >= ALL (") + constant + ")"
	case 3:
		return k.col + " " + g.op() + " " + constant
	case 4:
		return pick(g.r, "c_int8 = ANY ('{1,2,3}')", "c_text = ANY ('{a,b,NULL}')", "c_uuid = ANY ('{00000000-0000-0000-0000-000000000000}')", "c_int4 <> ALL (ARRAY[1,2])", "c_date = ANY (ARRAY[DATE '2024-01-05', '2024-01-06'])",
			"c_num = ANY (ARRAY[1.1, 2])", "c_char = ANY ('{a,ab}')", `"Mood ""x""" = ANY ('{ok,sad}')`, "c_float8 = ANY (ARRAY[1.1, 0])", "s_int4 + 1 = ANY (ARRAY[1, 2, NULL])", "c_ts > ALL ('{}')")
	}
	return pick(g.r, k.col+pick(g.r, " @> ", " <@ ", " && ")+constant, constant+pick(g.r, " @> ", " <@ ", " && ")+k.col, k.col+pick(g.r, " @> ", " && ")+k.col)
}

// json is a condition on a part of a document.
func (g *Gen) json() string {
	x := pick(g.r, "c_doc", "c_json", "c_doc", "c_json", "c_jsonb")
	for range g.r.IntN(3) {
		x += pick(g.r, " -> 'a'", " -> 'b'", " -> 0", " -> -1", " -> 'c'", " #> '{b,c}'", " -> ''")
	}
	x += pick(g.r, " ->> 'a'", " ->> 'b'", " ->> 1", " ->> 0", " ->> -1", " #>> '{a}'", " #>> '{b,c,1}'", " #>> '{b,2,c}'", " #>> '{}'", ` ->> 'a"b'`, " ->> s_text", " ->> s_int2")
	switch g.r.IntN(5) {
	case 0:
		return x + " IS " + pick(g.r, "", "NOT ") + "NULL"
	case 1:
		return x + " " + pick(g.r, "", "NOT ") + "LIKE " + pick(g.r, "'%1%'", "'_'", "'x%'")
	case 2:
		return "(" + x + ") IN ('a', '1', 'x', '[]')"
	}
	return "(" + x + ") " + g.op() + " " + pick(g.r, "'1'", "'a'", "'x'", "'12.50'", "'é日本'", "c_text", "'[1, 2]'")
}
