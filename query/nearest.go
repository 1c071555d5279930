package query

import (
	"sort"
	"strings"
)

// Nearest is the candidate that name was most likely meant to be: equal but for case and
// separators, or few typing mistakes away; "" when none is near.
func Nearest(name string, candidates []string) string {
	best, score := "", 1+len(name)/3
	if score > 4 {
		score = 4
	}
	for _, c := range candidates {
		if d := distance(plain(name), plain(c)); d < score || (d == score && best == "") {
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

// distance is the number of inserted, removed, changed or swapped characters.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 256 || len(y) > 256 {
		return 1 << 20
	}
	prev2, prev, cur := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(x); i++ {
		cur[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(y)]
}

// near lists up to n of the candidates, those closest to name first.
func near(name string, candidates []string, n int) []string {
	list := append([]string(nil), candidates...)
	sort.SliceStable(list, func(i, j int) bool {
		return distance(plain(name), plain(list[i])) < distance(plain(name), plain(list[j]))
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
