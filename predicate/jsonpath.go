package predicate

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The texts here are values of json and jsonb columns, which the server has checked: what is not JSON gives NULL, no error.

func skipSpace(s string) string { return strings.TrimLeft(s, " \t\n\r") }

// jsonEnd is the length of the value at the beginning of s; -1 is a text that ends too early. Nesting costs no stack.
func jsonEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			if i = stringEnd(s, i); i < 0 {
				return -1
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i
			}
			if depth == 0 {
				return i + 1
			}
		case ',', ':', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	if depth > 0 {
		return -1
	}
	return len(s)
}

// stringEnd is the index of the quote that closes the string at i.
func stringEnd(s string, i int) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// eachJSON calls f for the members of an object or array, with the raw key of an object's, until it returns false.
func eachJSON(s string, f func(key, value string) bool) {
	object := s[0] == '{'
	s = skipSpace(s[1:])
	for s != "" && s[0] != '}' && s[0] != ']' {
		key := ""
		if object {
			n := jsonEnd(s)
			if n <= 0 {
				return
			}
			key, s = s[:n], skipSpace(s[n:])
			if s == "" || s[0] != ':' {
				return
			}
			s = skipSpace(s[1:])
		}
		n := jsonEnd(s)
		if n <= 0 || !f(key, s[:n]) {
			return
		}
		if s = skipSpace(s[n:]); s != "" && s[0] == ',' {
			s = skipSpace(s[1:])
		}
	}
}

// jsonField is the member of that name: the last one, as json has it, where there are several.
func jsonField(s, name string) (out string, ok bool) {
	if s = skipSpace(s); s == "" || s[0] != '{' {
		return "", false
	}
	eachJSON(s, func(key, value string) bool {
		if len(key) < 2 {
			return true
		}
		raw := key[1 : len(key)-1]
		if strings.IndexByte(raw, '\\') >= 0 {
			raw, _ = jsonString(key)
		}
		if raw == name {
			out, ok = value, true
		}
		return true
	})
	return out, ok
}

// jsonElement is element n of an array; a negative one counts from the end.
func jsonElement(s string, n int64) (out string, ok bool) {
	if s = skipSpace(s); s == "" || s[0] != '[' {
		return "", false
	}
	if n < 0 {
		eachJSON(s, func(string, string) bool { n++; return true })
		if n < 0 {
			return "", false
		}
	}
	at := int64(0)
	eachJSON(s, func(_, value string) bool {
		if ok = at == n; ok {
			out = value
		}
		at++
		return !ok
	})
	return out, ok
}

// jsonPath follows keys and indexes.
func jsonPath(s string, path []string) (string, bool) {
	for _, step := range path {
		s = skipSpace(s)
		if s == "" {
			return "", false
		}
		var ok bool
		if s[0] == '[' {
			n, err := strconv.ParseInt(strings.TrimLeft(step, " \t\n\v\f\r"), 10, 32) // as strtoint reads
			if err != nil {
				return "", false
			}
			s, ok = jsonElement(s, n)
		} else {
			s, ok = jsonField(s, step)
		}
		if !ok {
			return "", false
		}
	}
	return strings.TrimRight(skipSpace(s), " \t\n\r"), true
}

// jsonText is a value as ->> gives it: a string without its quotes, null as NULL.
func jsonText(s string) (string, error) {
	switch {
	case s == "null":
		return "", errNull
	case s != "" && s[0] == '"':
		return jsonString(s)
	}
	return s, nil
}

var errUnicode = errors.New(`a string has an escape that no text can hold, such as \u0000`)

// jsonString reads a string with its quotes.
func jsonString(s string) (string, error) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`)
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if k := strings.IndexByte("bfnrt", s[i]); k >= 0 {
			b.WriteByte("\b\f\n\r\t"[k])
			continue
		}
		if s[i] != 'u' {
			b.WriteByte(s[i])
			continue
		}
		r := hex4(s[i+1:])
		i += 4
		if utf16.IsSurrogate(r) {
			low := rune(-1)
			if strings.HasPrefix(s[min(i+1, len(s)):], `\u`) {
				low = hex4(s[i+3:])
				i += 6
			}
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return "", errUnicode
			}
		}
		if r <= 0 {
			return "", errUnicode
		}
		b.WriteRune(r)
	}
	return b.String(), nil
}

func hex4(s string) rune {
	if len(s) < 4 {
		return -1
	}
	n, err := strconv.ParseUint(s[:4], 16, 32)
	if err != nil {
		return -1
	}
	return rune(n)
}
