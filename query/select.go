package query

import (
	"context"
	"math/bits"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/parquetio"
	"frostline/predicate"
)

// pieceLists are the lists of selections that were read: one may be long, and each unit has one.
var pieceLists sync.Pool

// newSelection is empty.
func newSelection() selection {
	if list, ok := pieceLists.Get().(*[]piece); ok {
		return selection{kept: *list}
	}
	return selection{}
}

// done gives the list back.
func (s *selection) done() {
	if cap(s.kept) > 0 {
		list := s.kept[:0]
		s.kept = nil
		pieceLists.Put(&list)
	}
}

// evaluateChunk adds the matching rows of pieces to sel, and reports whether it read any.
func (s *scan) evaluateChunk(ctx context.Context, u unit, pieces []piece, sel *selection) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	var ranges []parquetio.RowRange
	var rows int64
	for _, p := range pieces {
		if !p.all {
			ranges = append(ranges, p.RowRange)
			rows += p.End - p.Start
		}
	}
	// What is proven to match stands between what is evaluated.
	proven := func(row int64) {
		for len(pieces) > 0 && pieces[0].End <= row {
			if pieces[0].all {
				sel.add(pieces[0].RowRange, true, s.end)
			}
			pieces = pieces[1:]
		}
	}
	if rows > 0 {
		err := s.hits(ctx, u, ranges, rows, func(r parquetio.RowRange, hits []uint64) {
			proven(r.Start)
			sel.addBits(r.Start, hits, s.end)
		})
		if err != nil {
			return false, err
		}
		s.scanned.Add(rows)
	}
	proven(u.file.RowGroupRows(u.rg))
	return rows > 0 && len(s.filterOn) > 0, nil
}

// hits evaluates the filter on rows of a row group: a bit for every row, window after window.
func (s *scan) hits(ctx context.Context, u unit, ranges []parquetio.RowRange, rows int64, found func(r parquetio.RowRange, hits []uint64)) error {
	eval := s.filter.Evaluator()
	if len(s.filterOn) == 0 {
		for _, r := range ranges {
			hits, err := eval.Bits(predicate.Batch{Rows: int(r.End - r.Start)})
			if err != nil {
				return unreadable(u.pf.Location, err)
			}
			found(r, hits)
		}
		return nil
	}
	withExact := s.filter.NeedsExact() && mayHaveExact(u.file, u.rg, s.filterOn)
	reserved, err := s.reserve(ctx, u, u.file, u.rg, s.filterOn, withExact, rows)
	if err != nil {
		return err
	}
	defer s.memory.done(reserved)
	err = u.file.Windows(ctx, u.rg, s.filterOn, withExact, ranges, eval.Plain(), func(w *parquetio.Window) error {
		b := predicate.Batch{Rows: w.Rows(), Column: w.Column, Stop: ctx.Err}
		if withExact {
			b.Exact = func() (arrow.Array, error) {
				exact, err := w.Exact()
				if err != nil {
					return nil, err
				}
				return renameExact(exact, u.part.renamed), nil
			}
		}
		hits, err := eval.Bits(b)
		if err != nil {
			return err
		}
		found(w.RowRange, hits)
		return nil
	})
	if err != nil && ctx.Err() == nil {
		return unreadable(u.pf.Location, err)
	}
	return err
}

// addBits notes the rows from first whose bits are set, keeping no more than most.
func (s *selection) addBits(first int64, hits []uint64, most int64) {
	if s.held < most {
		runs := 0
		for _, word := range hits {
			runs += bits.OnesCount64(word &^ (word << 1))
		}
		s.kept = slices.Grow(s.kept, int(min(int64(runs), most-s.held)))
	}
	for w, word := range hits {
		if s.held >= most {
			s.rows += int64(bits.OnesCount64(word))
			continue
		}
		at := first + int64(w)*64
		for word != 0 {
			skip := bits.TrailingZeros64(word)
			n := bits.TrailingZeros64(^(word >> skip))
			start := at + int64(skip)
			s.add(parquetio.RowRange{Start: start, End: start + int64(n)}, false, most)
			if skip+n >= 64 {
				break
			}
			word &= ^uint64(0) << (skip + n)
		}
	}
}
