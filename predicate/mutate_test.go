package predicate_test

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"frostline/predicate"
	"frostline/predicate/predtest"
)

var tokens = regexp.MustCompile(`'(?:[^']|'')*'|"(?:[^"]|"")*"|[0-9.]+(?:[eE][-+]?[0-9]+)?|[A-Za-z_][A-Za-z_0-9]*|<>|!=|<=|>=|\s+|.`)

// TestMutatedText damages good predicates: what is accepted here, the server accepts and reads the same way.
func TestMutatedText(t *testing.T) {
	r := seed(t)
	o := newOracle(t, r, 150)
	gen := predtest.NewComputing(r, o.schema.Columns)
	accepted, missed := 0, map[string]string{}
	for range 3000 {
		text := mutate(r, gen.Predicate(), gen.Predicate())
		if strings.TrimSpace(text) == "" || strings.Contains(text, "!=-") || strings.Contains(text, "!=+") {
			continue // no condition here; != and a sign here, an operator of that name to the server
		}
		p, err := o.bind(text)
		want, why := o.server(t, text)
		switch {
		case err == nil && predtest.TooOld(why):
		case err == nil && predtest.AtRunTime(why):
			if _, raised := o.run(t, p); raised == nil && !predtest.MayShorten(text) {
				t.Errorf("%s\n  server: %s\n  here: no error", text, why)
			}
		case err == nil && why != "":
			t.Errorf("%s\n  server: %s\n  here: accepted", text, why)
		case err == nil:
			accepted++
			got, raised := o.run(t, p)
			if raised != nil && (predtest.MayShorten(text) || raised.Code == predicate.CodeOutOfRange && predtest.MayWrap(text)) {
				continue
			}
			if raised != nil || got != want {
				t.Errorf("%s\n  raised: %v\n  server: %s\n  here:   %s", text, raised, want, got)
			}
		case why == "":
			missed[regexp.MustCompile(`position \d+|'.*?'|".*?"|\d+`).ReplaceAllString(err.Error(), "…")] = text
		}
	}
	t.Logf("%d accepted", accepted)
	for e, text := range missed {
		t.Logf("accepted by the server alone: %s\n   %s", text, e)
	}
	if accepted < 200 {
		t.Errorf("only %d were accepted: not a test", accepted)
	}
}

func mutate(r *rand.Rand, text, other string) string {
	a, b := tokens.FindAllString(text, -1), tokens.FindAllString(other, -1)
	for range 1 + r.IntN(2) {
		i, j := r.IntN(len(a)), r.IntN(len(b))
		switch r.IntN(5) {
		case 0:
			a = slices.Delete(a, i, i+1)
		case 1:
			a = slices.Insert(a, i, b[j])
		case 2:
			a[i] = b[j]
		case 3:
			k := r.IntN(len(a))
			a[i], a[k] = a[k], a[i]
		case 4:
			a = slices.Insert(a, i, []string{"(", ")", " NOT ", " IS NULL ", " IS NOT TRUE ", " AND ", " OR ", "-", "+", " IN "}[r.IntN(10)])
		}
		if len(a) == 0 {
			return text
		}
	}
	return strings.Join(a, "")
}
