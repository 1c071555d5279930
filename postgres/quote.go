package postgres

import "strings"

// Name is a qualified relation name.
type Name struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
}

// String is the quoted, qualified name.
func (n Name) String() string { return Quote(n.Schema) + "." + Quote(n.Table) }

// plain is the name for messages, without quotes.
func (n Name) plain() string { return n.Schema + "." + n.Table }

// Quote is the identifier quoted, always with quotes.
func Quote(ident string) string { return `"` + strings.ReplaceAll(ident, `"`, `""`) + `"` }

// Literal is the string as an SQL literal, safe with any standard_conforming_strings.
func Literal(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// quoteAll is a comma list of quoted identifiers.
func quoteAll(idents []string) string {
	quoted := make([]string, len(idents))
	for i, s := range idents {
		quoted[i] = Quote(s)
	}
	return strings.Join(quoted, ", ")
}

// skipQuoted is the index after the quoted string or identifier that starts at s[i], or i when none starts there. It knows
// what the server's deparser prints: 'it”s', E'a\\b', "a""b".
func skipQuoted(s string, i int) int {
	q := s[i]
	if q != '\'' && q != '"' {
		return i
	}
	escapes := q == '\'' && i > 0 && (s[i-1] == 'E' || s[i-1] == 'e') && (i == 1 || !identByte(s[i-2]))
	for j := i + 1; j < len(s); j++ {
		switch {
		case escapes && s[j] == '\\':
			j++
		case s[j] == q && j+1 < len(s) && s[j+1] == q:
			j++
		case s[j] == q:
			return j + 1
		}
	}
	return len(s)
}

func identByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// replaceOnce replaces the first old in deparsed SQL that does not start inside a quoted string or identifier.
func replaceOnce(sql, old, with string) (string, bool) {
	for i := 0; i < len(sql); {
		if strings.HasPrefix(sql[i:], old) {
			return sql[:i] + with + sql[i+len(old):], true
		}
		if j := skipQuoted(sql, i); j > i {
			i = j
		} else {
			i++
		}
	}
	return sql, false
}

// conjuncts splits a deparsed condition "((a) AND (b))" at its outermost ANDs. A condition without one is its only part.
func conjuncts(sql string) []string {
	s := strings.TrimSpace(sql)
	if parts := splitAnd(s); len(parts) > 1 {
		return parts
	}
	if len(s) > 1 && s[0] == '(' && closing(s, 0) == len(s)-1 {
		if parts := splitAnd(s[1 : len(s)-1]); len(parts) > 1 {
			return parts
		}
	}
	if s == "" {
		return nil
	}
	return []string{s}
}

func splitAnd(s string) []string {
	var parts []string
	depth, start := 0, 0
	for i := 0; i < len(s); {
		if j := skipQuoted(s, i); j > i {
			i = j
			continue
		}
		switch {
		case s[i] == '(' || s[i] == '[':
			depth++
		case s[i] == ')' || s[i] == ']':
			depth--
		case depth == 0 && strings.HasPrefix(s[i:], " AND "):
			parts = append(parts, s[start:i])
			i += 5
			start = i
			continue
		}
		i++
	}
	return append(parts, s[start:])
}

// closing is the index of the parenthesis that closes the one at s[i], -1 without.
func closing(s string, i int) int {
	depth := 0
	for i < len(s) {
		if j := skipQuoted(s, i); j > i {
			i = j
			continue
		}
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
		i++
	}
	return -1
}

// mentions says whether deparsed SQL names the column, given as quote_ident prints it, outside of string literals.
func mentions(sql, ident string) bool {
	for i := 0; i < len(sql); {
		if strings.HasPrefix(sql[i:], ident) {
			end := i + len(ident)
			quoted := ident[0] == '"'
			if (quoted || i == 0 || !identByte(sql[i-1])) && (end == len(sql) || !identByte(sql[end]) && sql[end] != '"') {
				return true
			}
		}
		switch j := skipQuoted(sql, i); {
		case j > i:
			i = j
		case identByte(sql[i]):
			for i < len(sql) && identByte(sql[i]) {
				i++
			}
		default:
			i++
		}
	}
	return false
}
