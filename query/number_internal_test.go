package query

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Numbers count from 1 in the order of their first appearance, wherever the values lie.
func TestWholeNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, tt := range []struct {
		name string
		next func(i int) int64
	}{
		{"upwards", func(i int) int64 { return int64(i / 2) }},
		{"downwards", func(i int) int64 { return int64(-i / 3) }},
		{"near the top", func(i int) int64 { return math.MaxInt64 - int64(i%700) }},
		{"near the bottom", func(i int) int64 { return math.MinInt64 + int64(r.IntN(5000)) }},
		{"both ends", func(i int) int64 { return []int64{math.MinInt64, math.MaxInt64, 0, -1}[i%4] }},
		{"random", func(i int) int64 { return r.Int64() - r.Int64() }},
		{"clusters", func(i int) int64 { return int64(i%5)*1e6 + int64(r.IntN(3000)) }},
		{"around zero", func(i int) int64 { return int64(r.IntN(100_000) - 50_000) }},
	} {
		w := newWholeNumbers()
		want := map[int64]uint32{}
		for i := range 50_000 {
			v := tt.next(i)
			if _, ok := want[v]; !ok {
				want[v] = uint32(len(want) + 1)
			}
			if id := w.of(v); id != want[v] || w.values[id] != v {
				t.Fatalf("%s: %d is number %d, of value %d, want %d", tt.name, v, id, w.values[id], want[v])
			}
		}
		if len(w.values) != len(want)+1 || len(w.dense) > denseMost {
			t.Errorf("%s: %d numbers in a table of %d, want %d", tt.name, len(w.values)-1, len(w.dense), len(want))
		}
	}
}

// Pairs count from 0, in a table and beyond it.
func TestPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, most := range []int{1, 3, 40, 300, 100_000} {
		var p pairs
		want := map[[2]uint32]uint32{}
		for range 50_000 {
			pair := [2]uint32{uint32(r.IntN(most)), uint32(r.IntN(most))}
			if _, ok := want[pair]; !ok {
				want[pair] = uint32(len(want))
			}
			if id := p.of(pair[0], pair[1]); id != want[pair] {
				t.Fatalf("below %d: %v is number %d, want %d", most, pair, id, want[pair])
			}
		}
	}
}
