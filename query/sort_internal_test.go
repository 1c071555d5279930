package query

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSorting(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	type pair struct{ key, at int }
	for _, n := range []int{0, 1, sortRun - 1, sortRun, sortRun + 1, 3 * sortRun, 5*sortRun + 7} {
		list := make([]pair, n)
		for i := range list {
			list[i] = pair{r.IntN(n/2 + 1), i}
		}
		want := slices.Clone(list)
		compare := func(a, b pair) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.at, b.at)) }
		slices.SortFunc(want, compare)
		if err := sorting(context.Background(), list, compare); err != nil || !slices.Equal(list, want) {
			t.Errorf("%d elements: %v, sorted %v", n, err, slices.Equal(list, want))
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	err := sorting(ctx, make([]int, 8*sortRun), func(a, b int) int {
		if calls++; calls == 10 {
			cancel()
		}
		return 0
	})
	if !errors.Is(err, context.Canceled) || calls > 2*sortRun {
		t.Errorf("got %v after %d comparisons", err, calls)
	}
}
