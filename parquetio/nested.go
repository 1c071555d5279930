package parquetio

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// nestedSink gathers lists, or maps of key and value.
type nestedSink struct {
	dt    arrow.DataType
	rows  int
	nulls int
	valid []byte
	offs  []int32
	elems []*sink
}

func (s *nestedSink) reset() {
	s.rows, s.nulls, s.valid = 0, 0, s.valid[:0]
	s.offs = append(s.offs[:0], 0)
	for _, e := range s.elems {
		e.reset()
	}
}

func (s *nestedSink) endRow(valid bool) {
	s.valid = growBits(s.valid, s.rows+1)
	if valid {
		bitutil.SetBit(s.valid, s.rows)
	} else {
		s.nulls++
	}
	s.rows++
	s.offs = append(s.offs, int32(s.elems[0].rows))
}

func (s *nestedSink) appendNulls(n int) {
	s.rows += n
	s.nulls += n
	s.valid = growBits(s.valid, s.rows)
	at := len(s.offs)
	s.offs = appendZeros(s.offs, n)
	for i := range s.offs[at:] {
		s.offs[at+i] = int32(s.elems[0].rows)
	}
}

func (s *nestedSink) array() arrow.Array {
	var valid *memory.Buffer
	if s.nulls > 0 {
		valid = memory.NewBufferBytes(s.valid)
	}
	buffers := []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(s.offs))}
	child := s.elems[0].arrayData()
	if m, ok := s.dt.(*arrow.MapType); ok {
		child = array.NewData(m.Elem(), s.elems[0].rows, []*memory.Buffer{nil},
			[]arrow.ArrayData{s.elems[0].arrayData(), s.elems[1].arrayData()}, 0, 0)
	}
	return array.MakeFromData(array.NewData(s.dt, s.rows, buffers, []arrow.ArrayData{child}, s.nulls, 0))
}

// leafStream yields the levels of one nested leaf.
type leafStream struct {
	dec   decoder
	pages []pageBuf
	next  int
	row   int64 // row of the next level, as far as the page index says
	pos   int   // next level of the page
	val   int   // and its value
}

// more makes the next level readable; false at the end.
func (s *leafStream) more() (bool, error) {
	for s.pos >= s.dec.page.levels {
		if s.next == len(s.pages) {
			return false, nil
		}
		if err := s.load(); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (s *leafStream) load() error {
	p := s.pages[s.next]
	s.next++
	h, body, _, err := s.dec.header(p.buf)
	if err != nil {
		return err
	}
	if err := s.dec.readPage(&h, body); err != nil {
		return err
	}
	s.pos, s.val = 0, 0
	if p.rows < 0 {
		return nil
	}
	rows := int64(s.dec.page.levels)
	if !s.dec.page.null {
		rows = 0
		for _, r := range s.dec.page.reps {
			if r == 0 {
				rows++
			}
		}
	}
	if rows != p.rows || (s.dec.page.levels > 0 && s.dec.page.reps[0] != 0) {
		return corruptf("page of %d rows where the index has %d", rows, p.rows)
	}
	s.row = p.first
	return nil
}

// nestedCursor reads a list or a map.
type nestedCursor struct {
	col     *fileColumn
	streams []*leafStream
	sink    *nestedSink
	row     int64 // next row of the streams
}

func (c *nestedCursor) array() arrow.Array { return c.sink.array() }
func (c *nestedCursor) reset()             { c.sink.reset() }

func (c *nestedCursor) take(from, to int64) error {
	for from < to && c.row < to {
		lead := c.streams[0]
		ok, err := lead.more()
		if err != nil {
			return err
		}
		if !ok {
			return corruptf("no page has row %d", c.row)
		}
		if lead.pos == 0 && lead.pages[lead.next-1].rows >= 0 {
			if lead.row < c.row || lead.row > max(c.row, from) {
				return corruptf("no page has row %d", max(c.row, from))
			}
			c.row = lead.row // the pages between were not fetched
		}
		if n, err := c.nullRows(to - c.row); err != nil {
			return err
		} else if n > 0 {
			if keep := c.row + n - max(c.row, from); keep > 0 {
				c.sink.appendNulls(int(keep))
			}
			c.row += n
			continue
		}
		if err := c.oneRow(c.row >= from); err != nil {
			return err
		}
		c.row++
	}
	return nil
}

// nullRows passes over at most limit rows of pages that hold nothing but NULL, as those of the side
// column do nearly always, and counts them.
func (c *nestedCursor) nullRows(limit int64) (int64, error) {
	n := limit
	if c.col.outerDef == 0 { // level 0 is an empty list
		return 0, nil
	}
	for _, s := range c.streams {
		ok, err := s.more()
		if err != nil || !ok || !s.dec.page.null {
			return 0, err
		}
		n = min(n, int64(s.dec.page.levels-s.pos))
	}
	for _, s := range c.streams {
		s.pos += int(n)
	}
	return n, nil
}

// oneRow reads the levels of one row from all streams, which must agree about its elements.
func (c *nestedCursor) oneRow(keep bool) error {
	elems := -1
	isNull := false
	for i, s := range c.streams {
		levels, n := 0, 0
		for {
			ok, err := s.more()
			if err != nil {
				return err
			}
			if !ok || levels > 0 && s.dec.page.reps[s.pos] == 0 {
				break
			}
			if levels == 0 && s.dec.page.reps[s.pos] != 0 {
				return corruptf("a row starts in the middle of a list")
			}
			def := int(s.dec.page.defs[s.pos])
			s.pos++
			levels++
			if def >= c.col.repDef {
				n++
			} else {
				isNull = def < c.col.outerDef
			}
			if n < levels && levels > 1 {
				return corruptf("an empty list has elements")
			}
			if err := c.element(s, i, def, keep); err != nil {
				return err
			}
		}
		if levels == 0 {
			return corruptf("a nested column ends too early")
		}
		if i > 0 && n != elems {
			return corruptf("keys and values of a map differ in number")
		}
		elems = n
	}
	if keep {
		c.sink.endRow(!isNull)
	}
	return nil
}

// element consumes the value of a level, if it has one.
func (c *nestedCursor) element(s *leafStream, i, def int, keep bool) error {
	if def == s.dec.leaf.maxDef {
		s.val++
		if keep {
			return c.sink.elems[i].appendValues(&s.dec, s.val-1, s.val)
		}
	} else if def >= c.col.repDef {
		if i == 0 && c.col.shape == shapeMap {
			return corruptf("a key of a map is NULL")
		}
		if keep {
			c.sink.elems[i].appendNulls(1)
		}
	}
	return nil
}
