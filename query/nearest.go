package query

import (
	"sort"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Nearest is the candidate that name was most likely meant to be: equal but for case and
// separators, or few typing mistakes away; "" when none is near.
func Nearest(name string, candidates []string) string {
	best, score := "", 1+len(name)/3
	if score > 4 {
		score = 4
	}
	for _, c := range candidates {
		if d := distance(name, c); d < score || (d == score && best == "") {
			best, score = c, d
		}
	}
	return best
}

func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// distance counts typing mistakes, not in texts that are longer than any name.
func distance(a, b string) int {
	if len(a) > 256 || len(b) > 256 {
		return 1 << 20
	}
	return levenshtein.ComputeDistance(plain(a), plain(b))
}

// near lists up to n of the candidates, those closest to name first.
func near(name string, candidates []string, n int) []string {
	list := append([]string(nil), candidates...)
	sort.SliceStable(list, func(i, j int) bool {
		return distance(name, list[i]) < distance(name, list[j])
	})
	return list[:min(n, len(list))]
}

// meant is the hint that names the nearest candidate, or lists some.
func meant(name string, candidates []string) string {
	if c := Nearest(name, candidates); c != "" {
		return "did you mean " + quote(c) + "?"
	}
	if len(candidates) == 0 {
		return ""
	}
	list := near(name, candidates, 8)
	for i := range list {
		list[i] = quote(list[i])
	}
	hint := "there is " + strings.Join(list, ", ")
	if len(candidates) > len(list) {
		hint += ", …"
	}
	return hint
}

func quote(s string) string { return `"` + s + `"` }
