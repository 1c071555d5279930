package predicate

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// TestHostile: texts of the allowed length that ask for much end soon, refused or answered.
func TestHostile(t *testing.T) {
	cols, arrs := sampleColumns(t)
	list := func(n int, item string) string {
		var b strings.Builder
		for k := range n {
			fmt.Fprintf(&b, ","+item, k)
		}
		return b.String()[1:]
	}
	chain := func(n int, s, sep string) string { return strings.TrimSuffix(strings.Repeat(s+sep, n), sep) }
	for _, c := range []struct{ name, text, code string }{
		{"many sums", chain(4000, "i + 1 > 5", " OR "), CodeTooLong},
		{"many columns compared", chain(8000, "i=f", " OR "), CodeTooLong},
		{"a list of sums", "i IN (" + list(6000, "i2+%d") + ")", CodeTooLong},
		{"a sum in a list", "i + 0 IN (" + list(9000, "%d") + ")", ""},
		{"texts in a list", "s || 'x' IN (" + list(4000, "'a%dx'") + ")", ""},
		{"any of many", "i2 * 1 = ANY (ARRAY[" + list(9000, "%d") + "])", ""},
		{"all of many", "f <> ALL ('{" + list(9000, "%d") + "}')", ""},
		{"less than any of many", "i2 < ANY ('{" + list(9000, "%d") + "}')", ""},
		{"a long array", "i = ANY ('{" + list(10_001, "%d") + "}')", CodeTooLong},
		{"a deep array", "l = '" + strings.Repeat("{", 30_000) + "'", CodeTypeMismatch},
		{"large numbers multiplied", "n * " + chain(7, "1e100000", " * ") + " > 1", ""},
		{"large constants multiplied", chain(2000, "1e60000 * 1e60000 > n", " OR "), CodeTooLong},
		{"quotients of large numbers", chain(50, "n / 1e-16000 / 3 > 5", " OR "), ""},
		{"texts joined", chain(190, "s", "||") + " = 'x'", ""},
		{"a long interval", "iv > '" + strings.Repeat("1 day ", 10_000) + "'", ""},
		{"casts of large numbers", "1e131071::text || 'x' = s", ""},
		{"a pattern of wildcards", "s || s LIKE '" + strings.Repeat("%a_", 15_000) + "'", ""},
		{"JSON steps", "j " + strings.Repeat("-> 'a' ", 199) + "IS NULL", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			e, err := Parse(c.text)
			var p *Predicate
			if err == nil {
				p, err = Bind(e, cols)
			}
			if err == nil {
				var in []arrow.Array
				for _, i := range p.Columns() {
					in = append(in, arrs[i])
				}
				err = p.Eval(in, nil, make([]bool, 3))
			}
			var bad *Error
			if err != nil && !errors.As(err, &bad) {
				t.Fatal(err)
			}
			if c.code != "" && (bad == nil || bad.Code != c.code) || c.code == "" && bad != nil && bad.Code != CodeOutOfRange {
				t.Errorf("got %.200v, want code %q", err, c.code)
			}
			if d := time.Since(start); d > 3*time.Second {
				t.Errorf("it took %v", d)
			} else {
				t.Log(d)
			}
		})
	}
}
