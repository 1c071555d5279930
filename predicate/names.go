package predicate

import (
	"fmt"
	"strings"

	"frostline/coltype"

	"github.com/agnivade/levenshtein"
)

func indexOf(name string, cols []coltype.Column) int {
	for i := range cols {
		if cols[i].Name == name {
			return i
		}
	}
	return -1
}

func names(cols []coltype.Column) []string {
	list := make([]string, len(cols))
	for i := range cols {
		list[i] = cols[i].Name
	}
	return list
}

// lowerASCII folds as PostgreSQL folds an unquoted identifier and, under the C locale, as lower() does.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] >= 'A' && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// find is the index of the column that c names. An unquoted name is tried as it is typed, then in
// lower case.
func find(c *column, cols []coltype.Column) int {
	if i := indexOf(c.name, cols); i >= 0 {
		return i
	}
	if !c.quoted {
		if i := indexOf(lowerASCII(c.name), cols); i >= 0 {
			return i
		}
	}
	panic(unknownColumn(c.name, c.at, cols, true))
}

func unknownColumn(name string, at place, cols []coltype.Column, sql bool) *Error {
	e := &Error{Code: CodeUnknownColumn, Field: at.field, Pos: at.pos, Msg: fmt.Sprintf("there is no column %q", name)}
	list := names(cols)
	show := func(s string) string {
		if sql && !plainName(s) {
			return quoteName(s)
		}
		return s
	}
	if near, d := nearest(name, list); near != "" && d <= max(2, len(near)/3) {
		return e.hint("did you mean %s?", show(near))
	}
	const most = 12
	for i := range list {
		list[i] = show(list[i])
	}
	if len(list) > most {
		return e.hint("the columns are %s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return e.hint("the columns are %s", strings.Join(list, ", "))
}

// plainName reports whether s names itself without quotes.
func plainName(s string) bool {
	if s == "" || !isLetter(s[0]) || reserved[strings.ToUpper(s)] || s != lowerASCII(s) {
		return false
	}
	switch strings.ToUpper(s) {
	case "NULL", "TRUE", "FALSE":
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isLetter(s[i]) && !isDigit(s[i]) {
			return false
		}
	}
	return true
}

// nearest is the entry of list with the smallest edit distance from name, in lower case, and that
// distance. It is "" for an empty list.
func nearest(name string, list []string) (string, int) {
	best, at := "", 1<<30
	name = strings.ToLower(name)
	if len(name) > 800 {
		return "", at
	}
	for _, s := range list {
		if d := levenshtein.ComputeDistance(name, strings.ToLower(s)); d < at {
			best, at = s, d
		}
	}
	return best, at
}
