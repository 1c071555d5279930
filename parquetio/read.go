package parquetio

import (
	"context"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
	"frostline/objstore"
)

// Read gives the rows of ranges (ascending, disjoint; nil is all) of row group rg as one batch, in
// order, with exactly the columns cols (and the side column when exact is true, last). A column
// that the file lacks is all NULL; one of a narrower type is promoted. Only the pages that hold the rows are
// read and decoded. The caller releases the batch.
func (f *File) Read(ctx context.Context, rg int, cols []coltype.Column, exact bool, ranges []RowRange) (arrow.RecordBatch, error) {
	return f.readBatch(ctx, rg, cols, exact, ranges, false)
}

// ReadLent is Read into memory that others use again once the batch and all that was taken of it are released: not even a string
// of it may be looked at after that.
func (f *File) ReadLent(ctx context.Context, rg int, cols []coltype.Column, exact bool, ranges []RowRange) (arrow.RecordBatch, error) {
	return f.readBatch(ctx, rg, cols, exact, ranges, true)
}

func (f *File) readBatch(ctx context.Context, rg int, cols []coltype.Column, exact bool, ranges []RowRange, lent bool) (_ arrow.RecordBatch, err error) {
	defer recovered(&err, "read")
	ranges, total, err := f.ranges(rg, ranges)
	if err != nil {
		return nil, err
	}
	fields := readFields(cols, exact)
	p, err := f.plan(ctx, rg, cols, fields, ranges)
	if err != nil {
		return nil, fmt.Errorf("read Parquet: row group %d: %w", rg, err)
	}
	defer p.free()
	for i, c := range p.cursors {
		if err := takeRanges(c, ranges, int(total), lent); err != nil {
			return nil, fmt.Errorf("read Parquet: row group %d, column %q: %w", rg, fields[i].Name, err)
		}
	}
	return p.batch(fields, total), nil
}

// ranges checks ranges, nil is all rows, and counts their rows.
func (f *File) ranges(rg int, ranges []RowRange) ([]RowRange, int64, error) {
	rows := f.meta.groups[rg].rows
	if ranges == nil {
		return []RowRange{{0, rows}}, rows, nil
	}
	total, last := int64(0), int64(0)
	for _, r := range ranges {
		if r.Start < last || r.End < r.Start || r.End > rows {
			return nil, 0, fmt.Errorf("read Parquet: rows %d to %d are not in a row group of %d, or not in order", r.Start, r.End, rows)
		}
		last = r.End
		total += r.End - r.Start
	}
	return ranges, total, nil
}

// readFields are the fields of cols, and of the side column when exact is true.
func readFields(cols []coltype.Column, exact bool) []arrow.Field {
	fields := coltype.Schema{Columns: cols}.Arrow().Fields()
	if !exact {
		fields = fields[:len(cols)]
	}
	return fields
}

// readPlan are the cursors over the columns of a row group.
type readPlan struct {
	f       *File
	rg      int
	fields  []arrow.Field
	cursors []cursor
	chunks  []chunkPlan
	bytes   []byte // of the pages, from the pool
}

// chunkPlan is what is read of one column chunk.
type chunkPlan struct {
	leaf   fileLeaf
	pages  []pageBuf // with their rows, when the page index is used
	at     []int     // which of them are fetched
	dict   bool
	ranges []objstore.Range
	bufs   [][]byte
	padded bool // bytes follow the last page
	attach func(*chunkPlan) error
}

// plan fetches what cols need for ranges in one call, and makes the cursors.
func (f *File) plan(ctx context.Context, rg int, cols []coltype.Column, fields []arrow.Field, ranges []RowRange) (_ *readPlan, err error) {
	p := &readPlan{f: f, rg: rg, fields: fields}
	defer func() {
		if err != nil {
			p.free()
		}
	}()
	rows := f.meta.groups[rg].rows
	var index []chunkPages
	if all := len(ranges) == 1 && ranges[0].Start == 0 && ranges[0].End == rows; !all {
		if index, err = f.pageIndex(ctx, rg); err != nil {
			return nil, err
		}
	}
	for i, field := range fields {
		if i < len(cols) {
			err = p.addColumn(f.schema.find(cols[i]), cols[i].Type, field, index, ranges)
		} else {
			err = p.addColumn(f.schema.exactColumn(), coltype.Type{}, field, index, ranges)
		}
		if err != nil {
			return nil, err
		}
	}
	return p, p.fetch(ctx)
}

// newOutput is the sink of one output field.
func newOutput(t coltype.Type, dt arrow.DataType) (output, error) {
	switch d := dt.(type) {
	case *arrow.MapType:
		text := coltype.Type{Kind: coltype.String}
		s := &nestedSink{dt: dt, elems: []*sink{newSink(text, d.KeyType()), newSink(text, d.ItemType())}}
		s.reset()
		return s, nil
	case *arrow.ListType:
		if t.Elem == nil {
			return nil, fmt.Errorf("list without an element type")
		}
		s := &nestedSink{dt: dt, elems: []*sink{newSink(*t.Elem, d.Elem())}}
		s.reset()
		return s, nil
	}
	return newSink(t, dt), nil
}

// addColumn adds the cursor of one column; t is not used for the side column.
func (p *readPlan) addColumn(col *fileColumn, t coltype.Type, field arrow.Field, index []chunkPages, ranges []RowRange) error {
	out, err := newOutput(t, field.Type)
	if err != nil {
		return fmt.Errorf("column %q: %w", field.Name, err)
	}
	if col == nil {
		p.cursors = append(p.cursors, &missing{out})
		return nil
	}
	want := shapeFlat
	var types []coltype.Type
	switch o := out.(type) {
	case *nestedSink:
		want = shapeList
		if len(o.elems) == 2 {
			want = shapeMap
		}
		for _, e := range o.elems {
			types = append(types, e.typ)
		}
	default:
		types = []coltype.Type{t}
	}
	if col.shape != want {
		return corruptf("column %q is not stored as %s", field.Name, field.Type)
	}
	for i, l := range col.leaves {
		if err := fits(types[i], l.elem); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	if col.shape == shapeFlat {
		c := &flatCursor{sink: out.(*sink)}
		p.addChunk(col.leaves[0], index, ranges, func(cp *chunkPlan) (err error) {
			c.dec = p.decoder(cp.leaf)
			c.pages, err = cp.loadPages(&c.dec, p.f.meta.groups[p.rg].rows)
			return err
		})
		p.cursors = append(p.cursors, c)
		return nil
	}
	c := &nestedCursor{col: col, sink: out.(*nestedSink)}
	for _, l := range col.leaves {
		s := &leafStream{}
		p.addChunk(l, index, ranges, func(cp *chunkPlan) (err error) {
			s.dec = p.decoder(cp.leaf)
			s.pages, err = cp.loadPages(&s.dec, -1)
			return err
		})
		c.streams = append(c.streams, s)
	}
	p.cursors = append(p.cursors, c)
	return nil
}

func (p *readPlan) decoder(l fileLeaf) decoder {
	return decoder{leaf: l, codec: p.f.meta.groups[p.rg].columns[l.ordinal].codec, stats: p.f.stats, pageMemory: takeMemory()}
}

// addChunk notes which bytes of a chunk are needed.
func (p *readPlan) addChunk(l fileLeaf, index []chunkPages, ranges []RowRange, attach func(*chunkPlan) error) {
	g := &p.f.meta.groups[p.rg]
	chunk := &g.columns[l.ordinal]
	cp := chunkPlan{leaf: l, attach: attach, padded: chunk.padded}
	off, n := chunk.extent()
	if index == nil || index[l.ordinal].locs == nil {
		cp.ranges = []objstore.Range{{Off: off, Len: n}}
		p.chunks = append(p.chunks, cp)
		return
	}
	locs := index[l.ordinal].locs
	if locs[0].offset > off {
		cp.dict = true
		cp.ranges = append(cp.ranges, objstore.Range{Off: off, Len: locs[0].offset - off})
	}
	next := 0
	for i, loc := range locs {
		first, rows := pageRows(locs, i, g.rows)
		cp.pages = append(cp.pages, pageBuf{first: first, rows: rows})
		for next < len(ranges) && (ranges[next].End <= first || ranges[next].Start == ranges[next].End) {
			next++
		}
		if next < len(ranges) && ranges[next].Start < first+rows {
			cp.at = append(cp.at, i)
			cp.ranges = append(cp.ranges, objstore.Range{Off: loc.offset, Len: int64(loc.size)})
		}
	}
	if len(cp.at) == 0 {
		cp.ranges, cp.dict = nil, false
	}
	p.chunks = append(p.chunks, cp)
}

// fetch reads the ranges of all chunks by one call and hands them to the cursors.
func (p *readPlan) fetch(ctx context.Context) error {
	var ranges []objstore.Range
	for i := range p.chunks {
		ranges = append(ranges, p.chunks[i].ranges...)
	}
	got, bytes, err := p.f.readPages(ctx, ranges)
	p.bytes = bytes
	if err != nil {
		return err
	}
	for i := range p.chunks {
		cp := &p.chunks[i]
		n := len(cp.ranges)
		cp.bufs, got = got[:n:n], got[n:]
		if err := cp.attach(cp); err != nil {
			return fmt.Errorf("column %q: %w", cp.leaf.elem.name, err)
		}
	}
	return nil
}

// loadPages decodes the dictionary and gives the list of data pages. Without a page index it walks
// over the chunk's page headers; rows is the row count that they must have, -1 when a page's values
// are not its rows.
func (cp *chunkPlan) loadPages(d *decoder, rows int64) ([]pageBuf, error) {
	if cp.pages == nil {
		return cp.walk(d, rows)
	}
	bufs := cp.bufs
	if cp.dict {
		h, body, _, err := d.header(bufs[0])
		if err != nil {
			return nil, err
		}
		if h.typ == pageDictionary {
			if err := d.readDict(&h, body); err != nil {
				return nil, err
			}
		}
		bufs = bufs[1:]
	}
	if rows >= 0 {
		for k, i := range cp.at {
			cp.pages[i].buf = bufs[k]
		}
		return cp.pages, nil
	}
	var fetched []pageBuf
	for k, i := range cp.at {
		cp.pages[i].buf = bufs[k]
		fetched = append(fetched, cp.pages[i])
	}
	return fetched, nil
}

func (cp *chunkPlan) walk(d *decoder, rows int64) ([]pageBuf, error) {
	var pages []pageBuf
	seen := int64(0)
	for b := cp.bufs[0]; len(b) > 0 && !(cp.padded && seen == rows); {
		h, body, rest, err := d.header(b)
		if err != nil {
			return nil, err
		}
		page := b[:len(b)-len(rest)]
		b = rest
		switch h.typ {
		case pageDictionary:
			if err := d.readDict(&h, body); err != nil {
				return nil, err
			}
		case pageData, pageDataV2:
			p := pageBuf{rows: -1, buf: page}
			if rows >= 0 {
				p.first, p.rows = seen, int64(h.values)
			}
			seen += int64(h.values)
			if rows >= 0 && seen > rows || seen > math.MaxInt32 {
				return nil, corruptf("pages have more than %d rows", rows)
			}
			pages = append(pages, p)
		}
	}
	if rows >= 0 && seen != rows {
		return nil, corruptf("pages have %d rows, the row group %d", seen, rows)
	}
	return pages, nil
}

// batch builds what the cursors have taken.
func (p *readPlan) batch(fields []arrow.Field, rows int64) arrow.RecordBatch {
	arrays := make([]arrow.Array, len(p.cursors))
	for i, c := range p.cursors {
		arrays[i] = c.array()
	}
	b := array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, rows)
	for _, a := range arrays {
		a.Release()
	}
	return b
}
