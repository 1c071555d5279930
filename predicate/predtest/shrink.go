package predtest

import (
	"regexp"
	"strings"
)

// AtRunTime tells whether the server's error is one that the values of a row raise: a division by zero, a result out of range, a
// text that is not of the type.
func AtRunTime(why string) bool {
	return strings.HasPrefix(why, "ERROR 22") || strings.HasPrefix(why, "ERROR 0A000 cannot convert ")
}

var shortening = regexp.MustCompile(`(?i)\b(and|or|in|between|any|some|all)\b`)

// MayShorten tells whether a condition decides a row without evaluating all of its parts. PostgreSQL does not promise the order
// of evaluation, so that such a condition may raise an error here, there or nowhere.
func MayShorten(text string) bool { return shortening.MatchString(text) }

var farDifference = regexp.MustCompile(`(?s)29427[0-9]-.* - |471[0-9]-.* - | - .*29427[0-9]-| - .*471[0-9]-`)

// MayWrap tells whether a condition may subtract a timestamp at an end of their range, which is more than an interval holds: the
// server (15 at least) lets the difference wrap around, where it is out of range here.
func MayWrap(text string) bool { return farDifference.MatchString(text) }

var infiniteInterval = regexp.MustCompile(`(?i)type interval: "\s*[-+]?infinity\s*"`)

// TooOld tells whether the server refuses an infinite interval, as it does before PostgreSQL 17.
func TooOld(why string) bool { return infiniteInterval.MatchString(why) }

// Shrink is the smallest part of a condition that it finds for which fails is still true.
func Shrink(text string, fails func(string) bool) string {
	for {
		smaller := ""
		for _, part := range parts(text) {
			if part != "" && len(part) < len(text) && fails(part) {
				smaller = part
				break
			}
		}
		if smaller == "" {
			return text
		}
		text = smaller
	}
}

// parts are what AND and OR join on the outside, or what stands under NOT, in parentheses, or before an IS test.
func parts(text string) []string {
	text = strings.TrimSpace(text)
	out := split(text, " OR ")
	if len(out) == 1 {
		out = split(text, " AND ")
	}
	if len(out) > 1 {
		all := out
		for i := range all { // all but one
			if len(all) > 2 {
				sep := " OR "
				if len(split(text, " OR ")) == 1 {
					sep = " AND "
				}
				out = append(out, strings.Join(append(append([]string{}, all[:i]...), all[i+1:]...), sep))
			}
		}
		return out
	}
	if rest, ok := strings.CutPrefix(text, "NOT "); ok {
		return []string{rest}
	}
	if strings.HasPrefix(text, "(") {
		if end := closing(text); end == len(text)-1 {
			return []string{text[1:end]}
		} else if end > 0 && strings.HasPrefix(strings.TrimSpace(text[end+1:]), "IS ") {
			return []string{text[1:end]}
		}
	}
	return nil
}

// split cuts text at a word outside of parentheses and quotes. The AND of BETWEEN is cut too: such a part is no condition.
func split(text, word string) (out []string) {
	upper := strings.ToUpper(strings.NewReplacer("\n", " ", "\t", " ").Replace(text))
	depth, from := 0, 0
	var quote byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case depth == 0 && len(upper) == len(text) && strings.HasPrefix(upper[i:], word):
			out = append(out, text[from:i])
			from = i + len(word)
			i = from - 1
		}
	}
	return append(out, text[from:])
}

// closing is the index of the parenthesis that closes the one at the beginning.
func closing(text string) int {
	depth := 0
	var quote byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
