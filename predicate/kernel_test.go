package predicate

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"frostline/coltype"
)

// withAndWithout runs f with the vector code, where the processor has it, and with the portable code.
func withAndWithout(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	had := hasAVX2
	defer func() { hasAVX2 = had }()
	for _, on := range []bool{false, true} {
		if hasAVX2 = on && had; hasAVX2 == on {
			t.Run(map[bool]string{false: "portable", true: "vector"}[on], f)
		}
	}
}

func TestFillRange(t *testing.T) {
	withAndWithout(t, func(t *testing.T) {
		testFillRange(t, []int32{math.MinInt32, math.MinInt32 + 1, -1, 0, 1, math.MaxInt32 - 1, math.MaxInt32})
		testFillRange(t, []int64{math.MinInt64, math.MinInt64 + 1, math.MinInt32, -1, 0, 1, math.MaxInt32, math.MaxInt64 - 1, math.MaxInt64})
	})
}

func testFillRange[T int32 | int64](t *testing.T, edges []T) {
	ends := []int64{math.MinInt64, math.MinInt64 + 1, math.MinInt32 - 1, math.MinInt32, -7, -1, 0, 1, 7, math.MaxInt32, math.MaxInt32 + 1, math.MaxInt64 - 1, math.MaxInt64}
	r := rand.New(rand.NewPCG(1, 2))
	for _, rows := range []int{1, 63, 64, 65, 128, 200, 1000} {
		list := make([]T, rows)
		for i := range list {
			if list[i] = T(r.IntN(40) - 20); i%3 == 0 {
				list[i] = edges[r.IntN(len(edges))]
			}
		}
		for _, lo := range ends {
			for _, hi := range ends {
				if lo > hi {
					continue
				}
				got := make([]uint64, (rows+63)/64)
				fillRange(list, lo, hi, got)
				for i, x := range list {
					if want := int64(x) >= lo && int64(x) <= hi; got[i/64]>>(i%64)&1 == 1 != want {
						t.Fatalf("%d rows: %d from %d to %d gives %v", rows, x, lo, hi, !want)
					}
				}
			}
		}
	}
}

func TestFinder(t *testing.T) {
	withAndWithout(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for range 3000 {
			letters := "abcde "[:2+r.IntN(5)]
			text := make([]byte, r.IntN(300))
			for i := range text {
				text[i] = letters[r.IntN(len(letters))]
			}
			want := make([]byte, 2+r.IntN(5))
			for i := range want {
				want[i] = letters[r.IntN(len(letters))]
			}
			f := newFinder(want)
			for from := 0; ; {
				i := bytes.Index(text[from:], want)
				if i >= 0 {
					i += from
				}
				if got := f.next(text, from); got != i {
					t.Fatalf("%q from %d in %q is at %d, not %d", want, from, text, got, i)
				}
				if i < 0 {
					break
				}
				from = i + 1
			}
		}
	})
}

func TestFinderTakesRareBytes(t *testing.T) {
	for want, pair := range map[string]string{"regular": "gu", "%x%": "%%", "special": "pc", "aaaa": "aa", "Äther": "Ä"} {
		f := newFinder([]byte(want))
		if got := string([]byte{f.one, f.two}); got != pair {
			t.Errorf("%q is looked for by %q", want, got)
		}
	}
}

func TestRowOf(t *testing.T) {
	off := []int32{0, 0, 3, 3, 3, 10, 11, 30}
	for i, want := range map[int32]int{0: 1, 2: 1, 3: 4, 9: 4, 10: 5, 11: 6, 29: 6} {
		if got := rowOf(off, i); got != want {
			t.Errorf("byte %d is in row %d, want %d", i, got, want)
		}
	}
}

// Conditions on one column that must all hold become one interval.
func TestMergedSpans(t *testing.T) {
	cols := []coltype.Column{
		{Name: "a", Type: coltype.Type{Kind: coltype.Int32, Wire: coltype.WireInt4, Base: "int4", Name: "integer"}},
		{Name: "b", Type: coltype.Type{Kind: coltype.Float64, Wire: coltype.WireFloat8, Base: "float8", Name: "double precision"}},
	}
	for text, leaves := range map[string]int{
		"a >= 1 AND a < 10":                       1,
		"a BETWEEN 1 AND 10":                      1,
		"a > 1 AND b > 1 AND a < 5 AND b < 'NaN'": 2,
		"a > 1 AND a IN (2, 3)":                   2,
		"a > 5 AND a < 3":                         1,
		"(a > 1 OR b > 1) AND a < 5":              2,
	} {
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Bind(e, cols)
		if err != nil {
			t.Fatal(err)
		}
		n := 1
		if and, ok := p.root.(*andNode); ok {
			n = len(and.list)
		}
		if n != leaves {
			t.Errorf("%s has %d conditions, want %d", text, n, leaves)
		}
	}
}
