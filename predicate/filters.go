package predicate

import (
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"frostline/coltype"
)

// suffixes of a filters key, each with its operator.
var suffixes = []struct{ suffix, op string }{
	{"_gte", ">="}, {"_lte", "<="}, {"_like", "LIKE"}, {"_gt", ">"}, {"_lt", "<"}, {"_ne", "<>"}, {"_in", "IN"},
}

// FromFilters makes the AND of a filters object (key → JSON value: string, json.Number, bool,
// nil, []any for _in). A key is a column, spelled exactly, or a column and one of the suffixes _gt,
// _gte, _lt, _lte, _ne, _like, _in. A real column whose name ends in a suffix wins over the suffix.
// Keys are taken in byte order. A string is typed by its column, as a quoted literal is; a number,
// a bool keep their own type.
//
// null for a column means IS NULL, for _ne IS NOT NULL; the other keys refuse it. A null inside an
// _in list never matches, as in SQL, and an empty list matches nothing.
func FromFilters(filters map[string]any, cols []coltype.Column) (e Expr, err error) {
	defer catch(&err)
	keys := make([]string, 0, len(filters))
	for k := range filters {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var list []Expr
	for _, k := range keys {
		list = append(list, filter(k, filters[k], cols))
	}
	return And(list...), nil
}

func filter(key string, value any, cols []coltype.Column) Expr {
	at := place{field: key}
	name, op := splitKey(key, cols)
	col := &column{name, true, at}
	switch {
	case op == "IN":
		list, ok := value.([]any)
		if !ok {
			panic(mismatch(at, "%s takes a list, not %s", key, jsonName(value)).hint(`write "%s": [value, …]`, key))
		}
		if len(list) == 0 {
			return &literal{litBool, "FALSE", at}
		}
		if len(list) > MaxList {
			panic((&Error{Code: CodeTooLong, Field: key, Msg: "the list is too long"}).hint("%d items are allowed", MaxList))
		}
		e := &in{x: col, at: at}
		for _, v := range list {
			e.list = append(e.list, fromJSON(v, at))
		}
		return e
	case value == nil && (op == "=" || op == "<>"):
		return &is{x: col, what: "NULL", neg: op == "<>"}
	case value == nil:
		panic(mismatch(at, "%s cannot be compared with null", key).
			hint(`write "%s": null for IS NULL, "%s_ne": null for IS NOT NULL`, name, name))
	case op == "LIKE":
		if _, ok := value.(string); !ok {
			panic(mismatch(at, "%s takes a string, not %s", key, jsonName(value)))
		}
		return &like{x: col, pattern: fromJSON(value, at), at: at}
	}
	return &compare{op: op, l: col, r: fromJSON(value, at), at: at}
}

// splitKey is the column and the operator that a filters key names.
func splitKey(key string, cols []coltype.Column) (name, op string) {
	if indexOf(key, cols) >= 0 {
		return key, "="
	}
	for _, s := range suffixes {
		if name, ok := strings.CutSuffix(key, s.suffix); ok {
			if indexOf(name, cols) >= 0 {
				return name, s.op
			}
			panic(unknownColumn(name, place{field: key}, cols, false))
		}
	}
	// A known column with something behind it is a misspelt suffix, unless a column is nearer.
	const longest = 256 // bytes of a key that may hold a name, of 63 at most
	if near, d := nearest(key, names(cols)); len(key) <= longest && (near == "" || d > 1) {
		for i := len(key) - 1; i > 0; i-- {
			if key[i] == '_' && indexOf(key[:i], cols) >= 0 {
				panic(unknownSuffix(key, i))
			}
		}
	}
	panic(unknownColumn(key, place{field: key}, cols, false))
}

func unknownSuffix(key string, i int) *Error {
	var known []string
	for _, s := range suffixes {
		known = append(known, s.suffix)
	}
	sort.Strings(known)
	e := &Error{Code: CodeUnknownFilter, Field: key, Msg: fmt.Sprintf("%q is neither a column nor an operator on %q", key, key[:i])}
	if near, d := nearest(key[i:], known); d <= 2 {
		return e.hint("did you mean %q? The operators are %s", key[:i]+near, strings.Join(known, " "))
	}
	return e.hint("the operators are %s", strings.Join(known, " "))
}

func fromJSON(v any, at place) Expr {
	switch v := v.(type) {
	case nil:
		return &literal{litNull, "", at}
	case string:
		if strings.IndexByte(v, 0) >= 0 || !utf8.ValidString(v) {
			panic(mismatch(at, "the string holds a zero byte or is not valid UTF-8, which no PostgreSQL text is"))
		}
		return &literal{litString, v, at}
	case bool:
		return &literal{litBool, strings.ToUpper(strconv.FormatBool(v)), at}
	case json.Number:
		if isNumber(string(v)) {
			return &literal{litNumber, string(v), at}
		}
		panic(mismatch(at, "%q is not a JSON number", string(v)))
	case int:
		return &literal{litNumber, strconv.Itoa(v), at}
	case int64:
		return &literal{litNumber, strconv.FormatInt(v, 10), at}
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return &literal{litNumber, strconv.FormatFloat(v, 'g', -1, 64), at}
		}
	}
	panic(mismatch(at, "%s takes a string, a number, true, false or null, not %s", at.field, jsonName(v)))
}

// isNumber reports whether s is one number of the language, with an optional minus.
func isNumber(s string) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	toks := lex(strings.TrimPrefix(s, "-"))
	return len(toks) == 2 && toks[0].kind == tokNumber && toks[0].text == strings.TrimPrefix(s, "-")
}

func jsonName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case json.Number, float64, int, int64:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("a %T", v)
}
