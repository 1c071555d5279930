package query

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

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
			if !race.hopeless(race.bounds(u)) {
				return false
			}
			race.skipped.Add(rowsIn(u))
			return true
		}
		if !exact {
			s.useless = func(u unit) bool { return race.hopeless(race.bounds(u)) }
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

// take looks at the keys of a batch.
func (r *race) take(ctx context.Context, u unit, rg int, ranges []parquetio.RowRange, b arrow.RecordBatch) error {
	defer b.Release()
	row := rowsOf(ranges)
	for from := int64(0); from < b.NumRows(); from += takeRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		some := b.NewSlice(from, min(from+takeRows, b.NumRows()))
		err := r.add(u, rg, some, row)
		some.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// rowsOf gives the rows of ranges one after the other.
func rowsOf(ranges []parquetio.RowRange) func() int64 {
	at := int64(-1)
	return func() int64 {
		if at < 0 {
			at = ranges[0].Start
		}
		if at == ranges[0].End {
			ranges = ranges[1:]
			at = ranges[0].Start
		}
		at++
		return at - 1
	}
}

// add offers the rows of a batch, whose numbers row gives.
func (r *race) add(u unit, rg int, b arrow.RecordBatch, row func() int64) error {
	side, err := sideOf(b, r.cols)
	if err != nil {
		return unreadable(u.pf.Location, err)
	}
	worst := r.worst()
	rows := r.contenders(b, side, worst)
	keys, err := r.keysOf(b, side, rows)
	if err != nil {
		return unreadable(u.pf.Location, err)
	}
	r.mu.Lock()
	at := r.source(u, rg)
	r.mu.Unlock()
	// Most rows lose against the worst that is kept, which needs no lock.
	var list []winner
	next := 0
	for k, i := range rows {
		for ; next < i; next++ {
			row()
		}
		next++
		w := winner{key: keys.key(k), at: at, row: row()}
		if worst == nil || bytes.Compare(w.key, worst) <= 0 {
			list = append(list, w)
		}
	}
	for ; next < int(b.NumRows()); next++ {
		row()
	}
	if len(list) == 0 {
		return nil
	}
	if int64(len(list)) > r.most {
		list = firstOf(list, int(r.most))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var grown int64
	for _, w := range list {
		grown += r.offer(w)
	}
	return r.q.memory.hold(grown, "what is sorted is")
}

// worst is the key of the worst row that is kept, nil as long as all are.
func (r *race) worst() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.full {
		return nil
	}
	return bytes.Clone(r.rows[0].key)
}

func (r *race) source(u unit, rg int) *source {
	k := [2]int{u.seq, rg}
	if r.sources[k] == nil {
		r.sources[k] = &source{unit: u, group: rg, rank: r.rank[u.pf.Location]}
	}
	return r.sources[k]
}

// offer keeps w when it is among the first, with a key of its own, and returns by how much the memory grows.
func (r *race) offer(w winner) int64 {
	if int64(len(r.rows)) < r.most {
		w.key = bytes.Clone(w.key)
		r.rows = append(r.rows, w)
		if int64(len(r.rows)) == r.most {
			heap.Init(&r.rows)
			r.full = true
		}
		return int64(len(w.key)) + winnerBytes
	}
	worst := &r.rows[0]
	if !w.before(worst) {
		return 0
	}
	grown := int64(len(w.key) - len(worst.key))
	worst.key = append(worst.key[:0], w.key...)
	worst.at, worst.row = w.at, w.row
	heap.Fix(&r.rows, 0)
	return grown
}

// firstOf moves the first n of list to its front, in no order, and returns them: Hoare's selection.
func firstOf(list []winner, n int) []winner {
	for lo, hi := 0, len(list)-1; lo < hi; {
		pivot := list[lo+(hi-lo)/2]
		i, j := lo, hi
		for i <= j {
			for list[i].before(&pivot) {
				i++
			}
			for pivot.before(&list[j]) {
				j--
			}
			if i <= j {
				list[i], list[j] = list[j], list[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case n-1 <= j:
			hi = j
		case n-1 >= i:
			lo = i
		default:
			return list[:n]
		}
	}
	return list[:n]
}

// sortKeys are the keys of a batch's rows, one after the other.
type sortKeys struct {
	data []byte
	ends []int
}

func (k *sortKeys) key(i int) []byte {
	from := 0
	if i > 0 {
		from = k.ends[i-1]
	}
	return k.data[from:k.ends[i]:k.ends[i]]
}

// keysOf makes the keys of some rows of b.
func (r *race) keysOf(b arrow.RecordBatch, side [][]sideText, rows []int) (*sortKeys, error) {
	out := &sortKeys{data: make([]byte, 0, len(rows)*9*len(r.keys)), ends: make([]int, len(rows))}
	readers := make([]func(dst []byte, i int) ([]byte, error), len(r.keys))
	for c, k := range r.keys {
		readers[c] = k.reader(r.cols[c].Type, b.Column(c))
	}
	for at, i := range rows {
		var err error
		for c, k := range r.keys {
			for len(side[c]) > 0 && side[c][0].row < i {
				side[c] = side[c][1:]
			}
			if len(side[c]) > 0 && side[c][0].row == i {
				var v cell
				if v, err = exactCell(r.cols[c].Type, side[c][0].text); err != nil {
					return nil, err
				}
				side[c] = side[c][1:]
				out.data, err = k.append(out.data, r.cols[c].Type, v)
			} else {
				out.data, err = readers[c](out.data, i)
			}
			if err != nil {
				return nil, err
			}
		}
		out.ends[at] = len(out.data)
	}
	return out, nil
}

// contenders are the rows of b that the first sort key leaves in the race. Texts are compared as they stand with that of the worst
// key, which spares making most keys.
func (r *race) contenders(b arrow.RecordBatch, side [][]sideText, worst []byte) []int {
	rows := make([]int, 0, b.NumRows())
	k := r.keys[0]
	at, quick := plainBytes(k.form, b.Column(0))
	var text string
	if quick && len(side[0]) == 0 {
		text, quick = k.textOf(worst)
	}
	for i := range int(b.NumRows()) {
		if quick {
			if b.Column(0).IsNull(i) {
				if !k.nullsFirst {
					continue
				}
			} else if s := at(i); s != text && (s > text) != k.desc {
				continue
			}
		}
		rows = append(rows, i)
	}
	return rows
}

// textOf is the text that a key begins with; ok is false where it is NULL, or has zero bytes.
func (k sortKey) textOf(key []byte) (text string, ok bool) {
	if len(key) == 0 || key[0] != 1 {
		return "", false
	}
	b := bytes.Clone(key[1:])
	if k.desc {
		invert(b)
	}
	end := bytes.IndexByte(b, 0)
	if end < 0 || end+1 >= len(b) || b[end+1] != 0 {
		return "", false
	}
	return string(b[:end]), true
}

// reader appends the keys of arr's rows.
func (k sortKey) reader(t coltype.Type, arr arrow.Array) func(dst []byte, i int) ([]byte, error) {
	if k.form == wholeForm {
		if at, err := wholeAt(arr); err == nil {
			return func(dst []byte, i int) ([]byte, error) {
				if arr.IsNull(i) {
					return append(dst, k.nullByte()), nil
				}
				v := at(i)
				if k.desc {
					v = ^v
				}
				return appendWhole(append(dst, 1), v), nil
			}
		}
	}
	if at, quick := plainBytes(k.form, arr); quick {
		return func(dst []byte, i int) ([]byte, error) {
			if arr.IsNull(i) {
				return append(dst, k.nullByte()), nil
			}
			from := len(dst) + 1
			dst = appendBytes(append(dst, 1), at(i))
			if k.desc {
				invert(dst[from:])
			}
			return dst, nil
		}
	}
	if a, ok := arr.(*array.Decimal128); ok && k.form == decimalForm && int(a.DataType().(*arrow.Decimal128Type).Scale) == t.Scale {
		return func(dst []byte, i int) ([]byte, error) {
			if arr.IsNull(i) {
				return append(dst, k.nullByte()), nil
			}
			from := len(dst) + 1
			dst = appendNum(append(dst, 1), a.Value(i))
			if k.desc {
				invert(dst[from:])
			}
			return dst, nil
		}
	}
	return func(dst []byte, i int) ([]byte, error) {
		if isNull(arr, i) {
			return append(dst, k.nullByte()), nil
		}
		if k.form == listForm {
			from := len(dst) + 1
			dst, err := appendListKey(append(dst, 1), t, arr, i)
			if err == nil && k.desc {
				invert(dst[from:])
			}
			return dst, err
		}
		c, err := cellAt(t, arr, i)
		if err != nil {
			return nil, err
		}
		return k.append(dst, t, c)
	}
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
