package predicate_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"frostline/predicate"
)

// TestTypesAgainstPostgreSQL: the corners of how the server resolves types, one by one.
func TestTypesAgainstPostgreSQL(t *testing.T) {
	o := newOracle(t, rand.New(rand.NewPCG(1, 2)), 600)
	for _, text := range []string{
		// refused by both
		"c_text = 5", "c_text = 1.5", "c_name = 1", "c_char < 5", "c_text = TRUE", "c_bool = 1", "c_int4 = TRUE", "c_int4 = 'abc'", "c_int4 = '1.5'", "c_int4 = ''",
		"c_int2 = '40000'", "c_int4 = '3000000000'", "c_oid = 1.5", "c_oid = 5000000000", "c_oid = -3000000000", "c_date = 5", "c_date = 'not a date'", "c_date = '2024-13-01'",
		"c_time < TIMESTAMP '2024-01-01'", "c_time = DATE '2024-01-01'", "c_ts = '25:00'", "c_uuid = 'abc'", "c_uuid = 5", "c_bytea LIKE '\\x61%'", "c_bytea ILIKE 'a'", "c_int4 LIKE '1%'",
		"c_int4 LIKE NULL", "c_uuid LIKE '0%'", `"Mood ""x""" = 'nope'`, `"Mood ""x""" LIKE 'a'`, `"Mood ""x""" > ''`, "c_text LIKE 5", "c_text LIKE 'a' ESCAPE 'xy'", "c_float8 = 1e400", "c_float8 = 1e-400",
		"c_float4 = '1e50'", "c_float4 IN (1e50, 2)", "c_int4", "c_int4 AND TRUE", "5", "'x'", "c_text IS TRUE", "c_int4 IN ('1.5', 2)", "c_text IN (1, 'a')", "c_text IN ('a', 1)",
		"c_int4 IN (1, TRUE)", "c_ts IN (DATE '5874897-12-31', TIMESTAMP '2024-01-01')", "1 = 'a'", "1 = '1.5'", "'a' IN (1, 2)", "c_free = '1e999999'", "c_int8 = '9223372036854775808'",
		"c_bool = 'x'", "c_time = '24:00:01'", "TRUE = 1", "DATE '2024-01-01' = 5", "c_date IS DISTINCT FROM 5", "5 BETWEEN c_text AND 6",
		// accepted by both
		"c_oid = -1", "c_oid = '-1'", "c_oid IN (1, -1)", "c_oid >= 3000000000", "c_int4 = 1.5", "c_int4 < 1.5", "c_int4 > -1.5", "c_int2 = 100000", "c_int2 < 100000", "c_int4 < 3000000000",
		"c_int8 >= 9223372036854775807", "c_int8 < 1e30", "c_int8 > -1e30", "c_int8 <> 1.5", "c_int4 IN (1, 1.5, '2.5', '-3')", "c_float4 = 1.1", "c_float4 = '1.1'", "c_float4 IN (1.1)", "c_float4 IN (1.1, 2)",
		"c_float4 IN ('1.1', 2)", "c_float4 BETWEEN 1.1 AND 1.1", "c_float8 IN (1.1, 2)", "c_float8 = 'NaN'", "c_float8 > 'Infinity'", "c_float8 >= 'NaN'", "c_float8 < 'NaN'", "c_float8 <> 'NaN'", "c_float8 <= '-Infinity'",
		"c_float8 = 0", "c_float8 > 0", "c_float8 < -0", "c_float4 = 16777217", "c_float4 = 16777216", "c_float4 IN (16777217, 1)", "c_float8 = 9007199254740993", "c_float8 IN (9007199254740993, 0)",
		"c_num = 'NaN'", "c_num > 9999999999.99", "c_num >= 'NaN'", "c_num < 'NaN'", "c_num < 'Infinity'", "c_num = 1.1", "c_num = 1.105", "c_num > 1.095", "c_num IN ('NaN', 1.1)", "c_wide > 99999999999999999999.9999999999",
		"c_free = 1.1", "c_free = '1.100'", "c_free > 1e99", "c_free = 1e100", "c_free = 'Infinity'", "c_free > 'Infinity'", "c_free < 0", "c_free = -0.0", "c_free IN (1.1, 'NaN', 0, 12345678901234567890123456789012345678901)",
		"c_char = 'a'", "c_char = 'a   '", "c_char LIKE 'a'", "c_char LIKE 'a%'", "c_char LIKE 'a       '", "c_char > 'a'", "c_char < 'a'", "c_char <= 'a '", "c_char IN ('a ', 'ab')", "c_char = ''", "c_char LIKE ''", "c_char ILIKE 'A%'",
		"c_text = 'a'", "c_text = 'a '", "c_text ILIKE 'É'", "c_text ILIKE 'A%'", "c_text LIKE '_'", "c_text LIKE '__'", `c_text LIKE '%\%%'`, `c_text LIKE '\\'`, "c_text LIKE 'a!%b' ESCAPE '!'", `c_text LIKE 'a\b' ESCAPE ''`, "c_text LIKE ''",
		"c_text ILIKE 'aXB' ESCAPE 'X'", "c_text ILIKE 'xAXB' ESCAPE 'X'", "c_text LIKE '%' AND c_text NOT LIKE '%_%'",
		"c_name = '" + strings.Repeat("é", 40) + "'", "c_name = '" + strings.Repeat("x", 80) + "'", "c_name LIKE '" + strings.Repeat("x", 80) + "'", "c_name <= '" + strings.Repeat("ab", 40) + "'",
		`"Mood ""x""" > 'ok'`, `"Mood ""x""" <= 'Happy'`, `"Mood ""x""" IN ('sad', 'über', NULL)`, `"Mood ""x""" BETWEEN 'ok' AND 'it''s'`, `'ok' < "Mood ""x"""`,
		"c_date = TIMESTAMP '2024-01-05 00:00'", "c_date < TIMESTAMP '2024-01-05 00:00:01'", "c_date > TIMESTAMPTZ '2024-01-05 05:00+05'", "c_date = TIMESTAMP 'infinity'", "c_date > TIMESTAMP '294276-12-31'", "c_date < TIMESTAMP '-infinity'",
		"c_date = 'infinity'", "c_date < '-infinity'", "c_date >= '5874897-12-31'", "c_ts > DATE '5874897-12-31'", "c_ts < DATE '294277-01-01'", "c_ts = DATE 'infinity'", "c_ts = 'infinity'", "c_ts <= '4714-11-24 00:00:00 BC'",
		"c_ts > TIMESTAMPTZ '2024-01-05 00:00+02'", "c_tstz >= TIMESTAMP '2024-01-05'", "c_tstz = '2024-01-05'", "c_tstz < DATE '2024-01-05'", "c_date IN ('2024-01-05 12:00', TIMESTAMP '2024-01-06')", "c_date IN ('2024-01-05', DATE '2024-01-06')",
		"c_time = '24:00'", "c_time >= '24:00:00'", "c_time < '24:00'", "c_time = TIME '12:00'", "c_uuid > '80000000-0000-4000-8000-000000000000'", "c_uuid = '{80000000000040008000000000000001}'",
		"c_bytea = '\\x61'", "c_bytea = 'a'", "c_bytea < '\\xff'", "c_bytea LIKE 'a_'", "c_bytea LIKE '\\x6125'", "c_bool", "NOT c_bool", "c_bool IS NOT TRUE", "c_bool < TRUE", "c_bool IN ('t', FALSE)", "c_bool = NULL IS NULL",
		"c_int4 IN (1, NULL)", "c_int4 NOT IN (1, NULL)", "c_int4 NOT IN (1, 2)", "c_int4 BETWEEN 5 AND 1", "c_int4 NOT BETWEEN 5 AND 1", "c_int4 BETWEEN SYMMETRIC 5 AND 1", "c_int4 BETWEEN NULL AND 1", "NOT (c_int4 BETWEEN NULL AND 1)",
		"c_int4 = NULL OR TRUE", "NULL", "NULL IS NULL", "5 IS NOT NULL", "'a' < 'b'", "1 = '1' AND '2' < 10", "NULL = 1 IS UNKNOWN", "5 IN (c_int4, c_int2, 5)", "'5' IN (c_int4, 6)", "1 BETWEEN c_int4 AND 100", "NULL IN (1, 2) IS NULL", "c_jsonb IS DISTINCT FROM NULL",
		"c_int4 IS DISTINCT FROM 5", "c_int4 IS NOT DISTINCT FROM 5", "c_int4 IS NOT DISTINCT FROM NULL", "c_list IS NULL", "c_list IS NOT NULL", "c_domain = 5", "c_domain = '5'", "1.5 IN ('1.5', 2)", "DATE '2024-01-01' < TIMESTAMPTZ '2024-01-01 00:00-05'",
		"(c_int4 > 0) IS NOT TRUE AND NOT c_text IS NULL", "c_int4 > 0 IS FALSE", "TRUE", "'yes'", "c_date > NULL", "c_text LIKE NULL IS NULL", "c_text LIKE 'a' ESCAPE NULL IS NULL",
	} {
		want, why := o.server(t, text)
		p, err := o.bind(text)
		if (err != nil) != (why != "") {
			t.Errorf("%s\n  server: %q\n  here: %v", text, why, err)
			continue
		}
		if err != nil {
			var e *predicate.Error
			if !errors.As(err, &e) || e.Code != predicate.CodeTypeMismatch || e.Msg == "" {
				t.Errorf("%s is refused with %#v", text, err)
			}
			continue
		}
		if got := o.selected(t, p); got != want {
			t.Errorf("%s\n  server: %s\n  here:   %s", text, want, got)
		}
	}
}
