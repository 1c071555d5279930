package parquetio

import (
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"frostline/coltype"
)

// takeRanges appends the rows of ranges, total rows, to the sink of c.
func takeRanges(c cursor, ranges []RowRange, total int, lent bool) error {
	flat, ok := c.(*flatCursor)
	if !ok {
		for _, r := range ranges {
			if err := c.take(r.Start, r.End); err != nil {
				return err
			}
		}
		return nil
	}
	flat.sink.lent = lent
	flat.sink.reserve(total)
	return flat.takeRanges(ranges)
}

// takeRanges is take of all ranges, page by page.
func (c *flatCursor) takeRanges(ranges []RowRange) error {
	var here []RowRange // of one page, from its first row
	done := int64(0)    // rows before it are taken
	for len(ranges) > 0 {
		from := max(ranges[0].Start, done)
		if from >= ranges[0].End {
			ranges = ranges[1:]
			continue
		}
		if from >= c.end {
			c.aim(from, ranges)
			err := c.load(from)
			c.dec.to4, c.dec.to8, c.dec.need = nil, nil, 0
			if err != nil {
				return err
			}
		}
		here = here[:0]
		for len(ranges) > 0 && ranges[0].Start < c.end {
			r := ranges[0]
			here = append(here, RowRange{max(r.Start, done) - c.first, min(r.End, c.end) - c.first})
			if r.End > c.end {
				break
			}
			ranges = ranges[1:]
		}
		done = c.end
		if err := c.takePage(here); err != nil {
			return err
		}
	}
	return nil
}

// aim tells the decoder how far it has to go in the page that holds from, the first row to take of ranges. One that they hold
// all of is decoded into the sink's memory.
func (c *flatCursor) aim(from int64, ranges []RowRange) {
	for c.next < len(c.pages) && c.pages[c.next].first+c.pages[c.next].rows <= from {
		c.next++
	}
	if c.next == len(c.pages) {
		return
	}
	p := c.pages[c.next]
	if from != p.first || ranges[0].End < p.first+p.rows {
		last := int64(0)
		for _, r := range ranges {
			if r.Start >= p.first+p.rows {
				break
			}
			last = min(r.End, p.first+p.rows) - p.first
		}
		c.dec.need = int(last)
		return
	}
	s := c.sink
	switch k, e := s.typ.Kind, c.dec.leaf.elem; {
	case k == coltype.Int32 || k == coltype.Float32 || k == coltype.Date:
		c.dec.to4 = s.w4[len(s.w4):]
	case (k == coltype.Int64 || k == coltype.Float64 || k == coltype.Time || k == coltype.Timestamp || k == coltype.TimestampTZ) &&
		(e.typ == physInt64 || e.typ == physDouble):
		c.dec.to8 = s.w8[len(s.w8):]
	}
}

// takePage appends the rows of here, counted from the first of the page.
func (c *flatCursor) takePage(here []RowRange) error {
	p, s := &c.dec.page, c.sink
	if p.defs != nil {
		for _, r := range here {
			if err := c.take(c.first+r.Start, c.first+r.End); err != nil {
				return err
			}
		}
		return nil
	}
	n := 0
	for _, r := range here {
		n += int(r.End - r.Start)
	}
	if c.dec.direct {
		if taken := c.takeDirect(n); taken {
			return nil
		}
	}
	switch e := c.dec.leaf.elem; s.typ.Kind {
	case coltype.Int32, coltype.Float32, coltype.Date:
		s.w4 = gather(s.w4, p.i32, here)
	case coltype.Int64, coltype.Float64, coltype.Time, coltype.Timestamp, coltype.TimestampTZ:
		if e.typ != physInt64 && e.typ != physDouble {
			return s.appendEach(&c.dec, here)
		}
		s.w8 = gather(s.w8, p.i64, here)
	case coltype.Decimal:
		switch e.typ {
		case physInt32:
			s.dec = widen(s.dec, p.i32, here)
		case physInt64:
			s.dec = widen(s.dec, p.i64, here)
		default:
			return s.appendEach(&c.dec, here)
		}
	case coltype.String, coltype.Binary:
		s.mark(n, true)
		if p.byDict {
			return s.appendFromDict(c.dec.dict, c.dec.codesOf(here))
		}
		return s.gatherBytes(p, here, n)
	default:
		return s.appendEach(&c.dec, here)
	}
	s.mark(n, true)
	return nil
}

// takeDirect notes n rows that lie in the sink already.
func (c *flatCursor) takeDirect(n int) bool {
	p, s := &c.dec.page, c.sink
	at4, at8 := s.w4[len(s.w4):cap(s.w4)], s.w8[len(s.w8):cap(s.w8)]
	switch {
	case n != p.n:
		return false
	case len(p.i32) == n && len(at4) >= n && &p.i32[0] == &at4[0]:
		s.w4 = s.w4[:len(s.w4)+n]
	case len(p.i64) == n && len(at8) >= n && &p.i64[0] == &at8[0]:
		s.w8 = s.w8[:len(s.w8)+n]
	default:
		return false
	}
	s.mark(n, true)
	return true
}

// appendEach appends range by range.
func (s *sink) appendEach(d *decoder, here []RowRange) error {
	for _, r := range here {
		if err := s.appendValues(d, int(r.Start), int(r.End)); err != nil {
			return err
		}
	}
	return nil
}

func gather[T any](dst, src []T, here []RowRange) []T {
	for _, r := range here {
		if r.End == r.Start+1 {
			dst = append(dst, src[r.Start])
		} else {
			dst = append(dst, src[r.Start:r.End]...)
		}
	}
	return dst
}

// widen appends whole numbers as decimals.
func widen[T int32 | int64](dst []decimal128.Num, src []T, here []RowRange) []decimal128.Num {
	for _, r := range here {
		n := len(dst)
		dst = extend(dst, int(r.End-r.Start))
		out := dst[n:]
		for i, v := range src[r.Start:r.End] {
			out[i] = decimal128.New(int64(v)>>63, uint64(int64(v)))
		}
	}
	return dst
}

// extend makes s longer by n elements of any value.
func extend[T any](s []T, n int) []T {
	if len(s)+n <= cap(s) {
		return s[:len(s)+n]
	}
	return append(s, make([]T, n)...)
}

// codesOf are the dictionary indices of here.
func (d *decoder) codesOf(here []RowRange) []int32 {
	if len(here) == 1 {
		return d.idx[here[0].Start:here[0].End]
	}
	d.picked = gather(d.picked[:0], d.idx, here)
	return d.picked
}

// wide is what short texts are copied in: what stands behind one is overwritten by the next.
const wide = 32

// gatherBytes appends n texts of a page.
func (s *sink) gatherBytes(p *decodedPage, here []RowRange, n int) error {
	total := 0
	for _, r := range here {
		total += int(p.offs[r.End] - p.offs[r.Start])
	}
	pos := len(s.data)
	if pos+total > math.MaxInt32 {
		return errBatchBytes
	}
	s.ensureData(total, n)
	out := s.data[:pos+total+wide]
	src := p.data
	if cap(src)-len(src) >= wide {
		src = src[:len(src)+wide]
	}
	at := len(s.offs)
	s.offs = extend(s.offs, n)
	offs := s.offs[at:]
	k := 0
	for _, r := range here {
		a, b := int(p.offs[r.Start]), int(p.offs[r.End])
		if b-a <= wide && a+wide <= len(src) {
			*(*[wide]byte)(out[pos:]) = *(*[wide]byte)(src[a:])
		} else {
			copy(out[pos:], src[a:b])
		}
		shift := int32(pos - a)
		for _, o := range p.offs[r.Start+1 : r.End+1] {
			offs[k] = int32(o) + shift
			k++
		}
		pos += b - a
	}
	s.data = out[:pos]
	return nil
}

// ensureData makes room for n more texts of total bytes, and for as many as the sink has been promised where they are
// as long as these.
func (s *sink) ensureData(total, n int) {
	need := len(s.data) + total + wide
	if cap(s.data) >= need {
		return
	}
	if left := s.wanted - s.rows; left > 0 && n > 0 {
		need += min(int(float64(total)/float64(n)*float64(left)*1.05)+wide, need+64<<20)
	}
	var data []byte
	if s.lent && need > leastPooled {
		data = takeBytes(need)[:len(s.data)]
	} else {
		data = make([]byte, len(s.data), max(need, min(2*cap(s.data), math.MaxInt32)))
	}
	copy(data, s.data)
	s.giveBack(s.data)
	s.data = data
	s.keep(data)
}

// fit moves the texts to less memory where those that came last were much shorter than the first.
func (s *sink) fit() {
	if s.wanted == 0 || cap(s.data) <= 2*len(s.data)+leastPooled {
		return
	}
	data := append(make([]byte, 0, len(s.data)), s.data...)
	s.giveBack(s.data)
	s.data = data
}

// keep notes memory of the pool.
func (s *sink) keep(b []byte) {
	if s.lent && cap(b) > leastPooled {
		s.pooled = append(s.pooled, b[:0])
	}
}

// giveBack returns memory that the sink has outgrown.
func (s *sink) giveBack(b []byte) {
	for i, p := range s.pooled {
		if cap(b) > 0 && &p[:1][0] == &b[:1][0] {
			s.pooled = slices.Delete(s.pooled, i, i+1)
			giveBytes(p)
			return
		}
	}
}

// room is have with capacity for n more elements of size bytes, from the pool where that is much.
func room[T any](s *sink, have []T, n, size int, cast func([]byte) []T) []T {
	switch {
	case cap(have)-len(have) >= n:
		return have
	case !s.lent || n*size <= leastPooled || len(have) > 1:
		return slices.Grow(have, n)
	}
	b := takeBytes(n * size)
	s.keep(b)
	return append(cast(b)[:0], have...)
}
