package query

import (
	"context"
	"slices"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/parquetio"
	"frostline/predicate"
)

// unknownBounds say nothing: the data is kept.
var unknownBounds = coltype.Bounds{Rows: -1, Nulls: -1, NaNs: -1, Exact: -1}

// byPartition prunes with what the partition values of a partition imply.
func (s *scan) byPartition(part *partition) predicate.Verdict {
	if s.noPrune {
		return predicate.Some
	}
	return s.filter.Prune(func(col int) coltype.Bounds {
		if b, ok := part.Bounds[s.cols[col].FieldID]; ok {
			return b
		}
		return unknownBounds
	})
}

// byFile prunes with the statistics of a file in its manifest.
func (s *scan) byFile(pf *iceberg.PlanFile) predicate.Verdict {
	if s.noPrune {
		return predicate.Some
	}
	return s.filter.Prune(func(col int) coltype.Bounds { return fileBounds(pf, s.cols[col]) })
}

// fileBounds are those of a column in a file, by its manifest.
func fileBounds(pf *iceberg.PlanFile, c coltype.Column) coltype.Bounds {
	if b, ok := pf.Bounds(c); ok {
		return b
	}
	return unknownBounds
}

// piece is rows of a row group under one verdict, Some or All.
type piece struct {
	parquetio.RowRange
	all bool
}

// byPage cuts a row group at the union of the page boundaries of the filter's columns and prunes each
// interval. It returns what is left, in order and with neighbours of one verdict merged, and
// counts the filter's pages: those that hold no row to evaluate are skipped.
func (s *scan) byPage(ctx context.Context, f *parquetio.File, rg int) ([]piece, error) {
	rows := f.RowGroupRows(rg)
	whole := []piece{{RowRange: parquetio.RowRange{Start: 0, End: rows}}}
	if s.noPrune || len(s.filterOn) == 0 {
		return whole, nil
	}
	pages := make([][]parquetio.Page, len(s.filterOn))
	cuts := []int64{0, rows}
	for i, c := range s.filterOn {
		if c.Type.Kind == coltype.List {
			pages[i] = []parquetio.Page{{Rows: rows, Bounds: f.Bounds(rg, c)}}
			continue
		}
		list, err := f.Pages(ctx, rg, c)
		if err != nil {
			return nil, err
		}
		pages[i] = list
		for _, p := range list {
			cuts = append(cuts, p.FirstRow)
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)

	at := make([]int, len(pages))      // the page of each column that the interval lies in
	read := make([][]bool, len(pages)) // pages that hold rows to evaluate
	for i := range pages {
		read[i] = make([]bool, len(pages[i]))
	}
	bounds := make(map[int]coltype.Bounds, len(pages))
	var out []piece
	for k := 0; k+1 < len(cuts); k++ {
		iv := parquetio.RowRange{Start: cuts[k], End: cuts[k+1]}
		for i, list := range pages {
			for at[i]+1 < len(list) && list[at[i]+1].FirstRow <= iv.Start {
				at[i]++
			}
			col := s.filter.Columns()[i]
			bounds[col] = unknownBounds
			if len(list) > 0 {
				bounds[col] = within(list[at[i]], iv)
			}
		}
		verdict := s.filter.Prune(func(col int) coltype.Bounds {
			if b, ok := bounds[col]; ok {
				return b
			}
			return unknownBounds
		})
		if verdict == predicate.None {
			continue
		}
		if verdict == predicate.Some {
			for i := range read {
				if len(read[i]) > 0 {
					read[i][at[i]] = true
				}
			}
		}
		all := verdict == predicate.All
		if n := len(out); n > 0 && out[n-1].End == iv.Start && out[n-1].all == all {
			out[n-1].End = iv.End
		} else {
			out = append(out, piece{RowRange: iv, all: all})
		}
	}
	for i := range read {
		s.pages.total.Add(int64(len(read[i])))
		for _, r := range read[i] {
			if r {
				s.pages.read.Add(1)
			}
		}
	}
	return out, nil
}

// within are the bounds of a page for the rows iv inside it: counts that hold for all or none of
// the page's rows hold for iv, others are unknown there.
func within(p parquetio.Page, iv parquetio.RowRange) coltype.Bounds {
	b := p.Bounds
	n := iv.End - iv.Start
	if p.FirstRow == iv.Start && p.Rows == n {
		b.Rows = n
		return b
	}
	part := func(count int64) int64 {
		switch count {
		case 0:
			return 0
		case p.Rows:
			return n
		}
		return -1
	}
	b.Nulls, b.NaNs, b.Rows = part(b.Nulls), part(b.NaNs), n
	if b.Exact != 0 {
		b.Exact = -1
	}
	return b
}
