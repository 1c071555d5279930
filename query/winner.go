package query

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/parquetio"
)

// winner is a row that may be in the page of a sorted result.
type winner struct {
	key []byte
	at  *source
	row int64 // of the row group
}

// source is a row group that rows come from.
type source struct {
	unit
	group int // u.rg, or that of a whole file
	rank  int // of its file in the stable order
}

// before orders rows by their keys, ties as they stand in the archive.
func (w *winner) before(o *winner) bool {
	if c := bytes.Compare(w.key, o.key); c != 0 {
		return c < 0
	}
	if w.at != o.at {
		if w.at.rank != o.at.rank {
			return w.at.rank < o.at.rank
		}
		return w.at.group < o.at.group
	}
	return w.row < o.row
}

// worstFirst is a heap of winners.
type worstFirst []winner

func (h worstFirst) Len() int           { return len(h) }
func (h worstFirst) Less(i, j int) bool { return h[j].before(&h[i]) }
func (h worstFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *worstFirst) Push(x any)        { *h = append(*h, x.(winner)) }
func (h *worstFirst) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// winnerBytes is what a winner takes beside its key, roughly.
const winnerBytes = 64

// race finds the first rows of an order: the keys of all matching rows are looked at, those of the first most are
// kept.
type race struct {
	q    *query
	keys []sortKey
	cols []coltype.Column // that the keys are of
	most int64
	rank map[string]int // of files by location, in the stable order

	mu      sync.Mutex
	rows    worstFirst // a heap once it is full
	full    bool
	sources map[[2]int]*source
	skipped atomic.Int64 // rows that match and were not looked at
}

// sorted is the page's rows in order.
type sorted struct {
	q     *query
	rows  []winner
	scan  *scan
	tail  link
	exact bool // tail.rows is all that match
	next  bool
}

// winners scans the sort keys and finds the page's rows.
func (q *query) winners(ctx context.Context) (*sorted, error) {
	r := q.req
	if r.After != nil {
		r.Offset += r.After.Seen
	}
	race := &race{q: q, most: r.Offset + r.Limit, sources: map[[2]int]*source{}}
	for _, k := range q.order {
		race.cols = append(race.cols, q.cols[k.col])
		k.col = len(race.keys)
		race.keys = append(race.keys, k)
	}
	first, most, exact := r.Offset, r.Offset+r.Limit, r.Count == CountExact
	r.Offset, r.Limit, r.Count, r.After = 0, 1<<62, CountExact, nil
	keys := *q.plan
	keys.project = race.cols
	s := q.engine.newScan(&keys, r, q.memory)
	s.opensAll, s.lends = true, true
	s.take = race.take
	race.ranks()
	if !r.NoPrune {
		race.bestFirst(&keys)
		s.hopeless = func(u unit, f *parquetio.File, rg int) bool { return race.hopeless(f.Bounds(rg, race.cols[0])) }
		s.arrange = race.arrange
		s.decided = func(u unit) bool {
			if !race.hopeless(u.bounds(race.cols[0])) {
				return false
			}
			race.skipped.Add(u.rows())
			return true
		}
		if !exact {
			s.useless = func(u unit) bool { return race.hopeless(u.bounds(race.cols[0])) }
		}
	}
	tail, err := s.run(ctx)
	if err != nil {
		return nil, err
	}
	tail.rows += race.skipped.Load()
	rows := []winner(race.rows)
	err = sorting(ctx, rows, func(a, b winner) int {
		if a.before(&b) {
			return -1
		}
		return 1
	})
	if err != nil {
		return nil, err
	}
	out := &sorted{q: q, scan: s, tail: tail, exact: exact || !race.full}
	from := min(first, int64(len(rows)))
	out.rows = rows[from:min(most, int64(len(rows)))]
	out.next = len(out.rows) > 0 && (tail.rows > most || !out.exact)
	return out, nil
}

// sortedRows is the rows of a batch of a sorted result, and sortedBytes the most of its rows' bytes in the files: they are
// gathered from all over the archive.
const (
	sortedRows  = 65_536
	sortedBytes = 32 << 20
)

// emit reads the page's rows and hands them on in order.
func (s *sorted) emit(ctx context.Context, start func([]coltype.Column) error, each func(arrow.RecordBatch) error) (*Result, error) {
	if err := start(s.q.project); err != nil {
		return nil, err
	}
	res := &Result{Columns: s.q.project}
	for rest := s.rows; len(rest) > 0; {
		n := s.some(rest)
		b, err := s.read(ctx, rest[:n])
		if err != nil {
			return nil, err
		}
		rest = rest[n:]
		res.Rows += b.NumRows()
		err = each(b)
		b.Release()
		if err != nil {
			return nil, err
		}
	}
	res.Scanned, res.Pruning = s.scan.scanned.Load(), s.scan.pruning()
	res.Matched, res.Counted = s.tail.rows, s.exact
	if s.next {
		res.Next = &Position{Snapshot: s.q.target.snapshot, Seen: s.q.req.Offset + res.Rows}
		if s.q.req.After != nil {
			res.Next.Seen += s.q.req.After.Seen
		}
	}
	return res, nil
}

// some is how many rows of list are read at once.
func (s *sorted) some(list []winner) int {
	n, weight := 0, int64(0)
	for n < len(list) && n < sortedRows && (n == 0 || weight < sortedBytes) {
		w := &list[n]
		weight += w.at.file.RowGroupBytes(w.at.group) / max(w.at.file.RowGroupRows(w.at.group), 1)
		n++
	}
	return n
}

// read is the projected columns of rows, in their order.
func (s *sorted) read(ctx context.Context, rows []winner) (arrow.RecordBatch, error) {
	// By source, in the rows' order there.
	type place struct{ from, at int } // batch, row in it
	order := make([]int, len(rows))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := &rows[a], &rows[b]
		return cmp.Or(cmp.Compare(x.at.rank, y.at.rank), cmp.Compare(x.at.group, y.at.group), cmp.Compare(x.row, y.row))
	})
	places := make([]place, len(rows))
	var batches []arrow.RecordBatch
	defer func() {
		for _, b := range batches {
			b.Release()
		}
	}()
	for i := 0; i < len(order); {
		at := rows[order[i]].at
		var ranges []parquetio.RowRange
		n := 0
		for ; i < len(order) && rows[order[i]].at == at; i++ {
			row := rows[order[i]].row
			if k := len(ranges); k > 0 && ranges[k-1].End == row {
				ranges[k-1].End++
			} else {
				ranges = append(ranges, parquetio.RowRange{Start: row, End: row + 1})
			}
			places[order[i]] = place{len(batches), n}
			n++
		}
		b, err := s.readSource(ctx, at, ranges, int64(n))
		if err != nil {
			return nil, err
		}
		batches = append(batches, b)
		defer s.q.memory.done(size(b))
	}
	sheet := newSheet(s.q.project)
	defer sheet.release()
	sides := make([]map[int][][2]string, len(batches))
	for i, b := range batches {
		side, err := sideOf(b, s.q.project)
		if err != nil {
			return nil, err
		}
		sides[i] = map[int][][2]string{}
		for c, list := range side {
			for _, e := range list {
				sides[i][e.row] = append(sides[i][e.row], [2]string{s.q.project[c].Name, e.text})
			}
		}
	}
	for _, p := range places {
		for c := range s.q.project {
			if err := sheet.copy(c, batches[p.from].Column(c), p.at); err != nil {
				return nil, err
			}
		}
		for _, e := range sides[p.from][p.at] {
			sheet.note(e[0], e[1])
		}
		sheet.endRow()
	}
	return sheet.batch(), nil
}

// readSource reads rows of one row group. Its size is reserved until the caller gives it back.
func (s *sorted) readSource(ctx context.Context, at *source, ranges []parquetio.RowRange, rows int64) (arrow.RecordBatch, error) {
	withExact := mayHaveExact(at.file, at.group, s.q.project)
	reserved, err := s.scan.reserve(ctx, at.unit, at.file, at.group, s.q.project, withExact, rows)
	if err != nil {
		return nil, err
	}
	defer s.q.memory.done(reserved)
	b, err := at.file.Read(ctx, at.group, s.q.project, withExact, ranges)
	if err != nil {
		return nil, unreadable(at.pf.Location, err)
	}
	if b.NumRows() != rows || int(b.NumCols()) < len(s.q.project) {
		b.Release()
		return nil, unreadable(at.pf.Location, errRows(b.NumRows(), rows))
	}
	if b, err = s.q.renameBatch(b, s.q.project, at.part.renamed); err != nil {
		return nil, err
	}
	s.q.memory.more(size(b))
	return b, nil
}

// ordered gathers the page of a sorted result.
func (q *query) ordered(ctx context.Context) (*Result, error) {
	w, err := q.winners(ctx)
	if err != nil {
		return nil, err
	}
	return q.gathered(func(each func(arrow.RecordBatch) error) (*Result, error) {
		return w.emit(ctx, func([]coltype.Column) error { return nil }, each)
	})
}
