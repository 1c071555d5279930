// Package predtest makes random predicates, and a table with every typed kind to try them on. The
// server's WHERE is the oracle: the same text must select the same rows.
package predtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Null is the cell that is NULL.
const Null = "\x00"

// Col is a column of the table.
type Col struct {
	Name string // not quoted
	SQL  string // the type, with a collation where it has one
	base string
}

// Types creates the types of the table: an enum whose order is not its labels'.
const Types = `CREATE TYPE predtest_mood AS ENUM ('sad', 'ok', 'Happy', 'it''s', 'über');
CREATE DOMAIN predtest_small AS int4;`

// Cols are the table's columns; the first is the key, a bigint that counts from 1.
var Cols = []Col{
	{"id", "bigint NOT NULL", "id"},
	{"c_bool", "bool", "bool"},
	{"c_int2", "int2", "int2"},
	{"c_int4", "int4", "int4"},
	{"c_int8", "int8", "int8"},
	{"c_oid", "oid", "oid"},
	{"c_float4", "float4", "float4"},
	{"c_float8", "float8", "float8"},
	{"c_num", "numeric(12,2)", "numeric12"},
	{"c_wide", "numeric(30,10)", "numeric30"},
	{"c_free", "numeric", "numeric"},
	{"c_text", `text COLLATE "C"`, "text"},
	{"c_varchar", `varchar(20) COLLATE "C"`, "varchar"},
	{"c_char", `char(8) COLLATE "C"`, "bpchar"},
	{"c_name", "name", "name"},
	{`Mood "x"`, "predtest_mood", "mood"},
	{"c_uuid", "uuid", "uuid"},
	{"c_bytea", "bytea", "bytea"},
	{"c_date", "date", "date"},
	{"c_time", "time", "time"},
	{"c_ts", "timestamp", "timestamp"},
	{"c_tstz", "timestamptz", "timestamptz"},
	{"c_domain", "predtest_small", "int4"},
	{"c_jsonb", "jsonb", "jsonb"},
	{"c_list", "int4[]", "list"},

	// Values that computing with does not overflow.
	{"s_int2", "int2", "near int"},
	{"s_int4", "int4", "near int"},
	{"s_int8", "int8", "near int"},
	{"s_pos", "int4 NOT NULL", "positive"},
	{"s_num", "numeric(8,2)", "near numeric"},
	{"s_free", "numeric", "near free"},
	{"s_real", "float4", "near float"},
	{"s_dbl", "float8", "near float"},
	{"s_date", "date", "near date"},
	{"s_ts", "timestamp", "near timestamp"},
	{"s_tstz", "timestamptz", "near timestamptz"},
	{"s_time", "time", "near time"},
	{"s_text", `text COLLATE "C"`, "near text"},
	{"c_interval", "interval", "interval"},
	{"c_json", "json", "json"},
	{"c_doc", "jsonb", "json"},
	{"c_longs", "int8[]", "near ints"},
	{"c_texts", `text[] COLLATE "C"`, "texts"},
	{"c_chars", `char(3)[] COLLATE "C"`, "chars"},
	{"c_nums", "numeric(8,2)[]", "nums"},
	{"c_dates", "date[]", "dates"},
	{"c_moods", "predtest_mood[]", "moods"},

	// Types that are kept as text, with no comparison here.
	{"c_inet", "inet", "inet"},
	{"c_range", "int4range", "range"},
	{"c_timetz", "timetz", "timetz"},
	{"c_bits", "bit varying", "bits"},
	{"c_point", "point", "point"},
}

// Create is the CREATE TABLE of name, which the caller quotes.
func Create(name string) string {
	var parts []string
	for _, c := range Cols {
		parts = append(parts, Quote(c.Name)+" "+c.SQL)
	}
	return "CREATE TABLE " + name + " (" + strings.Join(parts, ", ") + ")"
}

// Insert is the INSERT of n random rows with the keys from first. A tenth of the cells is NULL.
func Insert(r *rand.Rand, name string, first, n int) string {
	var rows []string
	for i := range n {
		row := []string{fmt.Sprint(first + i)}
		for _, c := range Cols[1:] {
			if r.IntN(10) == 0 && c.base != "positive" {
				row = append(row, "NULL")
			} else {
				row = append(row, literal(value(r, c.base)))
			}
		}
		rows = append(rows, "("+strings.Join(row, ", ")+")")
	}
	return "INSERT INTO " + name + " VALUES\n" + strings.Join(rows, ",\n")
}

// Quote is s as a quoted identifier.
func Quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// value is a random value of a base type as text, extremes often among them.
func value(r *rand.Rand, base string) string {
	switch base {
	case "bool":
		return pick(r, "t", "f")
	case "int2":
		return pick(r, fmt.Sprint(r.IntN(12)-6), fmt.Sprint(r.IntN(12)-6), fmt.Sprint(r.IntN(65536)-32768), "32767", "-32768")
	case "int4":
		return pick(r, fmt.Sprint(r.IntN(12)-6), fmt.Sprint(r.IntN(200)-100), fmt.Sprint(r.Int32()), "2147483647", "-2147483648")
	case "int8":
		return pick(r, fmt.Sprint(r.IntN(12)-6), fmt.Sprint(r.IntN(200)-100), fmt.Sprint(-r.Int64()), "9223372036854775807", "-9223372036854775808")
	case "oid":
		return pick(r, fmt.Sprint(r.IntN(10)), fmt.Sprint(r.Uint32()), "4294967295", "0")
	case "float4":
		return pick(r, "0", "-0", "NaN", "Infinity", "-Infinity", "1.1", "-2.5", "3.4028235e38", "1e-45", "16777217", fmt.Sprint(r.IntN(10)-5), fmt.Sprint(float32(r.NormFloat64())))
	case "float8":
		return pick(r, "0", "-0", "NaN", "Infinity", "-Infinity", "1.1", "-2.5", "1.7976931348623157e308", "5e-324", "9007199254740993", fmt.Sprint(r.IntN(10)-5), fmt.Sprint(r.NormFloat64()))
	case "numeric12":
		return pick(r, fmt.Sprintf("%.2f", float64(r.IntN(2000)-1000)/100), fmt.Sprint(r.IntN(10)-5), "9999999999.99", "-9999999999.99", "0.01", "NaN", "1.10")
	case "numeric30":
		return pick(r, fmt.Sprintf("%d.%010d", r.IntN(200)-100, r.IntN(1e10)), fmt.Sprint(r.IntN(10)-5), "99999999999999999999.9999999999", "-99999999999999999999.9999999999", "NaN", "0.0000000001", "1.1")
	case "numeric":
		return pick(r, fmt.Sprint(r.IntN(10)-5), fmt.Sprint(r.NormFloat64()*100), "NaN", "Infinity", "-Infinity", "1e100", "-1e100", "0.00000000000000000001", "1.10", "1.1", "0.000", "12345678901234567890123456789012345678901")
	case "text", "varchar", "bpchar", "name":
		return word(r, base)
	case "mood":
		return pick(r, "sad", "ok", "Happy", "it's", "über")
	case "uuid":
		return pick(r, "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", fmt.Sprintf("%08x-0000-4000-8000-00000000000%d", r.Uint32(), r.IntN(10)),
			fmt.Sprintf("80000000-0000-4000-8000-00000000000%d", r.IntN(4)))
	case "bytea":
		return pick(r, `\x`, `\x00`, `\x61`, `\x6162`, `\xff`, `\xffff`, `\x612562`, `\xc3a9`, fmt.Sprintf(`\x%02x%02x`, r.IntN(256), r.IntN(256)))
	case "date":
		return pick(r, "infinity", "-infinity", "4714-11-24 BC", "5874897-12-31", "294277-01-01", "1969-12-31", "1970-01-01", "2000-01-01", "0001-01-01", day(r), day(r), day(r))
	case "time":
		return pick(r, "00:00:00", "24:00:00", "23:59:59.999999", "12:00", fmt.Sprintf("%02d:%02d:%02d.%03d", r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1000)), fmt.Sprintf("%02d:00", r.IntN(24)))
	case "timestamp":
		return pick(r, "infinity", "-infinity", "4714-11-24 00:00:00 BC", "294276-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999", day(r), day(r)+" 00:00:00.000001", moment(r), moment(r))
	case "timestamptz":
		return pick(r, "infinity", "-infinity", "4714-11-24 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00", day(r)+" 00:00:00+00", day(r)+" 05:30:00+05:30", moment(r)+"+00", moment(r)+"-08")
	case "jsonb":
		return pick(r, `{"a": 1}`, "[]", "1", "null")
	case "near int":
		return fmt.Sprint(r.IntN(60) - 30)
	case "positive":
		return fmt.Sprint(1 + r.IntN(12))
	case "near numeric":
		return fmt.Sprintf("%.2f", float64(r.IntN(20000)-10000)/100)
	case "near free":
		return pick(r, fmt.Sprint(r.IntN(20)-10), fmt.Sprintf("%.*f", r.IntN(8), r.NormFloat64()*20), "0.000", "1e10", "0.00000001", "NaN", "123456789012345678.5")
	case "near float":
		return pick(r, fmt.Sprint(r.IntN(20)-10), fmt.Sprint(float32(r.NormFloat64()*10)), "0.5", "-2.5", "0")
	case "near date":
		return pick(r, day(r), fmt.Sprintf("%d-%02d-%02d", 1999+r.IntN(30), 1+r.IntN(12), 1+r.IntN(28)), "2024-02-29", "2023-12-31", "2000-01-31")
	case "near timestamp":
		return pick(r, moment(r), day(r), value(r, "near date")+" 23:59:59.999999")
	case "near timestamptz":
		return pick(r, moment(r)+"+00", day(r)+" 05:30:00+05:30", value(r, "near date")+" 00:00:00-03:30")
	case "near time":
		return fmt.Sprintf("%02d:%02d:%02d.%03d", r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1000))
	case "near text":
		return pick(r, "", "a", "abc", "ABC ", " 12", "-7", "3.50", "2024-01-05", "t", "no", "é", "12:30", "NULL", "{1,2}")
	case "interval":
		return pick(r, fmt.Sprintf("%d mons", r.IntN(30)-15), fmt.Sprintf("%d days %02d:%02d", r.IntN(60)-30, r.IntN(24), r.IntN(60)), fmt.Sprintf("%d hours", r.IntN(1000)-500),
			"1 mon", "30 days", "720:00:00", "29 days 24:00:00", "-1 mons +30 days", "1 year 2 mons -3 days +04:05:06.789", "00:00:00", "-00:00:00.000001", "178000000 years", "1 day -24:00:00")
	case "json":
		return pick(r, `{"a": 1, "b": {"c": [1, "x", null]}}`, `{"a": "x\u00e9\n", "b": [10, 20, {"c": true}]}`, `[1, "a", null, {"a": 5}]`, `{"a": null}`, `"a"`, "12.50", "true", "null", "{}", "[]",
			`{"a": "12", "b": -1.50}`, `{"a": [], "": "empty", "a\"b": "quoted"}`, `{"b": {"a": {"c": "deep"}}, "a": "é日本"}`, ` { "a" : [ 1 , 2 ] } `)
	case "near ints":
		return pick(r, "{}", "{1,2}", "{NULL}", "{3,NULL,-4}", "{{1,2},{3,4}}", "[0:1]={5,6}", fmt.Sprintf("{%d,%d}", r.IntN(6), r.IntN(6)), "{1,1,2}")
	case "texts":
		return pick(r, "{}", "{a,b}", `{NULL,"NULL"}`, `{"a b","c,d","\""}`, "{é,A}", `{""}`, "{{a,b},{c,d}}", "{b}")
	case "chars":
		return pick(r, "{}", "{a,b}", "{abc,NULL}", `{"a ","  "}`, "{ab}")
	case "nums":
		return pick(r, "{}", "{1.50,2}", "{NULL,-3.25}", "{NaN}", "{{1,2},{3,4}}", "{0.01,1.5}")
	case "dates":
		return pick(r, "{}", "{2024-01-05}", "{infinity,2024-01-06}", "{NULL,2024-01-05,0001-01-01 BC}")
	case "moods":
		return pick(r, "{}", "{sad,ok}", "{it's,NULL}", "{über}")
	case "inet":
		return pick(r, "10.0.0.1", "10.0.0.0/8", "::1")
	case "range":
		return pick(r, "empty", "[1,5)", "(,3)")
	case "timetz":
		return pick(r, "12:00:00+02", "00:00:00-08", "24:00:00+00")
	case "bits":
		return pick(r, "", "1", "0101")
	case "point":
		return pick(r, "(1,2)", "(0,-0)")
	case "list":
		return pick(r, "{}", "{1,2}", "{NULL}", "{{1,2},{3,4}}", "[0:1]={5,6}")
	}
	panic("predtest: no values of " + base)
}

func day(r *rand.Rand) string { return fmt.Sprintf("2024-01-%02d", 1+r.IntN(28)) }

func moment(r *rand.Rand) string {
	return fmt.Sprintf("%s %02d:%02d:%02d.%06d", day(r), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1e6))
}

var words = []string{
	"", "a", "A", "ab", "aB", "abc", "b", "a%b", "a_b", `a\b`, `\`, "%", "é", "É", "aé", "日本語", "😀", "it's", "a ", " a", "a  ", "ab ", " ",
	"a\x01", "a\tb", "a\nb", "hello world", "say \"hi\"", "a.b[c]*", "NULL", "über", "\x7f", "zz",
}

// word is a text that fits the base type.
func word(r *rand.Rand, base string) string {
	most := map[string]int{"text": 70, "name": 63, "varchar": 20, "bpchar": 8}[base]
	s := pick(r, words...)
	switch r.IntN(4) {
	case 0:
		s += pick(r, words...)
	case 1:
		var b strings.Builder
		for range r.IntN(6) {
			b.WriteString(pick(r, "a", "b", "c", "A", "é", "%", "_", " ", `\`))
		}
		s = b.String()
	case 2:
		if base == "text" || base == "name" {
			s = strings.Repeat(pick(r, "x", "é", "ab"), 40)
		}
	}
	runes := []rune(s)
	if base == "name" {
		for len(string(runes)) > 63 {
			runes = runes[:len(runes)-1]
		}
	} else if len(runes) > most {
		runes = runes[:most]
	}
	return string(runes)
}
