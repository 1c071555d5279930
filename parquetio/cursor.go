package parquetio

import (
	"github.com/apache/arrow-go/v18/arrow"
)

// cursor reads one output column of a row group from front to back.
type cursor interface {
	// take appends rows [from, to) of the row group; ranges ascend.
	take(from, to int64) error
	// array is what was taken since the last reset. It lies in the cursor's memory.
	array() arrow.Array
	reset()
}

// pageBuf is one page's bytes, header included; nil when it was not fetched. rows is -1 when it is
// only known after decoding.
type pageBuf struct {
	first, rows int64
	buf         []byte
}

// flatCursor reads a flat column.
type flatCursor struct {
	dec   decoder
	sink  *sink
	pages []pageBuf
	next  int // the page after the current one

	first, end int64 // rows of the current page
	row        int64 // next row in it, and
	val        int   // its first value

	form form
	at   int // the page of the window's first row
}

func (c *flatCursor) array() arrow.Array { return c.sink.array() }
func (c *flatCursor) reset()             { c.sink.reset() }

func (c *flatCursor) take(from, to int64) error {
	for from < to {
		if from >= c.end {
			if err := c.load(from); err != nil {
				return err
			}
		}
		if err := c.skip(from); err != nil {
			return err
		}
		n := min(to, c.end) - from
		if err := c.appendRows(int(n)); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// load decodes the page that holds row.
func (c *flatCursor) load(row int64) error {
	for c.next < len(c.pages) && c.pages[c.next].first+c.pages[c.next].rows <= row {
		c.next++
	}
	if c.next == len(c.pages) || c.pages[c.next].first > row || c.pages[c.next].buf == nil {
		return corruptf("no page has row %d", row)
	}
	p := c.pages[c.next]
	c.next++
	h, body, _, err := c.dec.header(p.buf)
	if err != nil {
		return err
	}
	if int64(h.values) != p.rows {
		return corruptf("page of %d values where the index has %d rows", h.values, p.rows)
	}
	if err := c.dec.readPage(&h, body); err != nil {
		return err
	}
	c.first, c.end, c.row, c.val = p.first, p.first+p.rows, p.first, 0
	return nil
}

// skip moves on to row in the current page.
func (c *flatCursor) skip(row int64) error {
	defs := c.dec.page.defs
	if defs == nil {
		c.val += int(row - c.row)
	} else {
		for _, d := range defs[c.row-c.first : row-c.first] {
			c.val += int(d)
		}
	}
	c.row = row
	return nil
}

// appendRows gives the next n rows of the page to the sink.
func (c *flatCursor) appendRows(n int) error {
	defs := c.dec.page.defs
	if defs == nil {
		c.row += int64(n)
		c.val += n
		return c.sink.appendValues(&c.dec, c.val-n, c.val)
	}
	at := int(c.row - c.first)
	defs = defs[at : at+n]
	c.row += int64(n)
	for i := 0; i < n; {
		k := i + 1
		for k < n && defs[k] == defs[i] {
			k++
		}
		if defs[i] == 0 {
			c.sink.appendNulls(k - i)
		} else {
			if err := c.sink.appendValues(&c.dec, c.val, c.val+k-i); err != nil {
				return err
			}
			c.val += k - i
		}
		i = k
	}
	return nil
}

// missing is a column that the file lacks.
type missing struct{ out output }

func (c *missing) take(from, to int64) error { c.out.appendNulls(int(to - from)); return nil }
func (c *missing) array() arrow.Array        { return c.out.array() }
func (c *missing) reset()                    { c.out.reset() }

// output is a sink of any shape.
type output interface {
	appendNulls(n int)
	array() arrow.Array
	reset()
}
