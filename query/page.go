package query

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
	"frostline/parquetio"
)

// Rows are read in chunks so that a wide row group does not stand in memory at once: chunkBytes of the
// file, but never fewer than leastRows. A query that may stop early begins with firstRows, one page of the usual layout.
const (
	chunkBytes = 32 << 20
	leastRows  = 256
	firstRows  = 20_480
)

// chunk is the number of rows of row group rg to read at once.
func chunk(f *parquetio.File, rg int) int64 {
	rows, bytes := f.RowGroupRows(rg), f.RowGroupBytes(rg)
	if bytes <= chunkBytes {
		return max(rows, 1)
	}
	return max(int64(float64(rows)*chunkBytes/float64(bytes)), min(leastRows, rows), 1)
}

// selection is the matching rows of a unit.
type selection struct {
	rows int64   // their number; when the page cannot need more, a lower bound
	kept []piece // the first of them, all: proven without evaluation; nil with whole
	// whole is set when every row of the unit matches.
	whole bool
	held  int64 // rows in kept
}

// add notes matching rows, keeping no more than most.
func (s *selection) add(r parquetio.RowRange, all bool, most int64) {
	n := r.End - r.Start
	s.rows += n
	n = min(n, most-s.held)
	if n <= 0 {
		return
	}
	s.held += n
	if k := len(s.kept); k > 0 && s.kept[k-1].End == r.Start && s.kept[k-1].all == all {
		s.kept[k-1].End += n
		return
	}
	s.kept = append(s.kept, piece{RowRange: parquetio.RowRange{Start: r.Start, End: r.Start + n}, all: all})
}

// evaluate finds the matching rows of a unit. It reads only the filter's columns, and of them only pages
// whose bounds do not decide.
func (s *scan) evaluate(ctx context.Context, u unit) (selection, error) {
	switch {
	case u.file == nil:
		return selection{rows: u.pf.Rows, whole: true}, nil
	case u.all:
		if u.from > 0 {
			rows := parquetio.RowRange{Start: u.from, End: u.file.RowGroupRows(u.rg)}
			return selection{rows: rows.End - rows.Start, kept: []piece{{RowRange: rows, all: true}}}, nil
		}
		return selection{rows: u.file.RowGroupRows(u.rg), whole: true}, nil
	}
	pieces, err := s.byPage(ctx, u.file, u.rg)
	if err != nil {
		return selection{}, unreadable(u.pf.Location, err)
	}
	pieces = since(pieces, u.from)
	sel := newSelection()
	most := chunk(u.file, u.rg)
	if s.count == CountNone {
		most = min(most, firstRows)
	}
	read := false
	for len(pieces) > 0 {
		if s.count == CountNone && sel.rows >= s.end {
			break
		}
		var batch []piece
		batch, pieces = split(pieces, most)
		evaluated, err := s.evaluateChunk(ctx, u, batch, &sel)
		if err != nil {
			return selection{}, err
		}
		read = read || evaluated
		if s.count == CountNone {
			most = min(2*most, chunk(u.file, u.rg))
		}
	}
	if read {
		u.wasRead()
		s.rowGroups.read.Add(1)
	}
	return sel, nil
}

// split takes pieces with up to rows rows to evaluate from the front of list.
func split(list []piece, rows int64) (front, rest []piece) {
	for i, p := range list {
		if p.all {
			continue
		}
		n := p.End - p.Start
		if n < rows {
			rows -= n
			continue
		}
		if n == rows {
			return list[:i+1], list[i+1:]
		}
		cut := p.Start + rows
		front = append(append(front, list[:i]...), piece{RowRange: parquetio.RowRange{Start: p.Start, End: cut}})
		rest = append([]piece{{RowRange: parquetio.RowRange{Start: cut, End: p.End}}}, list[i+1:]...)
		return front, rest
	}
	return list, nil
}

// materialise reads the projected columns of take matching rows of a unit after the first skip ones.
func (s *scan) materialise(ctx context.Context, u unit, sel selection, skip, take int64) error {
	if u.file != nil {
		pieces := sel.kept
		if sel.whole {
			pieces = []piece{{RowRange: parquetio.RowRange{Start: 0, End: u.file.RowGroupRows(u.rg)}, all: true}}
		}
		return s.readRows(ctx, u, u.file, u.rg, window(pieces, skip, take))
	}
	f, err := s.openFile(ctx, u.part, u.pf)
	if err != nil {
		return err
	}
	s.rowGroups.total.Add(int64(f.RowGroups()))
	for rg := 0; rg < f.RowGroups() && take > 0; rg++ {
		n := f.RowGroupRows(rg)
		if skip >= n {
			skip -= n
			continue
		}
		got := min(n-skip, take)
		rows := []piece{{RowRange: parquetio.RowRange{Start: skip, End: skip + got}, all: true}}
		if err := s.readRows(ctx, u, f, rg, rows); err != nil {
			return err
		}
		skip, take = 0, take-got
	}
	return nil
}

func piecesRows(pieces []piece) (n int64) {
	for _, p := range pieces {
		n += p.End - p.Start
	}
	return n
}

// window is take rows of pieces after the first skip ones.
func window(pieces []piece, skip, take int64) []piece {
	if n := piecesRows(pieces); skip == 0 && take >= n {
		return pieces
	}
	var out []piece
	for _, p := range pieces {
		n := p.End - p.Start
		if skip >= n {
			skip -= n
			continue
		}
		p.Start += skip
		skip = 0
		p.End = min(p.End, p.Start+take)
		take -= p.End - p.Start
		if p.End > p.Start {
			out = append(out, p)
		}
		if take == 0 {
			break
		}
	}
	return out
}

// readRows reads the projected columns of the rows in pieces and keeps them as the unit's answer.
func (s *scan) readRows(ctx context.Context, u unit, f *parquetio.File, rg int, pieces []piece) error {
	if s.hopeless != nil && s.hopeless(u, f, rg) {
		return nil
	}
	withExact := mayHaveExact(f, rg, s.project)
	most := chunk(f, rg)
	for len(pieces) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		front, rest := splitAny(pieces, most)
		pieces = rest
		ranges := make([]parquetio.RowRange, 0, len(front))
		var rows int64
		for _, p := range front {
			n := p.End - p.Start
			rows += n
			if p.all {
				s.scanned.Add(n)
			}
			if k := len(ranges); k > 0 && ranges[k-1].End == p.Start {
				ranges[k-1].End = p.End
			} else {
				ranges = append(ranges, p.RowRange)
			}
		}
		if err := s.readBatch(ctx, u, f, rg, ranges, rows, withExact); err != nil {
			return err
		}
	}
	if u.wasRead() {
		s.rowGroups.read.Add(1)
	}
	return nil
}

// readBatch reads the projected columns of ranges, rows rows, and hands them on.
func (s *scan) readBatch(ctx context.Context, u unit, f *parquetio.File, rg int, ranges []parquetio.RowRange, rows int64, withExact bool) error {
	reserved, err := s.reserve(ctx, u, f, rg, s.project, withExact, rows)
	if err != nil {
		return err
	}
	defer func() { s.memory.done(reserved) }()
	read := f.Read
	if s.lends || s.take == nil {
		read = f.ReadLent
	}
	b, err := read(ctx, rg, s.project, withExact, ranges)
	if err != nil {
		return unreadable(u.pf.Location, err)
	}
	if b.NumRows() != rows || int(b.NumCols()) < len(s.project) {
		b.Release()
		return unreadable(u.pf.Location, errRows(b.NumRows(), rows))
	}
	if b, err = s.renameBatch(b, s.project, u.part.renamed); err != nil {
		return err
	}
	if n := size(b); n > reserved {
		s.memory.more(n - reserved)
		reserved = n
	}
	s.took(u, rg, ranges[len(ranges)-1].End)
	if s.take != nil {
		return s.take(ctx, u, rg, ranges, b)
	}
	return s.keep(u, b)
}

// splitAny takes up to rows rows from the front of list.
func splitAny(list []piece, rows int64) (front, rest []piece) {
	for i, p := range list {
		n := p.End - p.Start
		if n <= rows {
			rows -= n
			continue
		}
		if rows == 0 {
			return list[:i], list[i:]
		}
		cut := p.Start + rows
		front = append(append(front, list[:i]...), piece{RowRange: parquetio.RowRange{Start: p.Start, End: cut}, all: p.all})
		rest = append([]piece{{RowRange: parquetio.RowRange{Start: cut, End: p.End}, all: p.all}}, list[i+1:]...)
		return front, rest
	}
	return list, nil
}

// mayHaveExact reports whether cells of cols in a row group may stand in the side column.
func mayHaveExact(f *parquetio.File, rg int, cols []coltype.Column) bool {
	for _, c := range cols {
		if c.Type.MayBeExact() {
			return f.Bounds(rg, c).Exact != 0
		}
	}
	return false
}

// renameExact is the side column with the names that the columns have now. The caller releases it.
func renameExact(exact arrow.Array, renamed map[string]string) arrow.Array {
	return exactOf(exact, renamed, nil)
}

// exactOf is renameExact with the cells of the columns in only, where that is not nil.
func exactOf(exact arrow.Array, renamed map[string]string, only []coltype.Column) arrow.Array {
	m, ok := exact.(*array.Map)
	if !ok || len(renamed) == 0 && only == nil {
		exact.Retain()
		return exact
	}
	keys, texts := m.Keys().(*array.String), m.Items().(*array.String)
	b := array.NewMapBuilderWithType(memory.DefaultAllocator, m.DataType().(*arrow.MapType))
	defer b.Release()
	kb, tb := b.KeyBuilder().(*array.StringBuilder), b.ItemBuilder().(*array.StringBuilder)
	for i := range m.Len() {
		if m.IsNull(i) {
			b.AppendNull()
			continue
		}
		b.Append(true)
		from, to := m.ValueOffsets(i)
		for j := int(from); j < int(to); j++ {
			name := keys.Value(j)
			if now, ok := renamed[name]; ok {
				name = now
			}
			if only != nil && !slices.ContainsFunc(only, func(c coltype.Column) bool { return c.Name == name }) {
				continue
			}
			kb.Append(name)
			tb.Append(texts.Value(j))
		}
	}
	return b.NewArray()
}

// renameBatch does that to the side column of b, which stands behind the columns of project: who may not see all columns gets the cells
// of these. It takes b over.
func (p *plan) renameBatch(b arrow.RecordBatch, project []coltype.Column, renamed map[string]string) (arrow.RecordBatch, error) {
	at := len(project)
	var only []coltype.Column
	if p.narrow {
		only = append([]coltype.Column{}, project...)
	}
	if len(renamed) == 0 && only == nil || int(b.NumCols()) <= at {
		return b, nil
	}
	defer b.Release()
	exact := exactOf(b.Column(at), renamed, only)
	defer exact.Release()
	return b.SetColumn(at, exact)
}

func errRows(got, want int64) error {
	return fmt.Errorf("%w: %d rows where %d were expected", parquetio.ErrCorrupt, got, want)
}

// size is the memory of a batch.
func size(b arrow.RecordBatch) int64 {
	var n int64
	for _, c := range b.Columns() {
		n += sizeOf(c)
	}
	return n
}
