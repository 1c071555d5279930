package parquetio

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"math"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/klauspost/compress/zstd"

	"frostline/coltype"
	"frostline/objstore"
)

// hugePiece of a huge page are fetched at once; less in tests.
var hugePiece int64 = 8 << 20

// headProbe is read of a page to see its header; ours have some 40 bytes.
const headProbe = 1 << 10

// hugePage is the page of one huge value.
type hugePage struct {
	row    int64 // of the row group
	column int   // of those asked
	leaf   fileLeaf
	codec  int32
	header pageHeader
	body   objstore.Range
}

// ScanHuge is [File.Scan] with values of hugeValue (16 MiB) and more in memory once: such a value is fetched, checked and decompressed
// in pieces, and its row is a batch of its own. turn, not nil, is held while that batch is made and used: those who share it hold one
// such value. A row group without huge values is scanned as Scan does.
func (f *File) ScanHuge(ctx context.Context, rg int, s coltype.Schema, rows int, turn sync.Locker) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		huge, ends, err := f.hugePages(ctx, rg, s)
		if err == nil && len(huge) == 0 {
			for b, err := range f.Scan(ctx, rg, s, rows) {
				if !yield(b, err) {
					return
				}
			}
			return
		}
		total := f.meta.groups[rg].rows
		for row := int64(0); err == nil && row < total; {
			if err = ctx.Err(); err != nil {
				break
			}
			if len(huge) > 0 && huge[0].row == row {
				n := 1
				for n < len(huge) && huge[n].row == row {
					n++
				}
				var more bool
				if more, err = f.hugeRow(ctx, rg, s, huge[:n], turn, yield); err == nil && !more {
					return
				}
				huge = huge[n:]
				row++
				continue
			}
			end := min(row+int64(max(rows, 1)), total)
			if len(huge) > 0 {
				end = min(end, huge[0].row)
			}
			for len(ends) > 0 && ends[0] <= row {
				ends = ends[1:]
			}
			if len(ends) > 0 {
				end = min(end, ends[0])
			}
			var b arrow.RecordBatch
			if b, err = f.Read(ctx, rg, s.Columns, true, []RowRange{{row, end}}); err == nil {
				more := yield(b, nil)
				b.Release()
				if !more {
					return
				}
			}
			row = end
		}
		if err != nil {
			yield(nil, fmt.Errorf("scan Parquet: row group %d: %w", rg, err))
		}
	}
}

// hugePages finds the pages of one huge value, by row, where a row group may have some, and then also the rows at which pages of text
// end. Our writer ends a row group with such a page; others have it anywhere, and it is found there when it does not compress.
func (f *File) hugePages(ctx context.Context, rg int, s coltype.Schema) (huge []hugePage, ends []int64, err error) {
	defer recovered(&err, "scan")
	g := &f.meta.groups[rg]
	var wide []int
	for i, c := range s.Columns {
		col := f.schema.find(c)
		if col == nil || col.shape != shapeFlat || c.Type.Kind != coltype.String && c.Type.Kind != coltype.Binary {
			continue
		}
		l := col.leaves[0]
		if chunk := &g.columns[l.ordinal]; l.elem.typ == physByteArray && l.maxDef <= 1 && chunk.uncompressed >= int64(hugeValue) && fits(c.Type, l.elem) == nil {
			wide = append(wide, i)
		}
	}
	if len(wide) == 0 {
		return nil, nil, nil
	}
	index, err := f.pageIndex(ctx, rg)
	if err != nil {
		return nil, nil, err
	}
	for _, i := range wide {
		l := f.schema.find(s.Columns[i]).leaves[0]
		locs := index[l.ordinal].locs
		for k, loc := range locs {
			first, rows := pageRows(locs, k, g.rows)
			ends = append(ends, first+rows)
			if rows != 1 || k < len(locs)-1 && int(loc.size) < hugeValue {
				continue
			}
			p := hugePage{row: first, column: i, leaf: l, codec: g.columns[l.ordinal].codec}
			ok, err := f.probe(ctx, loc, &p)
			if err != nil {
				return nil, nil, err
			}
			if ok {
				huge = append(huge, p)
			}
		}
	}
	slices.SortStableFunc(huge, func(a, b hugePage) int { return int(a.row - b.row) })
	slices.Sort(ends)
	return huge, ends, nil
}

// probe reads the header of a page, and tells whether it is a huge one of a form that can be read in pieces. A page that is not
// valid is left to Read to refuse.
func (f *File) probe(ctx context.Context, loc pageLocation, p *hugePage) (bool, error) {
	got, err := f.read(ctx, []objstore.Range{{Off: loc.offset, Len: int64(min(loc.size, headProbe))}})
	if err != nil {
		return false, err
	}
	h, n, err := readPageHeader(got[0])
	if huge := err == nil && h.values == 1 && int(h.uncompressed) >= hugeValue && int64(h.compressed) <= int64(loc.size)-int64(n); !huge {
		return false, nil
	}
	if h.encoding != encPlain && h.encoding != encDeltaLength || p.codec != codecZstd && p.codec != codecNone {
		return false, nil
	}
	if h.typ == pageDataV2 && (h.nulls != 0 || h.repLen != 0 || h.defLen > headProbe || int64(h.defLen) > int64(h.compressed)) ||
		h.typ == pageData && p.leaf.maxDef > 0 && h.defEncoding != encRLE || h.typ != pageDataV2 && h.typ != pageData {
		return false, nil
	}
	p.header, p.body = h, objstore.Range{Off: loc.offset + int64(n), Len: int64(h.compressed)}
	return true, nil
}

// hugeRow yields one row that has huge values.
func (f *File) hugeRow(ctx context.Context, rg int, s coltype.Schema, huge []hugePage, turn sync.Locker, yield func(arrow.RecordBatch, error) bool) (more bool, err error) {
	if turn != nil {
		turn.Lock()
		defer turn.Unlock()
	}
	var others []coltype.Column
	for i, c := range s.Columns {
		if !slices.ContainsFunc(huge, func(p hugePage) bool { return p.column == i }) {
			others = append(others, c)
		}
	}
	row := huge[0].row
	rest, err := f.Read(ctx, rg, others, true, []RowRange{{row, row + 1}})
	if err != nil {
		return false, err
	}
	defer rest.Release()
	schema := s.Arrow()
	arrays := make([]arrow.Array, schema.NumFields())
	next := 0
	for i := range arrays {
		if len(huge) > 0 && huge[0].column == i {
			if arrays[i], err = f.hugeArray(ctx, schema.Field(i).Type, &huge[0]); err != nil {
				return false, fmt.Errorf("column %q: %w", s.Columns[i].Name, err)
			}
			huge = huge[1:]
			continue
		}
		arrays[i] = rest.Column(next)
		next++
	}
	b := array.NewRecordBatch(schema, arrays, 1)
	defer b.Release()
	return yield(b, nil), nil
}

// hugeArray is the one row of a huge page, in memory of its size. It is no part of the pools, and garbage once its batch is not used.
func (f *File) hugeArray(ctx context.Context, dt arrow.DataType, p *hugePage) (_ arrow.Array, err error) {
	defer recovered(&err, "scan")
	value, valid, err := f.hugeValue(ctx, p)
	if err != nil {
		return nil, err
	}
	offs := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes([]int32{0, int32(len(value))}))
	var bitmap *memory.Buffer
	nulls := 0
	if !valid {
		bitmap, nulls = memory.NewBufferBytes([]byte{0}), 1
	}
	return array.MakeFromData(array.NewData(dt, 1, []*memory.Buffer{bitmap, offs, memory.NewBufferBytes(value)}, nil, nulls, 0)), nil
}

// hugeValue reads the value of a page; false for NULL.
func (f *File) hugeValue(ctx context.Context, p *hugePage) (value []byte, valid bool, err error) {
	h := &p.header
	size := int(h.uncompressed)
	if size > maxPageBytes || size/maxRatio > int(h.compressed)+4 {
		return nil, false, corruptf("page of %d bytes in %d", size, h.compressed)
	}
	f.stats.Pages.Add(1)
	body := &pageBody{ctx: ctx, f: f, left: p.body}
	var levels []byte
	if h.typ == pageDataV2 {
		levels = make([]byte, h.defLen, int(h.defLen)+padding)
		if _, err := io.ReadFull(body, levels); err != nil {
			return nil, false, shortPage(err)
		}
		size -= len(levels)
	}
	var plain io.Reader = body
	if p.codec == codecZstd && (h.typ == pageData || h.isCompressed) {
		z, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxPageBytes))
		if err != nil {
			return nil, false, err
		}
		defer z.Close()
		plain = z
	}
	r := &hugeReader{r: bufio.NewReader(plain), left: size}
	if h.typ == pageData && p.leaf.maxDef > 0 {
		n := int(r.uint32())
		if n > headProbe {
			return nil, false, corruptf("levels of %d bytes for one value", n)
		}
		levels = make([]byte, n, n+padding)
		r.full(levels)
	}
	value, valid = r.value(h.encoding, p.leaf.maxDef, levels)
	switch {
	case r.err != nil:
		return nil, false, shortPage(r.err)
	case r.left > 0:
		return nil, false, corruptf("%d bytes follow the value of a page", r.left)
	}
	if n, err := io.Copy(io.Discard, r.r); err != nil || n > 0 {
		if err == nil {
			err = corruptf("page of %d bytes expands to %d more", h.uncompressed, n)
		}
		return nil, false, shortPage(err)
	}
	if body.left.Len > 0 {
		return nil, false, corruptf("%d bytes follow the end of a page", body.left.Len)
	}
	if h.hasCRC && int32(body.sum) != h.crc {
		return nil, false, corruptf("page checksum does not match")
	}
	return value, valid, nil
}

// shortPage makes an error of what a page holds ErrCorrupt; one of the store stays what it is.
func shortPage(err error) error {
	var stored *storeError
	switch {
	case errors.As(err, &stored):
		return stored.err
	case errors.Is(err, ErrCorrupt):
		return err
	}
	return corruptf("page does not decompress: %v", err)
}

// hugeReader reads the content of a page of left bytes. Its error stays.
type hugeReader struct {
	r    *bufio.Reader
	left int
	err  error
}

func (r *hugeReader) full(b []byte) {
	if r.err == nil && len(b) > r.left {
		r.err = corruptf("page of one value ends too early")
	}
	if r.err == nil {
		_, r.err = io.ReadFull(r.r, b)
		r.left -= len(b)
	}
}

func (r *hugeReader) uint32() uint32 {
	var b [4]byte
	r.full(b[:])
	return binary.LittleEndian.Uint32(b[:])
}

// ReadByte serves binary.ReadUvarint.
func (r *hugeReader) ReadByte() (byte, error) {
	var b [1]byte
	r.full(b[:])
	return b[0], r.err
}

func (r *hugeReader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, err := binary.ReadUvarint(r)
	if r.err == nil {
		r.err = err
	}
	return v
}

// value reads the one value behind the levels.
func (r *hugeReader) value(encoding int32, maxDef int, levels []byte) (value []byte, valid bool) {
	if r.err == nil && maxDef > 0 {
		var level [1 + padding]byte
		if r.err = decodeLevels(level[:1], levels, maxDef); r.err == nil && level[0] == 0 {
			return nil, false
		}
	}
	var size int
	if encoding == encPlain {
		size = int(r.uint32())
	} else { // DELTA_BINARY_PACKED of one length: block size, miniblocks, count, and the value itself (Encodings.md)
		r.uvarint()
		r.uvarint()
		if n := r.uvarint(); r.err == nil && n != 1 {
			r.err = corruptf("page of one value has %d lengths", n)
		}
		v := r.uvarint()
		size = int(int64(v>>1) ^ -int64(v&1))
	}
	if r.err == nil && (size < 0 || size > r.left || size > math.MaxInt32) {
		r.err = corruptf("byte array of %d bytes in %d", size, r.left)
	}
	if r.err != nil {
		return nil, false
	}
	value = make([]byte, size)
	r.full(value)
	return value, true
}

// storeError is an error of the store, not of the page.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// pageBody reads a page's body in pieces and sums it.
type pageBody struct {
	ctx   context.Context
	f     *File
	left  objstore.Range // not fetched yet
	piece []byte         // fetched, not read yet
	room  []byte
	sum   uint32
}

func (b *pageBody) Read(p []byte) (int, error) {
	if len(b.piece) == 0 {
		if b.left.Len == 0 {
			return 0, io.EOF
		}
		if err := b.fetch(); err != nil {
			return 0, &storeError{err}
		}
	}
	n := copy(p, b.piece)
	b.sum = crc32.Update(b.sum, crc32.IEEETable, p[:n])
	b.piece = b.piece[n:]
	return n, nil
}

// fetch reads the next piece, into the memory of the one before where the source can.
func (b *pageBody) fetch() error {
	n := min(b.left.Len, hugePiece)
	ask := []objstore.Range{{Off: b.left.Off, Len: n}}
	b.f.stats.Bytes.Add(n)
	b.f.stats.Requests.Add(1)
	if into, ok := b.f.src.(intoReader); ok {
		if b.room == nil {
			b.room = make([]byte, n)
		}
		b.piece = b.room[:n]
		if err := into.ReadInto(b.ctx, ask, [][]byte{b.piece}); err != nil {
			return err
		}
	} else {
		got, err := b.f.src.ReadRanges(b.ctx, ask)
		if err != nil {
			return err
		}
		if len(got) != 1 || int64(len(got[0])) != n {
			return corruptf("range %d+%d came back short", b.left.Off, n)
		}
		b.piece = got[0]
	}
	b.left.Off += n
	b.left.Len -= n
	return nil
}
