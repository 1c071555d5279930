package e2e

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// literals are values of the base types by pg_type.typname, as their input functions read them: extremes and oddities.
// A domain, array, enum, composite, range or multirange is made of those of its parts.
var literals = map[string][]string{
	"bool":         {"t", "f"},
	"bytea":        {"", `\x`, `\x00`, `\x00ff5c090a`, `\x5c2e0a`, `\x` + strings.Repeat("00ff", 50000)},
	"char":         {"a", "", `\377`, `\200`, "\t", `\`},
	"name":         {"", "pg_class", strings.Repeat("n", 63), strings.Repeat("é", 31), "tab\tname"},
	"int2":         {"0", "1", "-1", "32767", "-32768"},
	"int4":         {"0", "1", "-1", "2147483647", "-2147483648"},
	"int8":         {"0", "1", "-1", "9223372036854775807", "-9223372036854775808", "9007199254740993"},
	"oid":          {"0", "1", "2147483648", "4294967295"},
	"int2vector":   {"", "1", "1 -2 32767"},
	"oidvector":    {"", "26", "0 4294967295 7"},
	"regproc":      {"boolin", "-", "4294967294", "1397", "1395"}, // abs, of several arguments: its name alone is ambiguous
	"regoper":      {"0", "96", "551", "4294967294"},              // = and + of int4
	"regprocedure": {"abs(integer)", "-", "4294967294"},
	"regoperator":  {"+(integer,integer)", "0", "!!(NONE,tsquery)"},
	"regclass":     {"pg_class", "-", `information_schema.tables`, "4294967294"},
	"regtype":      {"integer", "-", `"char"`, "timestamp with time zone", "integer[]"},
	"regconfig":    {"simple", "english"}, "regdictionary": {"simple"},
	"regnamespace": {"pg_catalog", "public", "-"}, "regrole": {"postgres", "-"}, "regcollation": {`"C"`, "-"},
	"tid": {"(0,0)", "(4294967295,65535)"}, "xid": {"0", "4294967295"}, "cid": {"0", "4294967295"},
	"xid8":    {"0", "18446744073709551615"},
	"text":    {"", " ", "plain", `\N`, `\\N`, `\.`, "\\.\n", "\n\\.\n", "NULL", "a\tb\nc\rd\\e", "\r\n", "日本語 é 🙂", "e\u0301 \u202e rtl", `"quoted" {x},;:()[]<>'`, everyCharacter()},
	"varchar": {"", "trailing  ", "\t\\", "YES"}, "bpchar": {"", "a", "ab  ", "  a"},
	"refcursor": {"", "cursor \\ 1"},
	"citext":    {"", "Ab", "aB", "ÉÈ"},
	"json":      {`{ "b": 1,  "a": [1, 2 ], "b":2 }`, `"x\ty\u0000\ud83d\ude00"`, "null", " 1e400 ", `"` + strings.Repeat("é", 5000) + `"`},
	"jsonb":     {`{ "b": 1,  "a": [1, 2 ], "b":2 }`, `"x\ty\\ud83d"`, "null", "1e400", "{}", "[]", `{"": [[], {}, -0.00, "\u001f"]}`, digits(3000)},
	"jsonpath":  {"$.a[*]", `strict $."k\t\\"."b" ? (@ > 1.5 && @ like_regex "^a\\d" flag "i")`, "$"},
	"xml": {"", "text only", "<a>\t&amp;\n</a>", `<?xml version="1.0"?><a/>`, `<?xml version="1.0" encoding="LATIN1"?><é/>`,
		`<?xml version="1.1" standalone="yes"?><a b='"'/>`, "<!DOCTYPE a [<!ELEMENT a ANY>]><a/>", "<a/><b/> ", "<![CDATA[ < ]]>"},
	"float4": {"0", "-0", "1", "0.1", "3.4028235e38", "-3.4028235e38", "1e-45", "1.1754942e-38", "16777217", "NaN", "Infinity", "-Infinity"},
	"float8": {"0", "-0", "1", "0.1", "1.7976931348623157e308", "5e-324", "2.2250738585072011e-308", "9007199254740993", "NaN", "Infinity", "-Infinity"},
	"numeric": {"0", "0.00", "-0.000", "1", "-1.10", "10000", "0.0001", "9999.9999", "1e-16383", "1e131071", "NaN", "Infinity", "-Infinity",
		digits(131072), "-" + digits(131072) + "." + digits(16383), "0." + digits(16383), "100000000000000000000.00000000000000000001"},
	"money": {"0", "92233720368547758.07", "-92233720368547758.08"},
	"bit":   {"1"}, "varbit": {"", "1", "10101", strings.Repeat("10", 500)},
	"uuid":   {"00000000-0000-0000-0000-000000000000", "123e4567-e89b-12d3-a456-426614174000", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
	"date":   {"1970-01-01", "2000-01-01", "0001-01-01", "0001-12-31 BC", "4714-11-24 BC", "5874897-12-31", "infinity", "-infinity", "1582-10-10", "2024-02-29"},
	"time":   {"00:00", "23:59:59.999999", "24:00:00", "12:34:56.7"},
	"timetz": {"00:00+00", "24:00:00+15:59:59", "23:59:59.999999-15:59:59", "12:00+05:30", "12:00:00.5-00:00:01"},
	"timestamp": {"1970-01-01", "4714-11-24 00:00 BC", "0001-12-31 23:59:59.999999 BC", "294276-12-31 23:59:59.999999", "294247-01-10 04:00:54.775807",
		"294247-01-10 04:00:54.775808", "infinity", "-infinity", "1969-12-31 23:59:59.999999", "10000-01-01"},
	"timestamptz": {"1970-01-01+00", "4714-11-24 00:00+00 BC", "294276-12-31 23:59:59.999999+00", "294247-01-10 04:00:54.775808+00", "infinity", "-infinity",
		"2024-02-29 12:00:00.5+05:30", "1900-01-01 00:00:00+00:19:32"},
	"interval": {"0", "1 year -2 mons 3 days -04:05:06.789", "-178000000 years -2147483648 days", "178000000 years 2147483647 days 2562047788:00:54.775807",
		"-2562047788:00:54.775808", "1 day", "24:00:00", "30 days", "1 mon", "-0.000001 sec"},
	"inet":    {"0.0.0.0", "10.0.0.1/8", "255.255.255.255/32", "::1", "2001:db8::1/32", "::ffff:1.2.3.4"},
	"cidr":    {"10.0.0.0/8", "0.0.0.0/0", "::/0", "2001:db8::/32", "1.2.3.4/32"},
	"macaddr": {"08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"}, "macaddr8": {"08:00:2b:01:02:03:04:05"},
	"point": {"(1.5,-0)", "(NaN,-Infinity)", "(1e300,5e-324)"}, "lseg": {"[(1,2),(3,4)]", "[(0,0),(0,0)]"},
	"box": {"(2,2),(1,1)", "(0,0),(-0,-Infinity)"}, "path": {"[(1,2),(3,4)]", "((1,2))", "((0,0),(1,1),(1,0))"},
	"polygon": {"((1,2),(3,4))", "((0,0),(0,1),(1,1))"}, "line": {"{1,-1,0}", "{0,1e-300,5}"}, "circle": {"<(0,0),5>", "<(1,2),0>", "<(NaN,1),Infinity>"},
	"pg_lsn": {"0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"}, "pg_snapshot": {"1:1:", "10:20:10,14"}, "txid_snapshot": {"1:1:", "10:20:10,14,15"},
	"aclitem":  {"=r/postgres", "postgres=arwdDxt/postgres", "postgres=a*r*/postgres"},
	"tsvector": {"", "a:1A b:2", `'it''s':1 'b \\ c':3C`, "'\t':16383"}, "tsquery": {"", "a & !b", "'x y' <-> z:*AB", "!(a | b)"},

	"hstore": {"", `a=>1, b=>NULL`, `"k ""\\"=>"v, \"=>\""`, `""=>""`},
	"ltree":  {"", "Top.Science.A_1"}, "lquery": {"*.a{1,}.b|c@*", "*", "!a|b%"}, "ltxtquery": {"a & b", "!x@* | y%"},
	"cube": {"(1,2)", "(0.1,inf),(2,-0)", "(1e-320)", "()", "(NaN,1)"}, "seg": {"1.5", "<5", "~6.5", "1 .. 2.50", "..", "1.0e10"},
	"ean13": {"978-0-11-000533-1", "4719512002889"}, "isbn13": {"978-0-11-000533-1", "978-0-11-000533-4!"}, "isbn": {"0-11-000533-3", "1-4133-0454-0"},
	"ismn13": {"979-0-2600-0043-8"}, "ismn": {"M-2306-7118-7"}, "issn13": {"977-1436-452-00-8"}, "issn": {"1436-4522"}, "upc": {"012345678905"},
	"query_int": {"1&(2|!3)", "5"},
	"geometry": {"POINT(1 2)", "SRID=4326;POINT(1 2)", "SRID=3857;POINT Z (1 -0 1e300)", "POINT M (1 2 3)", "POINT ZM (1 2 3 4)", "POINT EMPTY", "SRID=4326;GEOMETRYCOLLECTION EMPTY",
		"SRID=999999;LINESTRING(0 0,1 1,2 1)", "POLYGON((0 0,0 4,4 4,4 0,0 0),(1 1,1 2,2 2,2 1,1 1))", "MULTIPOINT(0 0,1 1)", "GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))",
		"CIRCULARSTRING(0 0,1 1,2 0)", "CURVEPOLYGON(CIRCULARSTRING(0 0,4 0,4 4,0 4,0 0))", "TIN(((0 0 0,0 0 1,0 1 0,0 0 0)))", "LINESTRING(" + strings.Repeat("0.1 0.2,", 2000) + "1 1)"},
	"geography": {"POINT(1 2)", "SRID=4326;POINT(-180 90)", "SRID=4269;LINESTRING(0 0,10 10)", "POLYGON((0 0,0 4,4 4,0 0))", "POINT EMPTY"},
	"box2d":     {"BOX(1 2,3 4)", "BOX(-1.5 0.1,1e10 4)"}, "box3d": {"BOX3D(0.1 0.2 0.3,1e300 2 3)"},
	"spheroid": {`SPHEROID["WGS 84",6378137,298.257223563]`},
}

// unreadable are types whose input functions refuse every value: those that the server keeps for itself, and the keys of
// indexes. A column of one can only be filled from a catalog.
var unreadable = map[string]bool{
	"pg_node_tree": true, "pg_ndistinct": true, "pg_dependencies": true, "pg_mcv_list": true, "pg_brin_bloom_summary": true,
	"pg_brin_minmax_multi_summary": true, "gtsvector": true,
	"ghstore": true, "ltree_gist": true, "intbig_gkey": true, "gidx": true, "box2df": true,
}

// random makes a value of a base type; a type that is not here takes one of its literals.
var random = map[string]func(r *rand.Rand) string{
	"bool":    func(r *rand.Rand) string { return []string{"t", "f"}[r.IntN(2)] },
	"bytea":   func(r *rand.Rand) string { return `\x` + hex.EncodeToString(randomBytes(r, r.IntN(40))) },
	"int2":    func(r *rand.Rand) string { return strconv.Itoa(int(int16(r.Uint32()))) },
	"int4":    func(r *rand.Rand) string { return strconv.Itoa(int(int32(r.Uint32()))) },
	"int8":    func(r *rand.Rand) string { return strconv.FormatInt(int64(r.Uint64())>>r.IntN(64), 10) },
	"oid":     func(r *rand.Rand) string { return strconv.FormatUint(uint64(r.Uint32()), 10) },
	"xid":     func(r *rand.Rand) string { return strconv.FormatUint(uint64(r.Uint32()), 10) },
	"xid8":    func(r *rand.Rand) string { return strconv.FormatUint(r.Uint64(), 10) },
	"tid":     func(r *rand.Rand) string { return fmt.Sprintf("(%d,%d)", r.Uint32(), uint16(r.Uint32())) },
	"text":    func(r *rand.Rand) string { return randomText(r, 1+r.IntN(20)) },
	"varchar": func(r *rand.Rand) string { return randomText(r, 1+r.IntN(20)) },
	"bpchar":  func(r *rand.Rand) string { return randomText(r, 1+r.IntN(20)) + "  "[:r.IntN(3)] },
	"citext":  func(r *rand.Rand) string { return randomText(r, 1+r.IntN(20)) },
	"name":    func(r *rand.Rand) string { return randomText(r, 1+r.IntN(15)) },
	"json": func(r *rand.Rand) string {
		return fmt.Sprintf(`{"k" : [%s, %q]}`, randomNumber(r), strconv.QuoteToASCII(randomASCII(r)))
	},
	"jsonb": func(r *rand.Rand) string {
		return fmt.Sprintf(`{"k%d": [%s, %q]}`, r.IntN(9), randomNumber(r), randomASCII(r))
	},
	"xml":     func(r *rand.Rand) string { return fmt.Sprintf("<a b='%d'>&#%d;</a>", r.IntN(99), 32+r.IntN(5000)) },
	"float4":  func(r *rand.Rand) string { return randomFloat(float64(math.Float32frombits(r.Uint32())), 32) },
	"float8":  func(r *rand.Rand) string { return randomFloat(math.Float64frombits(r.Uint64()), 64) },
	"numeric": randomNumber,
	"money":   func(r *rand.Rand) string { return strconv.FormatInt(int64(r.Uint64())/1000>>r.IntN(50), 10) },
	"bit":     func(r *rand.Rand) string { return strconv.Itoa(r.IntN(2)) },
	"varbit":  func(r *rand.Rand) string { return strconv.FormatUint(r.Uint64()>>r.IntN(64), 2) },
	"uuid":    func(r *rand.Rand) string { return hex.EncodeToString(randomBytes(r, 16)) },
	"date":    func(r *rand.Rand) string { return "J" + strconv.Itoa(r.IntN(2147483494)) },
	"time":    func(r *rand.Rand) string { return randomTime(r) },
	"timetz": func(r *rand.Rand) string {
		return fmt.Sprintf("%s%+03d:%02d", randomTime(r), r.IntN(31)-15, r.IntN(60))
	},
	"timestamp":   func(r *rand.Rand) string { return fmt.Sprintf("J%d %s", r.IntN(109203528), randomTime(r)) },
	"timestamptz": func(r *rand.Rand) string { return fmt.Sprintf("J%d %s+00", r.IntN(109203528), randomTime(r)) },
	"interval": func(r *rand.Rand) string {
		return fmt.Sprintf("%d mons %d days %d us", int32(r.Uint32())>>r.IntN(32), int32(r.Uint32())>>r.IntN(32), int64(r.Uint64())>>(1+r.IntN(60)))
	},
	"inet": func(r *rand.Rand) string {
		return fmt.Sprintf("%d.%d.%d.%d/%d", r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(33))
	},
	"cidr":     func(r *rand.Rand) string { return fmt.Sprintf("%x:%x::/32", r.IntN(65536), r.IntN(65536)) },
	"macaddr":  func(r *rand.Rand) string { return hex.EncodeToString(randomBytes(r, 6)) },
	"macaddr8": func(r *rand.Rand) string { return hex.EncodeToString(randomBytes(r, 8)) },
	"point":    func(r *rand.Rand) string { return randomPoint(r, ",") }, "lseg": func(r *rand.Rand) string { return "[(" + randomPoint(r, ",") + "),(" + randomPoint(r, ",") + ")]" },
	"box":    func(r *rand.Rand) string { return "(" + randomPoint(r, ",") + "),(" + randomPoint(r, ",") + ")" },
	"circle": func(r *rand.Rand) string { return fmt.Sprintf("<(%s),%g>", randomPoint(r, ","), r.Float64()) },
	"pg_lsn": func(r *rand.Rand) string { return fmt.Sprintf("%X/%X", r.Uint32(), r.Uint32()) },
	"tsvector": func(r *rand.Rand) string {
		return fmt.Sprintf("'%s':%d", strings.NewReplacer("'", "''", `\`, `\\`).Replace(randomText(r, 5)), 1+r.IntN(16383))
	},
	"hstore": func(r *rand.Rand) string { return fmt.Sprintf(`%q=>%q, b=>NULL`, randomASCII(r), randomASCII(r)) },
	"ltree":  func(r *rand.Rand) string { return fmt.Sprintf("a%d.b_%d", r.IntN(1e6), r.IntN(1e6)) },
	"cube":   func(r *rand.Rand) string { return "(" + randomPoint(r, ",") + ")" },
	"geometry": func(r *rand.Rand) string {
		return fmt.Sprintf("SRID=%d;POINT(%s)", r.IntN(999998), randomPoint(r, " "))
	},
	"geography": func(r *rand.Rand) string {
		return fmt.Sprintf("SRID=4326;POINT(%v %v)", r.Float64()*360-180, r.Float64()*180-90)
	},
	"int4range": func(r *rand.Rand) string { lo := r.IntN(1e9); return fmt.Sprintf("[%d,%d)", lo, lo+r.IntN(1e9)) },
	"int8range": func(r *rand.Rand) string {
		lo := r.Int64N(1e18)
		return fmt.Sprintf("(%d,%d]", lo, lo+1+r.Int64N(1e18))
	},
	"numrange": func(r *rand.Rand) string {
		return fmt.Sprintf("(-%d.%d,%s1.50]", r.IntN(1e9), r.IntN(1e9), digits(r.IntN(30)))
	},
	"daterange": func(r *rand.Rand) string { lo := r.IntN(1e9); return fmt.Sprintf("[J%d,J%d]", lo, lo+r.IntN(1e9)) },
	"tsrange": func(r *rand.Rand) string {
		lo := r.IntN(5e7)
		return fmt.Sprintf(`["J%d %s","J%d %s")`, lo, randomTime(r), lo+1+r.IntN(5e7), randomTime(r))
	},
	"tstzrange": func(r *rand.Rand) string {
		lo := r.IntN(5e7)
		return fmt.Sprintf(`["J%d %s+00","J%d %s+00")`, lo, randomTime(r), lo+1+r.IntN(5e7), randomTime(r))
	},
}

// everyCharacter has each code point that a text can hold once: all planes, control characters, not NUL.
func everyCharacter() string {
	var b strings.Builder
	for c := rune(1); c <= 0x10ffff; c++ {
		if c < 0xd800 || c > 0xdfff {
			b.WriteRune(c)
		}
	}
	return b.String()
}

func digits(n int) string { return strings.Repeat("9876543210", n/10+1)[:n] }

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// randomText has characters of all lengths in UTF-8, and often those that COPY and array literals escape.
func randomText(r *rand.Rand, n int) string {
	odd := []rune("\\\t\n\r\v\f\b\"'{},;:.N()[] \x01\x7f\u0085\u2028")
	var b strings.Builder
	for range n {
		var c rune
		switch r.IntN(4) {
		case 0:
			c = odd[r.IntN(len(odd))]
		case 1:
			c = rune(1 + r.IntN(0x7ff))
		case 2:
			c = rune(0xe000 + r.IntN(0x10ffff-0xe000))
		default:
			c = rune('a' + r.IntN(26))
		}
		b.WriteRune(c)
	}
	return b.String()
}

func randomASCII(r *rand.Rand) string { return strconv.FormatUint(r.Uint64(), 36) + ` "\` }

func randomNumber(r *rand.Rand) string {
	s := strconv.FormatInt(int64(r.Uint64())>>r.IntN(64), 10)
	if r.IntN(2) == 0 {
		s += "." + strconv.FormatUint(r.Uint64()>>r.IntN(64), 10) + "000"[:r.IntN(4)]
	}
	return s
}

func randomFloat(f float64, bits int) string {
	if math.IsNaN(f) {
		return "NaN"
	}
	return strconv.FormatFloat(f, 'g', -1, bits)
}

func randomTime(r *rand.Rand) string {
	return fmt.Sprintf("%02d:%02d:%02d.%06d", r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1e6))
}

func randomPoint(r *rand.Rand, between string) string {
	return randomFloat(r.NormFloat64(), 64) + between + randomFloat(r.NormFloat64()*1e200, 64)
}
