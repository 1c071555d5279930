package load

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

// The cells of a row stand one after another, each a tag and what follows it. Equal cells have equal bytes, so that a row's
// hash is that of its values.
const (
	nullCell byte = iota
	intCell       // 8 bytes
	realCell      // 8 bytes
	textCell      // 4 bytes of length, then the bytes
	blobCell      // the same
)

// cells are some rows.
type cells struct {
	buf   []byte
	start int   // of the first row in buf
	ends  []int // of each row in buf
	err   error // instead of rows: the source has failed
}

func (c *cells) len() int { return len(c.ends) }

func (c *cells) row(i int) []byte {
	if i == 0 {
		return c.buf[c.start:c.ends[0]]
	}
	return c.buf[c.ends[i-1]:c.ends[i]]
}

func (c *cells) slice(from, to int) *cells {
	start := c.start
	if from > 0 {
		start = c.ends[from-1]
	}
	return &cells{buf: c.buf, start: start, ends: c.ends[from:to]}
}

func appendInt(dst []byte, v int64) []byte {
	return binary.LittleEndian.AppendUint64(append(dst, intCell), uint64(v))
}

func appendReal(dst []byte, v float64) []byte {
	if math.IsNaN(v) { // SQLite would take it for NULL
		return appendText(dst, "NaN")
	}
	// SQLite's REAL columns have one zero.
	return binary.LittleEndian.AppendUint64(append(dst, realCell), math.Float64bits(v+0))
}

func appendText[S string | []byte](dst []byte, s S) []byte {
	dst = binary.LittleEndian.AppendUint32(append(dst, textCell), uint32(len(s)))
	return append(dst, s...)
}

func appendBlob[S string | []byte](dst []byte, s S) []byte {
	dst = binary.LittleEndian.AppendUint32(append(dst, blobCell), uint32(len(s)))
	return append(dst, s...)
}

// texts makes an appender of text cells from one of plain text.
func texts(text appender) appender {
	return func(dst []byte, i int) ([]byte, error) {
		dst = append(dst, textCell, 0, 0, 0, 0)
		at := len(dst)
		dst, err := text(dst, i)
		binary.LittleEndian.PutUint32(dst[at-4:], uint32(len(dst)-at))
		return dst, err
	}
}

// encodeCells encodes n rows; a nil array is NULL in all of them. exact, which may be nil, gives the cells of a row that stand as
// their exact text, by column.
func encodeCells(columns []liteColumn, arrays []arrow.Array, n int, exact func(row int) map[int]string) (*cells, error) {
	encode := make([]appender, len(columns))
	for i, a := range arrays {
		if a == nil {
			continue
		}
		var err error
		if encode[i], err = cellsOf(a, columns[i].form); err != nil {
			return nil, fmt.Errorf("column %q: %w", columns[i].source, err)
		}
	}
	c := &cells{ends: make([]int, 0, n)}
	for row := range n {
		var texts map[int]string
		if exact != nil {
			texts = exact(row)
		}
		for i := range columns {
			switch a := arrays[i]; {
			case texts != nil && has(texts, i):
				c.buf = appendText(c.buf, texts[i])
			case a == nil || null(a, row):
				c.buf = append(c.buf, nullCell)
			default:
				var err error
				if c.buf, err = encode[i](c.buf, row); err != nil {
					return nil, fmt.Errorf("row %d of the batch, column %q: %w: %w", row+1, columns[i].source, ErrRejected, err)
				}
			}
		}
		c.ends = append(c.ends, len(c.buf))
	}
	return c, nil
}

func has(m map[int]string, i int) bool { _, ok := m[i]; return ok }

// cellsOf gives what appends a cell of an array that is not NULL.
func cellsOf(a arrow.Array, form liteForm) (appender, error) {
	switch a := a.(type) {
	case array.ExtensionArray:
		if a.DataType().(arrow.ExtensionType).ExtensionName() == "arrow.uuid" {
			text, err := bind(a, want{})
			return texts(text), err
		}
		return cellsOf(a.Storage(), form)
	case *array.Dictionary:
		values, err := cellsOf(a.Dictionary(), form)
		return func(dst []byte, i int) ([]byte, error) { return values(dst, a.GetValueIndex(i)) }, err
	case *array.Null:
		return func(dst []byte, _ int) ([]byte, error) { return append(dst, nullCell), nil }, nil
	case *array.Boolean:
		return func(dst []byte, i int) ([]byte, error) {
			if a.Value(i) {
				return appendInt(dst, 1), nil
			}
			return appendInt(dst, 0), nil
		}, nil
	case *array.Int8:
		return wholes(a.Value), nil
	case *array.Int16:
		return wholes(a.Value), nil
	case *array.Int32:
		return wholes(a.Value), nil
	case *array.Int64:
		return wholes(a.Value), nil
	case *array.Uint8:
		return wholes(a.Value), nil
	case *array.Uint16:
		return wholes(a.Value), nil
	case *array.Uint32:
		return wholes(a.Value), nil
	case *array.Float16:
		return func(dst []byte, i int) ([]byte, error) { return appendReal(dst, float64(a.Value(i).Float32())), nil }, nil
	case *array.Float32:
		return func(dst []byte, i int) ([]byte, error) { return appendReal(dst, float64(a.Value(i))), nil }, nil
	case *array.Float64:
		return func(dst []byte, i int) ([]byte, error) { return appendReal(dst, a.Value(i)), nil }, nil
	case *array.Decimal128:
		if form == intForm {
			return func(dst []byte, i int) ([]byte, error) { return appendInt(dst, int64(a.Value(i).LowBits())), nil }, nil
		}
	case *array.String:
		return strings8(a.Value), nil
	case *array.LargeString:
		return strings8(a.Value), nil
	case *array.StringView:
		return strings8(a.Value), nil
	case *array.Binary:
		return blobs(a.Value), nil
	case *array.LargeBinary:
		return blobs(a.Value), nil
	case *array.BinaryView:
		return blobs(a.Value), nil
	case *array.FixedSizeBinary:
		return blobs(a.Value), nil
	case array.ListLike, *array.Struct:
		return texts(func(dst []byte, i int) ([]byte, error) { return appendJSON(dst, a, i) }), nil
	}
	if text := timeCells(a); text != nil {
		return texts(text), nil
	}
	text, err := bind(a, want{scale: -1, fraction: 6})
	return texts(text), err
}

func wholes[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](value func(int) T) appender {
	return func(dst []byte, i int) ([]byte, error) { return appendInt(dst, int64(value(i))), nil }
}

// strings8 keeps bytes that are no UTF-8 as a blob: what reads the file would stumble over such a text.
func strings8(value func(int) string) appender {
	return func(dst []byte, i int) ([]byte, error) {
		s := value(i)
		if !utf8.ValidString(s) {
			return appendBlob(dst, s), nil
		}
		return appendText(dst, s), nil
	}
}

func blobs(value func(int) []byte) appender {
	return func(dst []byte, i int) ([]byte, error) { return appendBlob(dst, value(i)), nil }
}

// timeCells are dates and times in ISO 8601, nil for other arrays.
func timeCells(a arrow.Array) appender {
	switch a := a.(type) {
	case int96s:
		return func(dst []byte, i int) ([]byte, error) {
			v := a.Value(i)
			nanos, day := int64(binary.LittleEndian.Uint64(v)), int64(int32(binary.LittleEndian.Uint32(v[8:])))
			if day < 0 || day > maxDay || nanos < -86400e9 || nanos > 2*86400e9 { // as in micros
				return dst, errTime
			}
			sec, rest := floorDiv(nanos, 1e9)
			return appendMoment(dst, (day-julian1970)*86400+sec, rest, 1e9, true)
		}
	case *array.Date32:
		return func(dst []byte, i int) ([]byte, error) {
			return coltype.AppendDate(dst, int64(a.Value(i))-unixDays), nil
		}
	case *array.Date64:
		return func(dst []byte, i int) ([]byte, error) {
			if ms := int64(a.Value(i)); ms%86400000 != 0 {
				sec, rest := floorDiv(ms, 1000)
				return appendMoment(dst, sec, rest, 1000, false)
			}
			return coltype.AppendDate(dst, int64(a.Value(i))/86400000-unixDays), nil
		}
	case *array.Time32:
		unit := perSecond(a.DataType().(*arrow.Time32Type).Unit)
		return func(dst []byte, i int) ([]byte, error) { return appendClock(dst, int64(a.Value(i)), unit) }
	case *array.Time64:
		unit := perSecond(a.DataType().(*arrow.Time64Type).Unit)
		return func(dst []byte, i int) ([]byte, error) { return appendClock(dst, int64(a.Value(i)), unit) }
	case *array.Timestamp:
		typ := a.DataType().(*arrow.TimestampType)
		unit := perSecond(typ.Unit)
		return func(dst []byte, i int) ([]byte, error) {
			sec, rest := floorDiv(int64(a.Value(i)), unit)
			return appendMoment(dst, sec, rest, unit, typ.TimeZone != "")
		}
	case *array.Duration:
		unit := perSecond(a.DataType().(*arrow.DurationType).Unit)
		return func(dst []byte, i int) ([]byte, error) {
			v := int64(a.Value(i))
			abs := uint64(v)
			if v < 0 {
				dst, abs = append(dst, '-'), -abs
			}
			dst = fmt.Appendf(dst, "PT%d", abs/uint64(unit))
			return append(appendFraction(dst, int64(abs%uint64(unit)), unit), 'S'), nil
		}
	}
	return nil
}

func floorDiv(v, unit int64) (whole, rest int64) {
	whole, rest = v/unit, v%unit
	if rest < 0 {
		whole, rest = whole-1, rest+unit
	}
	return whole, rest
}

func perSecond(unit arrow.TimeUnit) int64 {
	return map[arrow.TimeUnit]int64{arrow.Second: 1, arrow.Millisecond: 1e3, arrow.Microsecond: 1e6, arrow.Nanosecond: 1e9}[unit]
}

// appendMoment appends sec seconds since 1970 and rest/unit of one, as 2024-02-29 12:00:00.5, and +00:00 of an instant; " BC"
// ends it as in PostgreSQL.
func appendMoment(dst []byte, sec, rest, unit int64, instant bool) ([]byte, error) {
	if sec < coltype.MinTimestamp/1000000+unixMicros/1000000 || sec > coltype.MaxTimestamp/1000000+unixMicros/1000000 {
		return dst, errTime
	}
	dst = coltype.AppendTimestamp(dst, sec*1000000-unixMicros, false)
	bc := strings.HasSuffix(string(dst[max(0, len(dst)-3):]), " BC")
	if bc {
		dst = dst[:len(dst)-3]
	}
	dst = appendFraction(dst, rest, unit)
	if instant {
		dst = append(dst, "+00:00"...)
	}
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst, nil
}

// appendClock appends v units since midnight.
func appendClock(dst []byte, v, unit int64) ([]byte, error) {
	if v < 0 || v > 86400*unit {
		return dst, errTime
	}
	return appendFraction(coltype.AppendTime(dst, v/unit*1000000), v%unit, unit), nil
}

// appendFraction appends a point and rest/unit without zeros at the end; nothing for 0.
func appendFraction(dst []byte, rest, unit int64) []byte {
	if rest == 0 {
		return dst
	}
	for rest%10 == 0 {
		rest, unit = rest/10, unit/10
	}
	dst = append(dst, '.')
	for unit /= 10; unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+rest/unit%10))
	}
	return dst
}

// repeated is a folder's value as a column.
func repeated(c liteColumn, value string, n int) arrow.Array {
	if c.form == intForm {
		b := array.NewInt64Builder(memory.DefaultAllocator)
		defer b.Release()
		v, _ := strconv.ParseInt(value, 10, 64) // hiveType has seen that it is a number
		for range n {
			b.Append(v)
		}
		return b.NewArray()
	}
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	for range n {
		b.Append(value)
	}
	return b.NewArray()
}
