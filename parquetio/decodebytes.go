package parquetio

import "encoding/binary"

func (p *decodedPage) readPlainBytes(b []byte, n int) error {
	if n > len(b)/4 {
		return corruptf("%d byte arrays in %d bytes", n, len(b))
	}
	p.n = n
	p.offs = grow(p.offs, n+1)
	p.offs[0] = 0
	if need := len(b) - 4*n; cap(p.text) < need+padding {
		p.text = make([]byte, 0, need+need/8+padding)
	}
	data := p.text[:0]
	for i := range n {
		if len(b) < 4 {
			return corruptf("byte array ends too early")
		}
		size := binary.LittleEndian.Uint32(b)
		if uint64(size) > uint64(len(b)-4) {
			return corruptf("byte array of %d bytes in %d", size, len(b))
		}
		data = append(data, b[4:4+size]...)
		b = b[4+size:]
		p.offs[i+1] = uint32(len(data))
	}
	p.data = data
	return nil
}

// readLengths turns lengths into offsets and checks their sum.
func (p *decodedPage) readLengths(lengths []int32, limit int) error {
	p.offs = grow(p.offs, len(lengths)+1)
	p.offs[0] = 0
	sum := 0
	for i, n := range lengths {
		if n < 0 || sum+int(n) > limit {
			return corruptf("byte arrays are longer than the page")
		}
		sum += int(n)
		p.offs[i+1] = uint32(sum)
	}
	return nil
}

func (d *decoder) readDeltaLength(b []byte, n int) error {
	p := &d.page
	d.idx = grow(d.idx, n)
	rest, err := decodeDelta(d.idx, b, p.n)
	if err != nil {
		return err
	}
	p.data = rest
	return p.readLengths(d.idx, len(rest))
}

// readDeltaByteArray reads DELTA_BYTE_ARRAY: each value shares a prefix with the one before.
func (d *decoder) readDeltaByteArray(b []byte) error {
	p := &d.page
	prefixes := make([]int32, p.n, p.n+padding)
	rest, err := decodeDelta(prefixes, b, p.n)
	if err != nil {
		return err
	}
	suffixes := make([]int32, p.n, p.n+padding)
	if rest, err = decodeDelta(suffixes, rest, p.n); err != nil {
		return err
	}
	p.offs = append(p.offs[:0], 0)
	var data []byte
	prev := 0
	for i, n := range suffixes {
		k := prefixes[i]
		if n < 0 || int(n) > len(rest) || k < 0 || int(k) > prev || len(data)+int(n)+int(k) > maxPageBytes {
			return corruptf("byte array with a prefix of %d and a suffix of %d bytes", k, n)
		}
		start := len(data)
		data = append(data, data[start-prev:start-prev+int(k)]...)
		data = append(data, rest[:n]...)
		rest = rest[n:]
		prev = len(data) - start
		if d.leaf.elem.typ == physFixed && prev != int(d.leaf.elem.typeLength) {
			return corruptf("fixed value of %d bytes", prev)
		}
		p.offs = append(p.offs, uint32(len(data)))
	}
	p.data = data
	return nil
}

// readSplit reads BYTE_STREAM_SPLIT: the first bytes of all values, then the second ones, and so on.
func (p *decodedPage) readSplit(b []byte, e *schemaElement) error {
	width := int(e.typeLength)
	switch e.typ {
	case physInt32, physFloat:
		width = 4
	case physInt64, physDouble:
		width = 8
	case physFixed:
	default:
		return corruptf("encoding %d of %s is not supported", encByteStreamSplit, e.typ)
	}
	n := p.n
	if n > len(b)/width {
		return corruptf("%d values of %d bytes in %d", n, width, len(b))
	}
	b = b[:n*width]
	joined := make([]byte, n*width)
	for k := range width {
		for i, x := range b[k*n : (k+1)*n] {
			joined[i*width+k] = x
		}
	}
	return p.readPlain(joined, e, n)
}
