package query

import (
	"context"
	"slices"
)

// sortRun is how many elements are sorted or merged between two looks at the context: some ms of work.
const sortRun = 1 << 14

// sorting sorts list, and gives up when ctx ends.
func sorting[T any](ctx context.Context, list []T, compare func(a, b T) int) error {
	for from := 0; from < len(list); from += sortRun {
		if err := ctx.Err(); err != nil {
			return err
		}
		slices.SortFunc(list[from:min(from+sortRun, len(list))], compare)
	}
	if len(list) <= sortRun {
		return nil
	}
	from, to := list, make([]T, len(list))
	for width := sortRun; width < len(list); width *= 2 {
		for at := 0; at < len(list); at += 2 * width {
			middle, end := min(at+width, len(list)), min(at+2*width, len(list))
			if err := merging(ctx, to[at:end], from[at:middle], from[middle:end], compare); err != nil {
				return err
			}
		}
		from, to = to, from
	}
	if &from[0] != &list[0] {
		copy(list, from)
	}
	return nil
}

// merging merges the sorted a and b into to.
func merging[T any](ctx context.Context, to, a, b []T, compare func(a, b T) int) error {
	for k := range to {
		if k%sortRun == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if len(b) == 0 || len(a) > 0 && compare(a[0], b[0]) <= 0 {
			to[k], a = a[0], a[1:]
		} else {
			to[k], b = b[0], b[1:]
		}
	}
	return nil
}
