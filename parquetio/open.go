package parquetio

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"frostline/objstore"
)

// tailBytes is what Open reads first: most footers, and the page indexes of small files, are in it.
const tailBytes = 64 << 10

// File is an open Parquet file: its footer is decoded, page indexes are read when first asked for.
type File struct {
	*fileData
	src   Source
	stats *Stats
}

// fileData is what all views of a file share.
type fileData struct {
	size    int64
	meta    fileMeta
	schema  *fileSchema
	tail    []byte // the last bytes of the file
	indexes []groupPages
}

// groupPages are the decoded page indexes of a row group.
type groupPages struct {
	mu     sync.Mutex
	loaded bool
	chunks []chunkPages
}

// chunkPages is the page index of one chunk; locs is nil when the file has none.
type chunkPages struct {
	locs  []pageLocation
	index *columnIndex
}

// Open reads the footer.
func Open(ctx context.Context, src Source, o ReadOptions) (f *File, err error) {
	defer recovered(&err, "open")
	f = &File{fileData: &fileData{size: src.Size()}, src: src, stats: o.Stats}
	if f.stats == nil {
		f.stats = &Stats{}
	}
	if f.size < 12 {
		return nil, fmt.Errorf("open Parquet: %w", corruptf("%d bytes are too few", f.size))
	}
	if err := f.readFooter(ctx); err != nil {
		return nil, fmt.Errorf("open Parquet: %w", err)
	}
	return f, nil
}

func (f *File) readFooter(ctx context.Context) error {
	n := min(f.size, tailBytes)
	got, err := f.read(ctx, []objstore.Range{{Off: f.size - n, Len: n}})
	if err != nil {
		return err
	}
	tail := got[0]
	if magic := string(tail[n-4:]); magic == "PARE" {
		return corruptf("encrypted footer")
	} else if magic != "PAR1" {
		return corruptf("does not end in PAR1")
	}
	length := int64(binary.LittleEndian.Uint32(tail[n-8:]))
	if length > f.size-12 {
		return corruptf("footer of %d bytes in a file of %d", length, f.size)
	}
	footer := tail[:n-8]
	if length > n-8 {
		if got, err = f.read(ctx, []objstore.Range{{Off: f.size - 8 - length, Len: length}}); err != nil {
			return err
		}
		footer = got[0]
	}
	footer = footer[int64(len(footer))-length:]
	r := thriftReader{b: footer}
	f.meta.read(&r)
	if r.err != nil {
		return r.err
	}
	f.tail = tail
	if f.schema, err = readSchema(f.meta.schema); err != nil {
		return err
	}
	f.indexes = make([]groupPages, len(f.meta.groups))
	return f.check()
}

// check refuses offsets outside the file and counts that contradict each other.
func (f *File) check() error {
	rows := int64(0)
	old := shortChunks(f.meta.createdBy)
	for g := range f.meta.groups {
		rg := &f.meta.groups[g]
		if rg.rows < 0 || rg.rows > math.MaxInt32 || rg.rows > f.meta.rows-rows {
			return corruptf("row group %d has %d rows, the file %d", g, rg.rows, f.meta.rows)
		}
		rows += rg.rows
		if len(rg.columns) != f.schema.leaves {
			return corruptf("row group %d has %d columns, the schema %d", g, len(rg.columns), f.schema.leaves)
		}
		for i := range rg.columns {
			c := &rg.columns[i]
			if !c.hasMeta || c.filePath != "" {
				return corruptf("column %d of row group %d is in another file", i, g)
			}
			if old {
				c.pad(f.size)
			}
			if c.values == 0 && c.compressed == 0 { // pyarrow writes no page then, and an offset of 0
				c.dataOffset, c.dictOffset = 4, 0
			}
			off, n := c.extent()
			if off < 4 || n < 0 || n > f.size || off > f.size-n || c.values < 0 {
				return corruptf("column %d of row group %d lies outside the file", i, g)
			}
			if !f.inside(c.offsetIndexOffset, c.offsetIndexLength) || !f.inside(c.columnIndexOffset, c.columnIndexLength) {
				return corruptf("page index of column %d of row group %d lies outside the file", i, g)
			}
			if !f.inside(c.bloomOffset, c.bloomLength) {
				return corruptf("Bloom filter of column %d of row group %d lies outside the file", i, g)
			}
		}
	}
	if rows != f.meta.rows {
		return corruptf("row groups have %d rows, the file %d", rows, f.meta.rows)
	}
	return nil
}

func (f *File) inside(off int64, n int32) bool {
	return off >= 0 && n >= 0 && off <= f.size-int64(n)
}

// extent is the byte range of a chunk, the dictionary page included.
func (c *columnChunk) extent() (off, n int64) {
	off = c.dataOffset
	if c.dictOffset > 0 && (c.dictOffset < off || off == 0) { // some writers put 0 or garbage there
		off = c.dictOffset
	}
	return off, c.compressed
}

// read asks the source, except for what the tail holds already.
func (f *File) read(ctx context.Context, ranges []objstore.Range) ([][]byte, error) {
	out := make([][]byte, len(ranges))
	var ask []objstore.Range
	var at []int
	first := f.size - int64(len(f.tail))
	for i, r := range ranges {
		if r.Off >= first {
			out[i] = f.tail[r.Off-first : r.Off-first+r.Len]
			continue
		}
		ask, at = append(ask, r), append(at, i)
		f.stats.Bytes.Add(r.Len)
	}
	if len(ask) == 0 {
		return out, nil
	}
	f.stats.Requests.Add(1)
	got, err := f.src.ReadRanges(ctx, ask)
	if err != nil {
		return nil, err
	}
	for k, i := range at {
		if k >= len(got) || int64(len(got[k])) != ask[k].Len {
			return nil, corruptf("range %d+%d came back short", ask[k].Off, ask[k].Len)
		}
		out[i] = got[k]
	}
	return out, nil
}

// intoReader is a Source that can read into memory that it is given. bufs[i] has the length of ranges[i].
type intoReader interface {
	ReadInto(ctx context.Context, ranges []objstore.Range, bufs [][]byte) error
}

// readPages is read into memory of the pool, where the source can; the caller gives arena back.
func (f *File) readPages(ctx context.Context, ranges []objstore.Range) (out [][]byte, arena []byte, err error) {
	src, ok := f.src.(intoReader)
	if !ok {
		out, err = f.read(ctx, ranges)
		return out, nil, err
	}
	first := f.size - int64(len(f.tail))
	total := int64(0)
	for _, r := range ranges {
		if r.Off < first {
			total += r.Len
		}
	}
	if total == 0 || total > math.MaxInt32 {
		out, err = f.read(ctx, ranges)
		return out, nil, err
	}
	arena = takeBytes(int(total))
	out = make([][]byte, len(ranges))
	var ask []objstore.Range // neighbours joined
	var bufs [][]byte
	free := arena
	for i, r := range ranges {
		if r.Off >= first {
			out[i] = f.tail[r.Off-first : r.Off-first+r.Len]
			continue
		}
		out[i] = free[:r.Len]
		if k := len(ask) - 1; k >= 0 && ask[k].Off+ask[k].Len == r.Off {
			ask[k].Len += r.Len
			bufs[k] = bufs[k][:ask[k].Len]
		} else {
			ask, bufs = append(ask, r), append(bufs, free[:r.Len])
		}
		free = free[r.Len:]
	}
	f.stats.Bytes.Add(total)
	f.stats.Requests.Add(1)
	return out, arena, src.ReadInto(ctx, ask, bufs)
}

// With is the same file counting into other stats, sharing the decoded metadata.
func (f *File) With(src Source, s *Stats) *File {
	if s == nil {
		s = &Stats{}
	}
	return &File{fileData: f.fileData, src: src, stats: s}
}

// Rows is the file's row count.
func (f *File) Rows() int64 { return f.meta.rows }

// RowGroups is their number.
func (f *File) RowGroups() int { return len(f.meta.groups) }

// RowGroupRows is the row count of row group rg.
func (f *File) RowGroupRows(rg int) int64 { return f.meta.groups[rg].rows }

// RowGroupBytes is the compressed size of row group rg.
func (f *File) RowGroupBytes(rg int) int64 {
	n := int64(0)
	for i := range f.meta.groups[rg].columns {
		n += f.meta.groups[rg].columns[i].compressed
	}
	return n
}

// recovered turns a panic of a decoder into ErrCorrupt: no input may stop the process.
func recovered(err *error, op string) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s Parquet: %w", op, corruptf("%v", p))
	}
}
