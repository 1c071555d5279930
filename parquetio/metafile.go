package parquetio

import "slices"

// Reading and writing of the footer's structs: statistics, column chunks, row groups, the file.

func (s *statistics) write(w *thriftWriter) {
	if s.nulls >= 0 {
		w.i64(3, s.nulls)
	}
	if s.maxValue != nil {
		w.bytes(5, s.maxValue)
	}
	if s.minValue != nil {
		w.bytes(6, s.minValue)
	}
	if s.maxValue != nil {
		w.boolean(7, s.maxExact)
	}
	if s.minValue != nil {
		w.boolean(8, s.minExact)
	}
	if s.nans >= 0 {
		w.i64(9, s.nans)
	}
}

func (s *statistics) read(r *thriftReader) {
	*s = statistics{nulls: -1, nans: -1}
	r.fields(func(id int16, typ byte) {
		switch {
		case id == 1 && typ == thriftBinary:
			s.max = slices.Clone(r.bytes())
		case id == 2 && typ == thriftBinary:
			s.min = slices.Clone(r.bytes())
		case id == 3 && typ == thriftI64:
			s.nulls = r.varint()
		case id == 5 && typ == thriftBinary:
			s.maxValue = append([]byte{}, r.bytes()...)
		case id == 6 && typ == thriftBinary:
			s.minValue = append([]byte{}, r.bytes()...)
		case id == 7:
			s.maxExact = typ == thriftTrue
		case id == 8:
			s.minExact = typ == thriftTrue
		case id == 9 && typ == thriftI64:
			s.nans = r.varint()
		default:
			r.skip(typ)
		}
	})
}

func (c *columnChunk) write(w *thriftWriter) {
	w.begin()
	start := c.dataOffset
	if c.dictOffset > 0 {
		start = c.dictOffset
	}
	w.i64(2, start)
	w.strct(3)
	w.i32(1, int32(c.typ))
	w.list(2, thriftI32, len(c.encodings))
	for _, e := range c.encodings {
		w.b = append(w.b, byte(e<<1)) // zigzag of a small number
	}
	w.list(3, thriftBinary, len(c.path))
	for _, p := range c.path {
		w.rawBytes([]byte(p))
	}
	w.i32(4, c.codec)
	w.i64(5, c.values)
	w.i64(6, c.uncompressed)
	w.i64(7, c.compressed)
	w.i64(9, c.dataOffset)
	if c.dictOffset > 0 {
		w.i64(11, c.dictOffset)
	}
	w.strct(12)
	c.stats.write(w)
	w.end()
	if c.bloomLength > 0 {
		w.i64(14, c.bloomOffset)
		w.i32(15, c.bloomLength)
	}
	w.end()
	if c.offsetIndexLength > 0 {
		w.i64(4, c.offsetIndexOffset)
		w.i32(5, c.offsetIndexLength)
	}
	if c.columnIndexLength > 0 {
		w.i64(6, c.columnIndexOffset)
		w.i32(7, c.columnIndexLength)
	}
	w.end()
}

func (c *columnChunk) read(r *thriftReader) {
	c.stats = statistics{nulls: -1, nans: -1}
	r.fields(func(id int16, typ byte) {
		switch {
		case id == 1 && typ == thriftBinary:
			c.filePath = string(r.bytes())
		case id == 3 && typ == thriftStruct:
			c.hasMeta = true
			r.fields(func(id int16, typ byte) { c.readMeta(r, id, typ) })
		case id == 4 && typ == thriftI64:
			c.offsetIndexOffset = r.varint()
		case id == 5 && typ == thriftI32:
			c.offsetIndexLength = r.i32()
		case id == 6 && typ == thriftI64:
			c.columnIndexOffset = r.varint()
		case id == 7 && typ == thriftI32:
			c.columnIndexLength = r.i32()
		default:
			r.skip(typ)
		}
	})
}

func (c *columnChunk) readMeta(r *thriftReader, id int16, typ byte) {
	switch {
	case id == 1 && typ == thriftI32:
		c.typ = physical(r.i32())
	case id == 3 && typ == thriftList:
		elem, n := r.list()
		for i := 0; i < n && r.err == nil; i++ {
			if elem != thriftBinary {
				r.fail("path of strings expected")
				return
			}
			c.path = append(c.path, string(r.bytes()))
		}
	case id == 4 && typ == thriftI32:
		c.codec = r.i32()
	case id == 5 && typ == thriftI64:
		c.values = r.varint()
	case id == 6 && typ == thriftI64:
		c.uncompressed = r.varint()
	case id == 7 && typ == thriftI64:
		c.compressed = r.varint()
	case id == 9 && typ == thriftI64:
		c.dataOffset = r.varint()
	case id == 11 && typ == thriftI64:
		c.dictOffset = r.varint()
	case id == 12 && typ == thriftStruct:
		c.stats.read(r)
	case id == 14 && typ == thriftI64:
		c.bloomOffset = r.varint()
	case id == 15 && typ == thriftI32:
		c.bloomLength = r.i32()
	default:
		r.skip(typ)
	}
}

func (g *rowGroup) write(w *thriftWriter, ordinal int) {
	w.begin()
	w.list(1, thriftStruct, len(g.columns))
	for i := range g.columns {
		g.columns[i].write(w)
	}
	w.i64(2, g.bytes)
	w.i64(3, g.rows)
	w.i64(5, g.fileOffset)
	w.i64(6, g.compressed)
	if ordinal <= 32767 {
		w.field(7, thriftI16)
		w.b = append(w.b, varint16(ordinal)...)
	}
	w.end()
}

func (g *rowGroup) read(r *thriftReader) {
	r.fields(func(id int16, typ byte) {
		switch {
		case id == 1:
			r.structs(typ, func(_, n int) {
				if g.columns == nil {
					g.columns = make([]columnChunk, 0, min(n, 4096))
				}
				var c columnChunk
				if c.read(r); !c.hasMeta {
					r.fail("column chunk without its description")
				}
				g.columns = append(g.columns, c)
			})
		case id == 2 && typ == thriftI64:
			g.bytes = r.varint()
		case id == 3 && typ == thriftI64:
			g.rows = r.varint()
		case id == 5 && typ == thriftI64:
			g.fileOffset = r.varint()
		case id == 6 && typ == thriftI64:
			g.compressed = r.varint()
		default:
			r.skip(typ)
		}
	})
}

func (m *fileMeta) write(w *thriftWriter) {
	w.begin()
	w.i32(1, 2)
	w.list(2, thriftStruct, len(m.schema))
	leaves := 0
	for i := range m.schema {
		m.schema[i].write(w)
		if m.schema[i].hasType {
			leaves++
		}
	}
	w.i64(3, m.rows)
	w.list(4, thriftStruct, len(m.groups))
	for i := range m.groups {
		m.groups[i].write(w, i)
	}
	w.str(6, m.createdBy)
	w.list(7, thriftStruct, leaves)
	for range leaves {
		w.begin()
		w.strct(1) // TYPE_ORDER
		w.end()
		w.end()
	}
	w.end()
}

func (m *fileMeta) read(r *thriftReader) {
	r.fields(func(id int16, typ byte) {
		switch {
		case id == 2:
			r.structs(typ, func(int, int) {
				var e schemaElement
				if e.read(r); e.name == "" && len(m.schema) > 0 && r.err == nil {
					r.fail("schema element without a name")
				}
				m.schema = append(m.schema, e)
			})
		case id == 3 && typ == thriftI64:
			m.rows = r.varint()
		case id == 4:
			r.structs(typ, func(int, int) {
				g := rowGroup{rows: -1}
				if g.read(r); g.rows < 0 {
					r.fail("row group without a row count")
				}
				m.groups = append(m.groups, g)
			})
		case id == 6 && typ == thriftBinary:
			m.createdBy = string(r.bytes())
		case id == 8 && typ == thriftStruct:
			r.fail("encrypted files are not supported")
		default:
			r.skip(typ)
		}
	})
}

func varint16(v int) []byte {
	var w thriftWriter
	w.begin()
	w.i32(1, int32(v))
	return w.b[1:]
}
