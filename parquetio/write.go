package parquetio

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"golang.org/x/sync/errgroup"

	"frostline/coltype"
)

const (
	// pageBytes cuts pages of wide values: a reader that wants one row decodes a page of each column.
	pageBytes = 2 << 20
	// rowGroupBytes cuts row groups of wide values: a row group is held in memory until it is whole.
	rowGroupBytes = 16 << 20
	// bufferBytes cuts pages of tables of very many columns.
	bufferBytes = 32 << 20
)

var errClosed = errors.New("write Parquet: the writer is closed")

// Writer writes one file.
type Writer struct {
	out    *hashWriter
	o      WriteOptions
	schema coltype.Schema
	arrow  *arrow.Schema
	meta   fileMeta
	leaves []*leafWriter

	rows      int64 // in the file, up to the last page cut
	pageRows  int   // in the page being filled
	groupRows int   // in the finished pages of the row group
	exact     int64 // rows with a side column
	offsets   [][]groupIndex
	splits    []int64
	err       error
}

// groupIndex is the page index of one written column chunk.
type groupIndex struct {
	locs  []pageLocation
	pages []leafBounds
}

// hashWriter counts and hashes what goes out.
type hashWriter struct {
	w   io.Writer
	h   hash.Hash
	off int64
}

func (w *hashWriter) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	w.h.Write(b[:n])
	w.off += int64(n)
	return n, err
}

// NewWriter writes a file of the columns of s to w.
func NewWriter(w io.Writer, s coltype.Schema, o WriteOptions) (*Writer, error) {
	if o.RowGroupRows <= 0 {
		o.RowGroupRows = 122880
	}
	if o.PageRows <= 0 {
		o.PageRows = 20480
	}
	o.PageRows = min(o.PageRows, o.RowGroupRows)
	if o.keepZipped == 0 {
		o.keepZipped = keepZipped
	}
	out := &Writer{out: &hashWriter{w: w, h: sha256.New()}, o: o, schema: s, arrow: s.Arrow()}
	elems, leaves, err := writeSchema(s, out.arrow)
	if err != nil {
		return nil, err
	}
	blooms, err := bloomColumns(s, o.Bloom)
	if err != nil {
		return nil, err
	}
	out.meta = fileMeta{schema: elems, createdBy: "frostline"}
	for _, l := range leaves {
		lw := &leafWriter{leaf: l, o: &out.o}
		if blooms[l.column] {
			lw.bloom = new(hashSet)
		}
		lw.vals.reset()
		out.leaves = append(out.leaves, lw)
	}
	_, out.err = out.out.Write([]byte("PAR1"))
	return out, out.err
}

// Write adds the rows of b, whose schema is s.Arrow(). It does not keep b.
func (w *Writer) Write(b arrow.RecordBatch) error {
	if w.err != nil {
		return w.err
	}
	if int(b.NumCols()) != w.arrow.NumFields() {
		return fmt.Errorf("write Parquet: batch has %d columns, the file %d", b.NumCols(), w.arrow.NumFields())
	}
	side := b.Column(int(b.NumCols()) - 1)
	w.exact += int64(side.Len() - side.NullN())
	for from, rows := 0, int(b.NumRows()); from < rows; {
		n, alone := w.fits(b, from, rows)
		if w.pageRows > 0 && w.buffered() > bufferBytes {
			n, alone = 0, false
		}
		to, cut := from+n, alone
		if n == 0 || w.pageRows+n == w.o.PageRows || w.groupRows+w.pageRows+n == w.o.RowGroupRows {
			cut = true
		}
		if err := w.add(b, from, to, cut, alone); err != nil {
			w.err = fmt.Errorf("write Parquet: %w", err)
			return w.err
		}
		from = to
	}
	return nil
}

// fits is how many rows of b from row from on go into the current page. It is 0 only when the page
// has rows already. A row longer than a page is alone in its own, which ends at once: nothing waits for more.
func (w *Writer) fits(b arrow.RecordBatch, from, end int) (rows int, alone bool) {
	n := min(end-from, w.o.PageRows-w.pageRows, w.o.RowGroupRows-w.groupRows-w.pageRows)
	for _, l := range w.leaves {
		size := widthUpTo(b.Column(l.column), l, from)
		if size == nil {
			continue
		}
		room := pageBytes - l.vals.bytes()
		if size(n) > room {
			n = sort.Search(n, func(k int) bool { return size(k+1) > room })
		}
	}
	if n == 0 && w.pageRows == 0 {
		return 1, true
	}
	return n, false
}

// buffered is the size of the pages being filled.
func (w *Writer) buffered() (n int) {
	for _, l := range w.leaves {
		n += l.vals.bytes()
	}
	return n
}

// widthUpTo gives the bytes of the first k rows from row from on; nil for columns of fixed width.
func widthUpTo(arr arrow.Array, l *leafWriter, from int) func(k int) int {
	var child arrow.Array
	var offs []int32
	switch a := arr.(type) {
	case *array.List:
		child, offs = a.ListValues(), a.Offsets()[a.Data().Offset():]
	case *array.Map:
		child, offs = a.Keys(), a.Offsets()[a.Data().Offset():]
		if l.value {
			child = a.Items()
		}
	default:
		data := stringOffsets(arr)
		if data == nil {
			return nil
		}
		return func(k int) int { return int(data[from+k] - data[from]) }
	}
	if arr.Len() == 0 || arr.NullN() == arr.Len() {
		return nil
	}
	data := stringOffsets(child)
	return func(k int) int {
		a, b := offs[from], offs[from+k]
		size := 8 * int(b-a)
		if data != nil {
			size += int(data[b] - data[a])
		}
		return size
	}
}

func stringOffsets(arr arrow.Array) []int32 {
	switch a := arr.(type) {
	case *array.String:
		return a.ValueOffsets()
	case *array.Binary:
		return a.ValueOffsets()
	}
	return nil
}

// add puts rows [from, to) of b into the page, and ends it when cut is set. A row that is alone may have a huge value, which is
// written at once.
func (w *Writer) add(b arrow.RecordBatch, from, to int, cut, alone bool) error {
	err := w.each(func(l *leafWriter) error {
		if alone && l.vals.lend(&l.leaf, b.Column(l.column), from) {
			return l.flushPage()
		}
		if err := l.vals.appendRows(&l.leaf, b.Column(l.column), from, to); err != nil {
			return err
		}
		if cut {
			return l.flushPage()
		}
		return nil
	}, cut)
	if err != nil {
		return err
	}
	w.pageRows += to - from
	if !cut {
		return nil
	}
	return w.afterCut()
}

// each runs f for all leaves, at once when it is worth it.
func (w *Writer) each(f func(*leafWriter) error, parallel bool) error {
	if !parallel || runtime.GOMAXPROCS(0) == 1 {
		for _, l := range w.leaves {
			if err := f(l); err != nil {
				return err
			}
		}
		return nil
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, l := range w.leaves {
		g.Go(func() error { return f(l) })
	}
	return g.Wait()
}

func (w *Writer) afterCut() error {
	w.groupRows += w.pageRows
	w.rows += int64(w.pageRows)
	w.pageRows = 0
	size := 0
	for _, l := range w.leaves {
		size += l.size
		if n := len(l.pages); l.pages[n-1].tail != nil { // it must go before its batch
			size = rowGroupBytes
		}
	}
	if w.groupRows >= w.o.RowGroupRows || size >= rowGroupBytes {
		return w.flushGroup()
	}
	return nil
}

// flushGroup writes the finished pages as one row group.
func (w *Writer) flushGroup() error {
	if w.groupRows == 0 {
		return nil
	}
	g := rowGroup{rows: int64(w.groupRows), fileOffset: w.out.off}
	w.splits = append(w.splits, w.out.off)
	var index []groupIndex
	for _, l := range w.leaves {
		c, x, err := w.writeChunk(l)
		if err != nil {
			return err
		}
		g.columns = append(g.columns, c)
		g.bytes += c.uncompressed
		g.compressed += c.compressed
		index = append(index, x)
	}
	if err := w.writeBlooms(&g); err != nil {
		return err
	}
	w.meta.groups = append(w.meta.groups, g)
	w.offsets = append(w.offsets, index)
	w.groupRows = 0
	return nil
}

func (w *Writer) writeChunk(l *leafWriter) (columnChunk, groupIndex, error) {
	c := columnChunk{typ: l.elem.typ, path: l.path, codec: l.codec, values: l.levels, stats: l.bounds.statistics(&l.leaf)}
	c.encodings = append(c.encodings, encRLE) // of the levels
	start := w.out.off
	if page, raw := l.dictBytes(); page != nil {
		c.dictOffset = start
		c.uncompressed += int64(raw)
		c.encodings = append(c.encodings, encPlain)
		if _, err := w.out.Write(page); err != nil {
			return c, groupIndex{}, err
		}
	}
	for _, e := range l.encodings {
		if e != encPlain || c.dictOffset == 0 {
			c.encodings = append(c.encodings, e)
		}
	}
	c.dataOffset = w.out.off
	var x groupIndex
	row := int64(0)
	for _, p := range l.pages {
		x.locs = append(x.locs, pageLocation{offset: w.out.off, size: int32(p.size()), first: row})
		x.pages = append(x.pages, p.bounds)
		row += int64(p.rows)
		c.uncompressed += int64(p.raw)
		for _, b := range [][]byte{p.bytes, p.long} {
			if _, err := w.out.Write(b); err != nil {
				return c, x, err
			}
		}
		if p.tail != nil {
			if err := p.tail(w.out); err != nil {
				return c, x, err
			}
		}
	}
	c.compressed = w.out.off - start
	l.totalBytes += c.compressed
	l.endChunk()
	return c, x, nil
}

// Bytes is what the file would hold if closed now, nearly: written plus the pages that are encoded
// plus half of what waits for its page to fill.
func (w *Writer) Bytes() int64 {
	n := w.out.off
	for _, l := range w.leaves {
		n += int64(l.size + l.vals.bytes()/2)
	}
	return n
}

// Close writes the footer and describes the file.
func (w *Writer) Close() (Info, error) {
	if w.err != nil {
		return Info{}, w.err
	}
	info, err := w.finish()
	if err != nil {
		w.err = fmt.Errorf("write Parquet: close: %w", err)
		return Info{}, w.err
	}
	w.Abort()
	return info, nil
}

func (w *Writer) finish() (Info, error) {
	if w.pageRows > 0 {
		if err := w.each((*leafWriter).flushPage, true); err != nil {
			return Info{}, err
		}
		if err := w.afterCut(); err != nil {
			return Info{}, err
		}
	}
	if err := w.flushGroup(); err != nil {
		return Info{}, err
	}
	if err := w.writeIndexes(); err != nil {
		return Info{}, err
	}
	w.meta.rows = w.rows
	var tw thriftWriter
	w.meta.write(&tw)
	n := len(tw.b)
	tail := append(tw.b, byte(n), byte(n>>8), byte(n>>16), byte(n>>24), 'P', 'A', 'R', '1')
	if _, err := w.out.Write(tail); err != nil {
		return Info{}, err
	}
	return w.info(), nil
}

// Abort gives back what the writer holds; the output is not a Parquet file. After Close it does
// nothing.
func (w *Writer) Abort() {
	if w.err == nil {
		w.err = errClosed
	}
	w.leaves, w.offsets = nil, nil
}
