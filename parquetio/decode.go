package parquetio

import (
	"encoding/binary"
	"hash/crc32"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/endian"
)

// maxPageValues caps what one page may claim to hold: runs can stand for any number of values.
const maxPageValues = 1 << 26

// decodedPage is one data page: its levels, and its values that are not NULL. Byte arrays are
// either offsets into data, or indices into the dictionary.
type decodedPage struct {
	levels int
	defs   []byte // nil: all values are there
	reps   []byte
	n      int // values
	i32    []int32
	i64    []int64
	bools  []byte
	data   []byte
	text   []byte // what data is in, where it is not a part of the page
	offs   []uint32
	byDict bool // the values are the decoder's indices
	null   bool // all levels are 0: every row is NULL, or an empty list that cannot be NULL
}

// decoder decodes the pages of one column chunk into one decodedPage that it uses again.
type decoder struct {
	leaf  fileLeaf
	codec int32
	stats *Stats
	codes bool // pages keep indices into the dictionary, of whatever type
	need  int  // rows from the start of the page that are asked of it, 0 is all
	dict  *decodedPage
	*pageMemory

	// Where the words of the next page go if it has no NULL and they fit; direct tells that they went there. The page's own
	// slices stand in own then.
	to4    []int32
	to8    []int64
	direct bool
	own    struct {
		i32 []int32
		i64 []int64
	}

	shownDict *array.Data
}

// pageMemory is what a decoder decodes into.
type pageMemory struct {
	page   decodedPage
	buf    []byte
	idx    []int32
	defs   []byte
	fixed  []byte
	valid  []byte  // bitmap
	picked []int32 // some of idx
}

// maxKept bounds the slices that one decoder's memory may bring back to the pool: one huge cell must not stay.
const maxKept = 16 << 20

var memories = sync.Pool{New: func() any { return new(pageMemory) }}

func takeMemory() *pageMemory { return memories.Get().(*pageMemory) }

// free gives the decoder's memory to others.
func (d *decoder) free() {
	m := d.pageMemory
	if m == nil {
		return
	}
	d.restore()
	d.pageMemory = nil
	p := &m.page
	if cap(m.buf)+4*cap(m.idx)+4*cap(p.i32)+8*cap(p.i64)+4*cap(p.offs)+cap(p.bools)+cap(p.reps)+cap(m.defs)+cap(m.fixed)+cap(p.text) > maxKept {
		return
	}
	m.page = decodedPage{i32: p.i32, i64: p.i64, offs: p.offs, bools: p.bools, reps: p.reps, text: p.text}
	memories.Put(m)
}

// divert lets a page's words be decoded to where they are wanted.
func (d *decoder) divert() {
	p := &d.page
	if p.defs != nil || cap(d.to4) < p.n+padding && cap(d.to8) < p.n+padding {
		return
	}
	d.own.i32, d.own.i64, d.direct = p.i32, p.i64, true
	if cap(d.to4) > 0 {
		p.i32 = d.to4[:0]
	} else {
		p.i64 = d.to8[:0]
	}
}

// restore gives the page its own slices again.
func (d *decoder) restore() {
	if d.direct {
		d.page.i32, d.page.i64, d.direct = d.own.i32, d.own.i64, false
	}
}

// grow gives n elements, from s when it is large enough, with room for the vector code behind them.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/8+padding)
	}
	return s[:n]
}

// header reads the page header at the start of b and gives the page's body and what follows.
func (d *decoder) header(b []byte) (h pageHeader, body, rest []byte, err error) {
	h, n, err := readPageHeader(b)
	if err != nil {
		return h, nil, nil, err
	}
	if int(h.compressed) > len(b)-n {
		return h, nil, nil, corruptf("page of %d bytes, the column has %d left", h.compressed, len(b)-n)
	}
	end := n + int(h.compressed)
	return h, b[n:end], b[end:], nil
}

func checkCRC(h *pageHeader, body []byte) error {
	if h.hasCRC && int32(crc32.ChecksumIEEE(body)) != h.crc {
		return corruptf("page checksum does not match")
	}
	return nil
}

// plainBody is body decompressed, with padding behind it.
func (d *decoder) plainBody(body []byte, codec int32, size int) ([]byte, error) {
	if codec == codecNone && len(body) == size && cap(body)-len(body) >= padding {
		return body, nil
	}
	b, err := decompress(d.buf, body, codec, size)
	if err == nil {
		d.buf = b
	}
	return b, err
}

// readDict decodes a dictionary page.
func (d *decoder) readDict(h *pageHeader, body []byte) error {
	if d.dict != nil {
		return corruptf("two dictionary pages")
	}
	if h.encoding != encPlain && h.encoding != encPlainDictionary {
		return corruptf("dictionary encoded as %d", h.encoding)
	}
	if err := checkCRC(h, body); err != nil {
		return err
	}
	b, err := decompress(nil, body, d.codec, int(h.uncompressed))
	if err != nil {
		return err
	}
	dict := &decodedPage{}
	if err := dict.readPlain(b, d.leaf.elem, int(h.values)); err != nil {
		return err
	}
	d.dict = dict
	return nil
}

// readPage decodes a data page into d.page.
func (d *decoder) readPage(h *pageHeader, body []byte) error {
	if err := checkCRC(h, body); err != nil {
		return err
	}
	d.stats.Pages.Add(1)
	if h.values > maxPageValues {
		return corruptf("page of %d values", h.values)
	}
	d.restore()
	p := &d.page
	p.levels, p.byDict = int(h.values), false
	p.defs, p.n = nil, p.levels
	switch h.typ {
	case pageData:
		values, err := d.plainBody(body, d.codec, int(h.uncompressed))
		if err != nil {
			return err
		}
		var rep, def []byte
		if d.leaf.maxRep > 0 {
			if rep, values, err = cutLevels(values, h.repEncoding); err != nil {
				return err
			}
		}
		if d.leaf.maxDef > 0 {
			if def, values, err = cutLevels(values, h.defEncoding); err != nil {
				return err
			}
		}
		if err := d.readLevels(rep, def); err != nil {
			return err
		}
		d.divert()
		return d.readValues(h.encoding, values, d.wanted())
	case pageDataV2:
		levels := int64(h.repLen) + int64(h.defLen)
		if levels > int64(len(body)) || levels > int64(h.uncompressed) || h.nulls > h.values || h.rows > h.values {
			return corruptf("page levels are longer than the page")
		}
		if err := d.readLevels(body[:h.repLen], body[h.repLen:levels]); err != nil {
			return err
		}
		codec := d.codec
		if !h.isCompressed {
			codec = codecNone
		}
		d.divert()
		return d.readBody(h.encoding, body[levels:], codec, int(int64(h.uncompressed)-levels))
	}
	return corruptf("page of type %d", h.typ)
}

// readBody reads the values of a V2 page. Of a long one of which only the first values are wanted, only the beginning
// is decompressed.
func (d *decoder) readBody(encoding int32, body []byte, codec int32, size int) error {
	if size == 0 { // some writers compress nothing to nothing
		return d.readValues(encoding, make([]byte, 0, padding), d.wanted())
	}
	if n := d.wanted(); n < d.page.n && codec == codecZstd {
		enough := int(float64(size)*float64(n)/float64(d.page.n)) + zstdSpare
		if values, ok := decompressStart(d.buf, body, size, enough); ok {
			d.buf = values
			all := d.page.n
			if d.readValues(encoding, values, n) == nil {
				return nil
			}
			d.page.n = all // the values at the front are longer than the others
		}
	}
	values, err := d.plainBody(body, codec, size)
	if err != nil {
		return err
	}
	return d.readValues(encoding, values, d.wanted())
}

// wanted is the number of values, from the first, that are asked of the page.
func (d *decoder) wanted() int {
	p := &d.page
	if d.need <= 0 || d.need >= p.levels || d.leaf.maxRep > 0 || d.direct {
		return p.n
	}
	if p.defs == nil {
		return min(d.need, p.n)
	}
	n := 0
	for _, x := range p.defs[:d.need] {
		n += int(x)
	}
	return min(n, p.n)
}

// cutLevels takes the length-prefixed levels of a V1 page off.
func cutLevels(b []byte, encoding int32) (levels, rest []byte, err error) {
	if encoding != encRLE {
		return nil, nil, corruptf("levels encoded as %d are not supported", encoding)
	}
	if len(b) < 4 {
		return nil, nil, corruptf("levels end too early")
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, corruptf("levels of %d bytes in a page of %d", n, len(b))
	}
	return b[4 : 4+n], b[4+n:], nil
}

func (d *decoder) readLevels(rep, def []byte) error {
	p := &d.page
	maxDef := d.leaf.maxDef
	run, uniform := singleRun(def, p.levels)
	p.null = maxDef > 0 && uniform && run == 0
	if d.leaf.maxRep > 0 {
		p.reps = grow(p.reps, p.levels)
		if r, ok := singleRun(rep, p.levels); !ok || r != 0 {
			p.null = false
		}
		if err := decodeLevels(p.reps, rep, d.leaf.maxRep); err != nil {
			return err
		}
	}
	if maxDef == 0 || uniform && int(run) == maxDef && d.leaf.maxRep == 0 {
		return nil // no NULL: the levels are not needed
	}
	d.defs = grow(d.defs, p.levels)
	if err := decodeLevels(d.defs, def, maxDef); err != nil {
		return err
	}
	if p.null {
		p.n, p.defs = 0, d.defs
		return nil
	}
	n, top := 0, byte(maxDef)
	for _, x := range d.defs {
		if x == top {
			n++
		}
	}
	if n < p.levels || d.leaf.maxRep > 0 {
		p.defs = d.defs
	}
	p.n = n
	return nil
}

// singleRun is the level of which src is one run of at least n.
func singleRun(src []byte, n int) (level byte, ok bool) {
	h, k := binary.Uvarint(src)
	if k <= 0 || h&1 != 0 || h>>1 < uint64(n) || n == 0 || len(src) <= k {
		return 0, false
	}
	return src[k], true
}

// readValues reads the first n values of the page.
func (d *decoder) readValues(encoding int32, b []byte, n int) error {
	p, e := &d.page, d.leaf.elem
	if n == 0 { // of a page without values some writers leave the bytes out
		p.offs = append(p.offs[:0], 0)
		return nil
	}
	switch encoding {
	case encPlain:
		return p.readPlain(b, e, n)
	case encRLEDictionary, encPlainDictionary:
		return d.readIndices(b, n)
	case encRLE:
		if e.typ != physBool {
			break
		}
		levels, _, err := cutLevels(b, encRLE)
		if err != nil {
			return err
		}
		p.bools = grow(p.bools, n)
		return decodeLevels(p.bools, levels, 1)
	case encDelta:
		var err error
		switch e.typ {
		case physInt32:
			p.i32 = grow(p.i32, n)
			_, err = decodeDelta(p.i32, b, p.n)
			return err
		case physInt64:
			p.i64 = grow(p.i64, n)
			_, err = decodeDelta(p.i64, b, p.n)
			return err
		}
	case encDeltaLength:
		if e.typ == physByteArray {
			return d.readDeltaLength(b, n)
		}
	case encDeltaByteArray:
		if e.typ == physByteArray || e.typ == physFixed {
			return d.readDeltaByteArray(b)
		}
	case encByteStreamSplit:
		return p.readSplit(b, e)
	}
	return corruptf("encoding %d of %s is not supported", encoding, e.typ)
}

func (d *decoder) readIndices(b []byte, n int) error {
	p, dict := &d.page, d.dict
	if dict == nil || len(b) == 0 {
		return corruptf("values without a dictionary")
	}
	d.idx = grow(d.idx, n)
	if err := decodeIndices(d.idx, b[1:], int(b[0]), dict.n); err != nil {
		return err
	}
	if d.codes {
		p.byDict = true
		return nil
	}
	switch d.leaf.elem.typ {
	case physInt32, physFloat:
		p.i32 = grow(p.i32, n)
		lookUp(p.i32, dict.i32, d.idx)
	case physInt64, physDouble:
		p.i64 = grow(p.i64, n)
		lookUp(p.i64, dict.i64, d.idx)
	case physByteArray:
		p.byDict = true
	case physFixed:
		w := int(d.leaf.elem.typeLength)
		if n > maxPageBytes/w {
			return corruptf("page of %d values of %d bytes", n, w)
		}
		d.fixed = grow(d.fixed, n*w) // p.data may be a part of the file's own bytes
		for i, x := range d.idx {
			copy(d.fixed[i*w:], dict.data[int(x)*w:int(x+1)*w])
		}
		p.data = d.fixed
	default:
		return corruptf("dictionary of %s", d.leaf.elem.typ)
	}
	return nil
}

// lookUp sets out to the values of the indices.
func lookUp[T any](out, dict []T, idx []int32) {
	out = out[:len(idx)]
	for i, x := range idx {
		out[i] = dict[x]
	}
}

// bytesAt is the i-th byte array of the page.
func (d *decoder) bytesAt(i int) []byte {
	p := &d.page
	if p.byDict {
		x := d.idx[i]
		return d.dict.data[d.dict.offs[x]:d.dict.offs[x+1]]
	}
	return p.data[p.offs[i]:p.offs[i+1]]
}

// readPlain reads n PLAIN values.
func (p *decodedPage) readPlain(b []byte, e *schemaElement, n int) error {
	var width int
	switch e.typ {
	case physBool:
		if len(b)*8 < n {
			return corruptf("%d booleans in %d bytes", n, len(b))
		}
		p.n, p.bools = n, grow(p.bools, n)
		unpackLevels(p.bools, b, 1)
		return nil
	case physInt32, physFloat:
		width = 4
	case physInt64, physDouble:
		width = 8
	case physFixed:
		width = int(e.typeLength)
	case physByteArray:
		return p.readPlainBytes(b, n)
	default:
		return corruptf("%s is not supported", e.typ)
	}
	if n > len(b)/width {
		return corruptf("%d values of %d bytes in %d", n, width, len(b))
	}
	p.n = n
	switch width {
	case 4:
		if e.typ != physFixed {
			p.i32 = grow(p.i32, n)
			if endian.IsBigEndian {
				for i := range p.i32 {
					p.i32[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
				}
				return nil
			}
			copy(arrow.Int32Traits.CastToBytes(p.i32), b)
			return nil
		}
	case 8:
		if e.typ != physFixed {
			p.i64 = grow(p.i64, n)
			if endian.IsBigEndian {
				for i := range p.i64 {
					p.i64[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
				}
				return nil
			}
			copy(arrow.Int64Traits.CastToBytes(p.i64), b)
			return nil
		}
	}
	p.data = b[:n*width]
	return nil
}
