package parquetio

import (
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"sync"
)

// dictValueBytes is the mean length from which on values are not tried in a dictionary.
const dictValueBytes = 64 << 10

// encodedPage is a finished data page.
type encodedPage struct {
	bytes  []byte // header and body
	long   []byte // the end of a long body, which is not copied behind its header
	raw    int    // size before compression, header included
	rows   int
	bounds leafBounds

	tail     func(io.Writer) error // writes the end of a huge page, nil without; it reads the batch's memory
	tailSize int
}

func (p *encodedPage) size() int { return len(p.bytes) + len(p.long) + p.tailSize }

// zstdRoom is the first guess of what n bytes become: half, or all of a long page, which must not be grown into.
func zstdRoom(n int) int {
	if n <= pageBytes {
		return n / 2
	}
	return n + n/1024
}

// scratch is memory for encoding one page. It is shared by all columns, since a table may have 1600.
type scratch struct {
	idx []uint32
	buf []byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// leafWriter encodes one leaf column of the row group being written.
type leafWriter struct {
	leaf
	o    *WriteOptions
	vals pageValues

	// the column chunk
	pages     []encodedPage
	size      int // bytes of pages
	bounds    leafBounds
	levels    int64
	dict      *dict // nil: not used, or given up
	dictPage  *dict // was used by a page of the chunk
	useDelta  bool
	encodings []int32
	bloom     *hashSet // nil: no filter is wanted
	*scratch           // during flushPage

	// the file
	codec      int32
	codecIsSet bool
	total      leafBounds
	totalBytes int64
	values     int64
}

// flushPage encodes what vals holds as one data page.
func (w *leafWriter) flushPage() error {
	if w.vals.lent {
		return w.flushHuge()
	}
	w.scratch = scratches.Get().(*scratch)
	defer func() {
		if cap(w.buf) <= 16<<20 { // one huge value must not stay
			scratches.Put(w.scratch)
		}
		w.scratch = nil
	}()
	p := &w.vals
	b := boundsOf(&w.leaf, p)
	if len(w.pages) == 0 {
		if err := w.choose(); err != nil {
			return err
		}
	}
	body, encoding, err := w.encodeValues()
	if err != nil {
		return err
	}
	levels := int32(len(p.defs))
	h := pageHeader{values: levels, nulls: int32(p.nulls), rows: int32(p.rows), encoding: encoding, hasCRC: true}
	var rep, def []byte
	if w.maxRep > 0 {
		rep = appendHybrid(nil, p.reps, 1)
	}
	def = appendHybrid(nil, p.defs, indexWidth(w.maxDef+1))
	raw := len(rep) + len(def) + len(body)
	if raw > math.MaxInt32-1024 {
		return fmt.Errorf("column %q: a page of %d bytes; a Parquet page ends at 2 GiB", w.path[0], raw)
	}
	parts := [][]byte{rep, def, body}
	if w.o.Compatible {
		h.typ = pageData
		out := w.buf[:0]
		for _, l := range [][]byte{rep, def} {
			if l != nil {
				out = append(out, byte(len(l)), byte(len(l)>>8), byte(len(l)>>16), byte(len(l)>>24))
				out = append(out, l...)
				raw += 4
			}
		}
		out = append(out, body...)
		w.buf = out
		if w.codec == codecZstd {
			out = zstdEncoder().EncodeAll(out, make([]byte, 0, zstdRoom(len(out))))
		}
		parts = [][]byte{out}
	} else {
		h.typ, h.defLen, h.repLen = pageDataV2, int32(len(def)), int32(len(rep))
		if w.codec == codecZstd && len(body) > 64 {
			if z := zstdEncoder().EncodeAll(body, make([]byte, 0, zstdRoom(len(body)))); len(z) < len(body)-len(body)/10 {
				parts[2], h.isCompressed = z, true
			}
		}
	}
	h.uncompressed = int32(raw)
	sum := uint32(0)
	for _, part := range parts {
		h.compressed += int32(len(part))
		sum = crc32.Update(sum, crc32.IEEETable, part)
	}
	h.crc = int32(sum)
	var tw thriftWriter
	h.write(&tw)
	page := encodedPage{raw: raw + len(tw.b), rows: p.rows, bounds: b}
	if last := parts[len(parts)-1]; len(last) > max(pageBytes, cap(last)/2) {
		page.long, parts = last, parts[:len(parts)-1]
		w.buf = nil // it may be the page's now
	}
	page.bytes = make([]byte, 0, len(tw.b)+int(h.compressed)-len(page.long))
	page.bytes = append(page.bytes, tw.b...)
	for _, part := range parts {
		page.bytes = append(page.bytes, part...)
	}
	w.keep(page, encoding, levels)
	return nil
}

// keep adds a finished page to the chunk and empties vals.
func (w *leafWriter) keep(page encodedPage, encoding, levels int32) {
	w.note(encoding)
	w.pages = append(w.pages, page)
	w.size += page.size()
	w.levels += int64(levels)
	w.bounds.merge(page.bounds, &w.leaf)
	if w.bloom != nil {
		w.bloom.addPage(&w.vals, &w.elem)
	}
	w.vals.reset()
}

// note records an encoding of the chunk.
func (w *leafWriter) note(encoding int32) {
	for _, e := range w.encodings {
		if e == encoding {
			return
		}
	}
	w.encodings = append(w.encodings, encoding)
}

// encodeValues encodes the values of vals, by the dictionary as long as it holds.
func (w *leafWriter) encodeValues() ([]byte, int32, error) {
	p, t := &w.vals, w.elem.typ
	if w.dict != nil {
		idx, ok := w.dict.add(w.idx[:0], p, t, maxDictEntries)
		w.idx = idx
		if ok {
			w.dictPage = w.dict
			width := indexWidth(w.dict.count(t))
			return appendHybrid([]byte{byte(width)}, idx, width), encRLEDictionary, nil
		}
		w.dict = nil // the pages so far keep it
		if w.dictPage == nil {
			return w.encodeValues()
		}
	}
	if w.useDelta {
		body, err := p.appendDelta(w.buf[:0], t)
		w.buf = body
		if t == physByteArray {
			return body, encDeltaLength, err
		}
		return body, encDelta, err
	}
	if w.o.Compatible { // scratch takes the whole page there
		return p.appendPlain(nil, t), encPlain, nil
	}
	w.buf = p.appendPlain(w.buf[:0], t)
	return w.buf, encPlain, nil
}

// choose picks the encodings of the chunk by trying them on its first page. A dictionary's own
// size counts in the share that this page has of the row group.
// The codec is chosen once for the file: readers take it from the first row group.
func (w *leafWriter) choose() error {
	p, t := &w.vals, w.elem.typ
	w.dict, w.dictPage, w.useDelta = nil, nil, false
	codec, set := w.codec, w.codecIsSet
	defer func() {
		if set {
			w.codec = codec
		}
		w.codecIsSet = true
	}()
	w.codec = codecNone
	n := p.count(t, int(max(w.elem.typeLength, 1)))
	isText := t == physByteArray
	var best, zipped int
	if isText { // never copied: it may be one huge value
		w.useDelta = !w.o.Compatible
		best = len(p.data) + 2*n
		zipped = zippedSize(p.data) + n/2
	} else {
		plain := p.appendPlain(nil, t)
		if !w.o.Compatible && (t == physInt32 || t == physInt64) {
			d, err := p.appendDelta(nil, t)
			if err != nil {
				return err
			}
			if len(d) < len(plain) || n == 0 {
				w.useDelta, plain = true, d
			}
		}
		best, zipped = len(plain), zippedSize(plain)
	}
	raw := best
	switch {
	case w.o.Compatible || isText:
		w.codec, best = codecZstd, min(zipped, best)
	case t == physInt32 || t == physInt64: // decoding speed first
		if zipped < raw*7/10 {
			w.codec, best = codecZstd, zipped
		}
	case zipped < raw*9/10:
		w.codec, best = codecZstd, zipped
	}
	if t == physBool || t == physFixed || n == 0 {
		return nil
	}
	if isText && len(p.data)/n > dictValueBytes { // it would hold them all in memory
		return nil
	}
	d := newDict()
	idx, ok := d.add(w.idx[:0], p, t, n/2+1)
	w.idx = idx
	if !ok {
		return nil
	}
	distinct := d.count(t)
	width := indexWidth(distinct)
	share := max(1/6.0, min(1, 2*float64(distinct)/float64(n)))
	body := appendHybrid(nil, idx, width)
	size := len(body)
	if w.o.Compatible || isText {
		size = min(size, zippedSize(body))
	}
	if float64(size)+share*float64(d.size) <= 1.1*float64(best) {
		w.dict = newDict()
		if !isText && !w.o.Compatible {
			w.codec = codecNone
		}
	}
	return nil
}

// zippedSize estimates what zstd makes of b from its first bytes.
func zippedSize(b []byte) int {
	const sample = 64 << 10
	if len(b) <= sample {
		return len(zstdEncoder().EncodeAll(b, nil))
	}
	return len(zstdEncoder().EncodeAll(b[:sample], nil)) * (len(b) / 1024) / (sample / 1024)
}

// dictBytes is the dictionary page, nil when the chunk has none.
func (w *leafWriter) dictBytes() (page []byte, raw int) {
	if w.dictPage == nil {
		return nil, 0
	}
	t := w.elem.typ
	body := w.dictPage.vals.appendPlain(nil, t)
	h := pageHeader{typ: pageDictionary, uncompressed: int32(len(body)), values: int32(w.dictPage.count(t)), encoding: encPlain, hasCRC: true}
	raw = len(body)
	if w.codec == codecZstd {
		body = zstdEncoder().EncodeAll(body, nil)
	}
	h.compressed = int32(len(body))
	h.crc = int32(crc32.ChecksumIEEE(body))
	var tw thriftWriter
	h.write(&tw)
	return append(tw.b, body...), raw + len(tw.b)
}

// endChunk forgets the chunk after it was written.
func (w *leafWriter) endChunk() {
	w.total.merge(w.bounds, &w.leaf)
	w.values += w.levels
	w.bounds, w.levels, w.size = leafBounds{}, 0, 0
	w.pages, w.encodings = nil, nil
	w.dict, w.dictPage = nil, nil
}
