package parquetio

import (
	"context"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
)

// Scan yields all rows of row group rg in batches of at most rows rows, the chunks fetched once.
// A batch ends early where a page of text does, so that its size is bounded by what pages hold.
// The batch is valid until the next one is asked for.
func (f *File) Scan(ctx context.Context, rg int, s coltype.Schema, rows int) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		fields := s.Arrow().Fields()
		total := f.meta.groups[rg].rows
		p, err := f.scanPlan(ctx, rg, s, fields)
		if err != nil {
			yield(nil, fmt.Errorf("scan Parquet: row group %d: %w", rg, err))
			return
		}
		defer p.free()
		for row := int64(0); row < total; {
			if err := ctx.Err(); err != nil {
				yield(nil, fmt.Errorf("scan Parquet: row group %d: %w", rg, err))
				return
			}
			end := p.windowEnd(row, min(row+int64(max(rows, 1)), total))
			b, err := p.window(row, end, fields)
			if err != nil {
				yield(nil, fmt.Errorf("scan Parquet: row group %d: %w", rg, err))
				return
			}
			more := yield(b, nil)
			b.Release()
			if !more {
				return
			}
			row = end
		}
	}
}

func (f *File) scanPlan(ctx context.Context, rg int, s coltype.Schema, fields []arrow.Field) (p *readPlan, err error) {
	defer recovered(&err, "scan")
	return f.plan(ctx, rg, s.Columns, fields, []RowRange{{0, f.meta.groups[rg].rows}})
}

// windowEnd shortens a window to the end of the first page of text in it.
func (p *readPlan) windowEnd(row, end int64) int64 {
	for _, c := range p.cursors {
		fc, ok := c.(*flatCursor)
		if !ok || len(fc.pages) == 0 || fc.dec.leaf.elem.typ != physByteArray {
			continue
		}
		for i := max(fc.next-1, 0); i < len(fc.pages); i++ {
			if e := fc.pages[i].first + fc.pages[i].rows; e > row {
				end = min(end, e)
				break
			}
		}
	}
	return end
}

// window is the batch of rows from to to, in the memory of the batch before.
func (p *readPlan) window(from, to int64, fields []arrow.Field) (_ arrow.RecordBatch, err error) {
	defer recovered(&err, "scan")
	for i, c := range p.cursors {
		c.reset()
		if err := c.take(from, to); err != nil {
			return nil, fmt.Errorf("column %q: %w", fields[i].Name, err)
		}
	}
	return p.batch(fields, to-from), nil
}
