package predicate

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"frostline/coltype"
)

func testColumns() []coltype.Column {
	mood := coltype.Type{Kind: coltype.String, Wire: coltype.WireRaw, Base: "mood", Name: "public.mood", Labels: []string{"sad", "ok", "happy"}}
	return []coltype.Column{
		{Name: "id", Type: plain[bigint]},
		{Name: "amount", Type: coltype.Type{Kind: coltype.Decimal, Wire: coltype.WireNumeric, Precision: 12, Scale: 2, Base: "numeric", Name: "numeric(12,2)"}},
		{Name: "checked_in", Type: plain[boolean]},
		{Name: "status", Type: plain[text]},
		{Name: "CustomerId", Type: plain[integer]},
		{Name: "at", Type: plain[timestamptz]},
		{Name: "mood", Type: mood},
		{Name: "data", Type: coltype.Type{Kind: coltype.String, Wire: coltype.WireJSONB, Base: "jsonb", Name: "jsonb"}},
		{Name: "tags", Type: coltype.Type{Kind: coltype.List, Wire: coltype.WireArray, Base: "_text", Name: "text[]", Elem: &coltype.Type{Kind: coltype.String, Wire: coltype.WireRaw, Base: "text", Name: "text"}}},
		{Name: "we ird", Type: plain[integer]},
	}
}

func decode(t *testing.T, s string) map[string]any {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFromFilters(t *testing.T) {
	for _, c := range []struct{ name, json, want string }{
		{"nothing", `{}`, ""},
		{"all operators in key order", `{"id_lte": 9, "id": 1, "id_gt": 2, "id_gte": 3, "id_lt": 4, "id_ne": 5}`,
			`"id" = 1 AND "id" > 2 AND "id" >= 3 AND "id" < 4 AND "id" <= 9 AND "id" <> 5`},
		{"a column wins over a suffix", `{"checked_in": true}`, `"checked_in" = TRUE`},
		{"a suffix on such a column", `{"checked_in_in": [true, null]}`, `"checked_in" IN (TRUE, NULL)`},
		{"list", `{"status_in": ["it's", "b"], "id_in": [1, -2.5, 1e3, "7"]}`, `"id" IN (1, -2.5, 1e3, '7') AND "status" IN ('it''s', 'b')`},
		{"empty list", `{"id_in": []}`, `FALSE`},
		{"like", `{"status_like": "a%"}`, `"status" LIKE 'a%'`},
		{"null", `{"status": null, "id_ne": null}`, `"id" IS NOT NULL AND "status" IS NULL`},
		{"exact numbers", `{"amount": 12345678901234567890.123456789}`, `"amount" = 12345678901234567890.123456789`},
		{"case is kept", `{"CustomerId_gt": 5}`, `"CustomerId" > 5`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := FromFilters(decode(t, c.json), testColumns())
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if e != nil {
				got = e.String()
				if again, err := Parse(got); err != nil || !equal(e, again) {
					t.Errorf("reads back as %v, %v", again, err)
				}
			}
			if got != c.want {
				t.Errorf("got %s", got)
			}
			if _, err := Bind(e, testColumns()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFiltersRefused(t *testing.T) {
	for _, c := range []struct{ name, json, code, field, says string }{
		{"unknown column", `{"amuont": 1}`, CodeUnknownColumn, "amuont", "did you mean amount?"},
		{"unknown column with a suffix", `{"amuont_gt": 1}`, CodeUnknownColumn, "amuont_gt", "did you mean amount?"},
		{"nothing near", `{"zzzzzzzz": 1}`, CodeUnknownColumn, "zzzzzzzz", "the columns are id, amount,"},
		{"unknown suffix", `{"amount_gtt": 1}`, CodeUnknownFilter, "amount_gtt", `did you mean "amount_gt"?`},
		{"strange suffix", `{"amount_between": 1}`, CodeUnknownFilter, "amount_between", "the operators are _gt _gte _in _like _lt _lte _ne"},
		{"case matters", `{"customerid": 1}`, CodeUnknownColumn, "customerid", "did you mean CustomerId?"},
		{"no list", `{"id_in": 5}`, CodeTypeMismatch, "id_in", "takes a list, not a number"},
		{"list for equals", `{"id": [1]}`, CodeTypeMismatch, "id", "not a list"},
		{"object", `{"id": {"gt": 1}}`, CodeTypeMismatch, "id", "not an object"},
		{"list in a list", `{"id_in": [[1]]}`, CodeTypeMismatch, "id_in", "not a list"},
		{"null for an order", `{"id_gt": null}`, CodeTypeMismatch, "id_gt", "IS NULL"},
		{"null for a list", `{"id_in": null}`, CodeTypeMismatch, "id_in", "takes a list, not null"},
		{"number for like", `{"status_like": 5}`, CodeTypeMismatch, "status_like", "takes a string"},
		{"number for text", `{"status": 5}`, CodeTypeMismatch, "status", "there is no operator text = integer"},
		{"text that is no number", `{"id": "five"}`, CodeTypeMismatch, "id", "want an integer"},
		{"number for a time", `{"at_gt": 1700000000}`, CodeTypeMismatch, "at_gt", "there is no operator timestamp with time zone > integer"},
		{"bool for a number", `{"id": true}`, CodeTypeMismatch, "id", "bigint = boolean"},
		{"unknown label", `{"mood_in": ["ok", "hapy"]}`, CodeTypeMismatch, "mood_in", "did you mean 'happy'?"},
		{"jsonb", `{"data": "x"}`, CodeTypeMismatch, "data", "compare ->> with a text"},
		{"array", `{"tags": "x"}`, CodeTypeMismatch, "tags", "an array begins with {"},
		{"zero byte", `{"status": "a\u0000"}`, CodeTypeMismatch, "status", "zero byte"},
		{"like on a number", `{"id_like": "1%"}`, CodeTypeMismatch, "id_like", "LIKE works on text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := FromFilters(decode(t, c.json), testColumns())
			if err == nil {
				_, err = Bind(e, testColumns())
			}
			var bad *Error
			if !errors.As(err, &bad) {
				t.Fatalf("accepted: %v", e)
			}
			if bad.Code != c.code || bad.Field != c.field || bad.Pos != 0 || !strings.Contains(bad.Error(), c.says) {
				t.Errorf("got %#v", bad)
			}
		})
	}
}

func TestFilterNumbers(t *testing.T) {
	for _, n := range []json.Number{"1", "-1", "1.5", "1e5", "-0.5E-3"} {
		if !isNumber(string(n)) {
			t.Errorf("%s is refused", n)
		}
	}
	for _, n := range []json.Number{"", "-", "--1", "1 OR TRUE", "1)", "NaN", "abc", "'", "1.2.3", " 1"} {
		if e, err := FromFilters(map[string]any{"id": n}, testColumns()); err == nil {
			t.Errorf("%q is accepted as %s", n, e)
		}
	}
}

func TestBindNames(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"exact", "id = 1", ""},
		{"folded to lower case", "ID = 1 AND Amount > 2", ""},
		{"as typed before it is folded", "CustomerId = 1", ""},
		{"quoted", `"CustomerId" = 1 AND "we ird" = 2`, ""},
		{"not folded to mixed case", "customerid = 1", `did you mean "CustomerId"?`},
		{"quoted is exact", `"ID" = 1`, "did you mean id?"},
		{"position", "id = 1 AND amuont = 2", "position 12"},
		{"not boolean", "id", "not boolean"},
		{"text as a condition", "'maybe'", "want true or false"},
		{"number as a condition", "5 OR TRUE", "not boolean"},
		{"jsonb is null", "data IS NOT NULL AND tags IS NULL", ""},
		{"jsonb compared", "data = '{}'", "exact text"},
		{"IS TRUE on a number", "id IS TRUE", "not boolean"},
		{"digits in all", "amount IN (1e131000, 1e131000, 1e131000, 1e131000, 1e131000, 1e131000, 1e131000, 1e131000)", "too many digits"},
		{"too large", "amount > 1e999999999999", "numeric"},
		{"escape", "status LIKE 'a' ESCAPE 'xy'", "one character"},
		{"ends with the escape", `status LIKE 'a\'`, "must not end with the escape"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := Parse(c.text)
			if err == nil {
				_, err = Bind(e, testColumns())
			}
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}
