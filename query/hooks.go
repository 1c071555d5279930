package query

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/parquetio"
)

// hooks change what a scan does with the rows that it finds. The zero hooks gather the page's rows.
type hooks struct {
	// take is given the projected columns of rows of a row group, ranges of it, by workers at once and in no order
	// between units. It owns b and may wait. nil keeps the rows as the answer.
	take func(ctx context.Context, u unit, rg int, ranges []parquetio.RowRange, b arrow.RecordBatch) error
	// ended is called when a worker has ended its work on a unit.
	ended func(u unit)
	// decided is asked of files and row groups all of whose rows match; true: metadata has said all that
	// is wanted of them, and they are not read. u.file is nil for a file.
	decided func(u unit) bool
	// useless is asked of all others; true: nothing of them is wanted, not even their number.
	useless func(u unit) bool
	// arrange is the order of a file's row groups, nil as they stand.
	arrange func(o *opening) []int
	// hopeless is asked before rows of a row group are read; true: none of them can be in the answer.
	hopeless func(u unit, f *parquetio.File, rg int) bool
	// urgent reports whether the units that wait wait for this one.
	urgent func(u unit) bool
	// opensAll makes units of row groups also where metadata has decided the file.
	opensAll bool

	last place // the last row of the page so far, under mu
}

// place is a row of a unit.
type place struct {
	set bool
	u   unit
	rg  int
	row int64 // after the last one taken
}

// took notes how far the page's rows have been read.
func (s *scan) took(u unit, rg int, row int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.last
	if !l.set || u.seq > l.u.seq || u.seq == l.u.seq && (rg > l.rg || rg == l.rg && row > l.row) {
		*l = place{set: true, u: u, rg: rg, row: row}
	}
}

// place tells where a file stands to the position that the page begins at.
func (s *scan) place(part *partition, pf iceberg.PlanFile) (before, resume bool) {
	if s.after == nil || part.Name != s.after.Partition {
		return false, false
	}
	file := s.below(pf)
	return file < s.after.File, file == s.after.File
}

// since drops the rows before from.
func since(pieces []piece, from int64) []piece {
	for len(pieces) > 0 && pieces[0].End <= from {
		pieces = pieces[1:]
	}
	if len(pieces) > 0 && pieces[0].Start < from {
		pieces[0].Start = from
	}
	return pieces
}

// keep adds b, which it owns from now on, to the unit's rows of the answer.
func (s *scan) keep(u unit, b arrow.RecordBatch) error {
	n := size(b)
	s.mu.Lock()
	s.rows[u.seq] = append(s.rows[u.seq], b)
	s.mu.Unlock()
	if s.bytes.Add(n) > s.engine.opt.MaxResultBytes {
		return resultTooLarge(s.engine.opt.MaxResultBytes)
	}
	return s.memory.hold(n, "the result is")
}

func resultTooLarge(most int64) error {
	return &Error{Code: TooLarge, Field: "limit", Msg: fmt.Sprintf("the result is larger than %d MiB", most>>20),
		Hint: "lower limit, or ask for fewer columns"}
}

// reserve takes memory for rows rows of cols, the pages that they are decoded from included; the caller gives the
// returned bytes back. It also sees to the bounds of what one query may read.
func (s *scan) reserve(ctx context.Context, u unit, f *parquetio.File, rg int, cols []coltype.Column, exact bool, rows int64) (int64, error) {
	if err := s.withinScan(); err != nil {
		return 0, err
	}
	n := weigh(f, rg, cols, exact, rows)
	var urgent func() bool
	if s.urgent != nil {
		urgent = func() bool { return s.urgent(u) }
	}
	return n, s.memory.work(ctx, n, urgent)
}

// weigh estimates the memory of rows rows of cols, decoded, and of their pages.
func weigh(f *parquetio.File, rg int, cols []coltype.Column, exact bool, rows int64) int64 {
	share := float64(rows) / float64(max(f.RowGroupRows(rg), 1))
	var n float64
	for _, c := range cols {
		stored, decompressed := f.ChunkBytes(rg, c)
		decoded := float64(rows * width(c.Type.Kind))
		if width(c.Type.Kind) == 0 {
			decoded = float64(rows*4) + 2*float64(decompressed)*share
		}
		n += float64(stored)*share + decoded
	}
	if exact {
		stored, decompressed := f.ExactBytes(rg)
		n += float64(stored)*share + 2*float64(decompressed)*share + float64(rows*8)
	}
	return int64(n)
}

// width is the bytes of a decoded value, 0 where they vary.
func width(k coltype.Kind) int64 {
	switch k {
	case coltype.Bool:
		return 1
	case coltype.Int32, coltype.Float32, coltype.Date:
		return 4
	case coltype.Int64, coltype.Float64, coltype.Time, coltype.Timestamp, coltype.TimestampTZ:
		return 8
	case coltype.Decimal, coltype.UUID:
		return 16
	}
	return 0
}
