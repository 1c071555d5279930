package parquetio

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
)

// Window is rows of one row group that lie in one page of every flat column. Nothing is decoded before it is asked
// for, and what is given lies in memory that the next window uses again.
type Window struct {
	RowRange
	p      *readPlan
	arrays []arrow.Array // nil: not asked for yet
	exact  bool          // the last cursor is the side column's
}

// Rows is the number of rows.
func (w *Window) Rows() int { return int(w.End - w.Start) }

// Column is column i of those asked for.
func (w *Window) Column(i int) (_ arrow.Array, err error) {
	if a := w.arrays[i]; a != nil {
		return a, nil
	}
	defer recovered(&err, "read")
	a, err := w.p.cursors[i].(viewer).view(w.Start, w.End)
	if err != nil {
		return nil, fmt.Errorf("read Parquet: row group %d, column %q: %w", w.p.rg, w.p.fields[i].Name, err)
	}
	w.arrays[i] = a
	return a, nil
}

// Exact is the side column.
func (w *Window) Exact() (arrow.Array, error) {
	if !w.exact {
		return nil, fmt.Errorf("read Parquet: the side column was not asked for")
	}
	return w.Column(len(w.arrays) - 1)
}

func (w *Window) drop() {
	for i, a := range w.arrays {
		if a != nil {
			a.Release()
			w.arrays[i] = nil
		}
	}
}

// Windows calls each with the rows of ranges (ascending, disjoint; nil is all) of row group rg, in order, cut where a page of a
// flat column ends. The pages of all columns are fetched at once, and each is decoded when a window first asks for it. With
// plain, columns are of the types that Read gives. Otherwise they come as they are stored: dictionary-encoded, and
// decimals in Int32 or Int64 as Int32 or Int64 arrays of the unscaled numbers.
func (f *File) Windows(ctx context.Context, rg int, cols []coltype.Column, exact bool, ranges []RowRange, plain bool, each func(*Window) error) (err error) {
	defer recovered(&err, "read")
	if ranges, _, err = f.ranges(rg, ranges); err != nil {
		return err
	}
	fields := readFields(cols, exact)
	p, err := f.plan(ctx, rg, cols, fields, ranges)
	if err != nil {
		return fmt.Errorf("read Parquet: row group %d: %w", rg, err)
	}
	defer p.free()
	if !plain {
		for _, c := range p.cursors {
			if flat, ok := c.(*flatCursor); ok {
				flat.form, flat.dec.codes = flat.formOf()
			}
		}
	}
	w := &Window{p: p, arrays: make([]arrow.Array, len(p.cursors)), exact: exact}
	defer w.drop()
	for _, r := range ranges {
		for row := r.Start; row < r.End; row = w.End {
			if err := ctx.Err(); err != nil {
				return err
			}
			w.drop()
			w.RowRange = RowRange{row, p.pageEnd(row, r.End)}
			if err := each(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// pageEnd shortens rows from row to end to the first end of a page in them.
func (p *readPlan) pageEnd(row, end int64) int64 {
	for _, c := range p.cursors {
		flat, ok := c.(*flatCursor)
		if !ok {
			continue
		}
		for flat.at < len(flat.pages) && flat.pages[flat.at].first+flat.pages[flat.at].rows <= row {
			flat.at++
		}
		if flat.at < len(flat.pages) {
			end = min(end, flat.pages[flat.at].first+flat.pages[flat.at].rows)
		}
	}
	return max(end, row+1)
}

// viewer is a cursor that gives rows one time only.
type viewer interface {
	// view is rows [from, to), valid until the next call; calls ascend.
	view(from, to int64) (arrow.Array, error)
}

func (c *missing) view(from, to int64) (arrow.Array, error) {
	c.reset()
	if err := c.take(from, to); err != nil {
		return nil, err
	}
	return c.array(), nil
}

func (c *nestedCursor) view(from, to int64) (arrow.Array, error) {
	c.reset()
	if err := c.take(from, to); err != nil {
		return nil, err
	}
	return c.array(), nil
}
