package query

import (
	"bytes"
	"container/heap"
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
	"frostline/parquetio"
)

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
	if quick = quick && len(side[0]) == 0; quick {
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
		if arr.IsNull(i) {
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
