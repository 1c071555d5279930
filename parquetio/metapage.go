package parquetio

import "slices"

func (h *pageHeader) write(w *thriftWriter) {
	w.begin()
	w.i32(1, h.typ)
	w.i32(2, h.uncompressed)
	w.i32(3, h.compressed)
	if h.hasCRC {
		w.i32(4, h.crc)
	}
	switch h.typ {
	case pageData:
		w.strct(5)
		w.i32(1, h.values)
		w.i32(2, h.encoding)
		w.i32(3, encRLE)
		w.i32(4, encRLE)
		w.end()
	case pageDictionary:
		w.strct(7)
		w.i32(1, h.values)
		w.i32(2, h.encoding)
		w.end()
	case pageDataV2:
		w.strct(8)
		w.i32(1, h.values)
		w.i32(2, h.nulls)
		w.i32(3, h.rows)
		w.i32(4, h.encoding)
		w.i32(5, h.defLen)
		w.i32(6, h.repLen)
		w.boolean(7, h.isCompressed)
		w.end()
	}
	w.end()
}

// readPageHeader reads the header at the start of b and says how long it is. Every size in it is
// checked to be not negative.
func readPageHeader(b []byte) (pageHeader, int, error) {
	h := pageHeader{typ: -1, uncompressed: -1, compressed: -1, isCompressed: true}
	r := thriftReader{b: b}
	r.fields(func(id int16, typ byte) {
		switch {
		case id == 1 && typ == thriftI32:
			h.typ = r.i32()
		case id == 2 && typ == thriftI32:
			h.uncompressed = r.i32()
		case id == 3 && typ == thriftI32:
			h.compressed = r.i32()
		case id == 4 && typ == thriftI32:
			h.crc, h.hasCRC = r.i32(), true
		case id == 5 && typ == thriftStruct && h.typ == pageData:
			h.readFields(&r, 1, 0, 0, 2, 3, 4, 0)
		case id == 7 && typ == thriftStruct && h.typ == pageDictionary:
			h.readFields(&r, 1, 0, 0, 2, 0, 0, 0)
		case id == 8 && typ == thriftStruct && h.typ == pageDataV2:
			h.readFields(&r, 1, 2, 3, 4, 5, 6, 7)
		default:
			r.skip(typ)
		}
	})
	if r.err != nil {
		return h, 0, r.err
	}
	if h.compressed < 0 || h.uncompressed < 0 || h.values < 0 || h.nulls < 0 || h.rows < 0 || h.defLen < 0 || h.repLen < 0 ||
		(h.typ != pageIndex && !h.hasHeader) {
		return h, 0, corruptf("page header is not valid")
	}
	return h, r.off, nil
}

// readFields reads one of the page type's own headers: the arguments are field ids, 0 for none.
// Levels are encodings in V1 (isCompressed 0) and lengths in V2.
func (h *pageHeader) readFields(r *thriftReader, values, nulls, rows, encoding, def, rep, isCompressed int16) {
	h.hasHeader = true
	r.fields(func(id int16, typ byte) {
		switch {
		case typ == thriftI32 && id == values:
			h.values = r.i32()
		case typ == thriftI32 && id == nulls && nulls != 0:
			h.nulls = r.i32()
		case typ == thriftI32 && id == rows && rows != 0:
			h.rows = r.i32()
		case typ == thriftI32 && id == encoding:
			h.encoding = r.i32()
		case typ == thriftI32 && id == def && def != 0:
			if isCompressed == 0 {
				h.defEncoding = r.i32()
			} else {
				h.defLen = r.i32()
			}
		case typ == thriftI32 && id == rep && rep != 0:
			if isCompressed == 0 {
				h.repEncoding = r.i32()
			} else {
				h.repLen = r.i32()
			}
		case id == isCompressed && isCompressed != 0:
			h.isCompressed = typ == thriftTrue
		default:
			r.skip(typ)
		}
	})
}

func writeOffsetIndex(w *thriftWriter, locs []pageLocation) {
	w.begin()
	w.list(1, thriftStruct, len(locs))
	for _, l := range locs {
		w.begin()
		w.i64(1, l.offset)
		w.i32(2, l.size)
		w.i64(3, l.first)
		w.end()
	}
	w.end()
}

func readOffsetIndex(b []byte) ([]pageLocation, error) {
	var locs []pageLocation
	r := thriftReader{b: b}
	r.fields(func(id int16, typ byte) {
		if id != 1 {
			r.skip(typ)
			return
		}
		r.structs(typ, func(int, int) {
			var l pageLocation
			r.fields(func(id int16, typ byte) {
				switch {
				case id == 1 && typ == thriftI64:
					l.offset = r.varint()
				case id == 2 && typ == thriftI32:
					l.size = r.i32()
				case id == 3 && typ == thriftI64:
					l.first = r.varint()
				default:
					r.skip(typ)
				}
			})
			locs = append(locs, l)
		})
	})
	return locs, r.err
}

func (x *columnIndex) write(w *thriftWriter) {
	w.begin()
	w.list(1, thriftTrue, len(x.nullPages))
	for _, p := range x.nullPages {
		if p {
			w.b = append(w.b, thriftTrue)
		} else {
			w.b = append(w.b, thriftFalse)
		}
	}
	for id, list := range [][][]byte{x.mins, x.maxs} {
		w.list(int16(id+2), thriftBinary, len(list))
		for _, v := range list {
			w.rawBytes(v)
		}
	}
	w.i32(4, x.order)
	w.list(5, thriftI64, len(x.nulls))
	for _, n := range x.nulls {
		var one thriftWriter
		one.begin()
		one.i64(1, n)
		w.b = append(w.b, one.b[1:]...)
	}
	w.end()
}

func readColumnIndex(b []byte) (*columnIndex, error) {
	x := &columnIndex{}
	r := thriftReader{b: b}
	r.fields(func(id int16, typ byte) {
		switch {
		case id == 1 && typ == thriftList:
			_, n := r.list()
			for i := 0; i < n && r.err == nil; i++ {
				x.nullPages = append(x.nullPages, r.byte() == thriftTrue)
			}
		case (id == 2 || id == 3) && typ == thriftList:
			elem, n := r.list()
			if n > 0 && elem != thriftBinary {
				r.fail("list of bytes expected")
				return
			}
			var list [][]byte
			for i := 0; i < n && r.err == nil; i++ {
				list = append(list, slices.Clone(r.bytes()))
			}
			if id == 2 {
				x.mins = list
			} else {
				x.maxs = list
			}
		case id == 4 && typ == thriftI32:
			x.order = r.i32()
		case id == 5 && typ == thriftList:
			elem, n := r.list()
			if n > 0 && elem != thriftI64 {
				r.fail("list of int64 expected")
				return
			}
			for i := 0; i < n && r.err == nil; i++ {
				x.nulls = append(x.nulls, r.varint())
			}
		default:
			r.skip(typ)
		}
	})
	if r.err == nil && (len(x.mins) != len(x.nullPages) || len(x.maxs) != len(x.nullPages) ||
		(x.nulls != nil && len(x.nulls) != len(x.nullPages))) {
		r.fail("column index has lists of different lengths")
	}
	return x, r.err
}
