package pgcopy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
)

// PostgreSQL's own limits, src/include/datatype/timestamp.h: days and µs since 2000-01-01.
const (
	minDate, endDate = -2451545, 2145031949
	minTime, endTime = -211813488000000000, 9223371331200000000
	dayMicros        = 86400_000_000
	unixDays         = 10957 // 1970-01-01 to 2000-01-01
	unixMicros       = unixDays * dayMicros
)

// badCell is a field that its type cannot have; row counts from the first of the fields.
type badCell struct {
	row int
	err error
}

func (e *badCell) Error() string { return e.err.Error() }

// newColumn chooses how the fields of a column are decoded, or reports a type that has no decoder.
func newColumn(t coltype.Type, dt arrow.DataType) (*column, error) {
	c := &column{typ: t, dt: dt, loop: (*column).loopEach}
	form := func(kind coltype.Kind, width int, one func(*column, []byte) (bool, error)) error {
		if t.Kind != kind {
			return fmt.Errorf("type %s: wire form %v does not carry a %v", t.Name, t.Wire, t.Kind)
		}
		c.width, c.one = width, one
		return nil
	}
	if t.Kind == coltype.List {
		return newList(c)
	}
	var err error
	switch t.Wire {
	case coltype.WireText:
		c.loop, err = (*column).loopRaw, form(coltype.String, 0, (*column).oneRaw)
	case coltype.WireRaw:
		kind := coltype.String
		if t.Kind == coltype.Binary {
			kind = coltype.Binary
		}
		c.loop, err = (*column).loopRaw, form(kind, 0, (*column).oneRaw)
	case coltype.WireJSONB:
		err = form(coltype.String, 0, (*column).oneJSONB)
	case coltype.WireBool:
		err = form(coltype.Bool, 0, (*column).oneBool)
	case coltype.WireInt2:
		err = form(coltype.Int32, 4, (*column).oneInt2)
	case coltype.WireInt4:
		c.loop, err = (*column).loop4, form(coltype.Int32, 4, (*column).one4)
	case coltype.WireInt8:
		c.loop, err = (*column).loop8, form(coltype.Int64, 8, (*column).one8)
	case coltype.WireOID:
		err = form(coltype.Int64, 8, (*column).oneOID)
	case coltype.WireFloat4:
		c.loop, err = (*column).loop4, form(coltype.Float32, 4, (*column).one4)
	case coltype.WireFloat8:
		c.loop, err = (*column).loop8, form(coltype.Float64, 8, (*column).one8)
	case coltype.WireNumeric:
		if t.Kind == coltype.Decimal {
			if t.Precision < 1 || t.Precision > 38 || t.Scale < 0 || t.Scale > t.Precision {
				return nil, fmt.Errorf("type %s: decimal(%d,%d) is outside 1 ≤ p ≤ 38, 0 ≤ s ≤ p", t.Name, t.Precision, t.Scale)
			}
			c.loop, err = (*column).loopDecimal, form(coltype.Decimal, 16, (*column).oneDecimal)
		} else {
			err = form(coltype.String, 0, (*column).oneNumericText)
		}
	case coltype.WireUUID:
		err = form(coltype.UUID, 16, (*column).oneUUID)
	case coltype.WireDate:
		c.loop, err = (*column).loopDate, form(coltype.Date, 4, (*column).oneDate)
	case coltype.WireTime:
		err = form(coltype.Time, 8, (*column).oneTime)
	case coltype.WireTimestamp:
		kind := coltype.Timestamp
		if t.Kind == coltype.TimestampTZ {
			kind = coltype.TimestampTZ
		}
		c.loop, err = (*column).loopTimestamp, form(kind, 8, (*column).oneTimestamp)
	default:
		err = fmt.Errorf("type %s: kind %v has no wire form %v", t.Name, t.Kind, t.Wire)
	}
	return c, err
}

// loopEach decodes one field after the other.
func (c *column) loopEach(buf []byte, fields []field) error {
	for i, f := range fields {
		if f.n < 0 {
			c.appendNull()
			continue
		}
		v := buf[f.off : f.off+f.n]
		fits, err := c.one(c, v)
		if err != nil {
			return &badCell{i, err}
		}
		if !fits {
			if err := c.keepExact(v); err != nil {
				return &badCell{i, err}
			}
		}
	}
	return nil
}

// keepExact makes the next row NULL and v, which the column cannot hold, exact text.
func (c *column) keepExact(v []byte) error {
	text, err := appendText(nil, c.typ, v)
	if err != nil {
		return err
	}
	c.appendExact(text)
	return nil
}

func (c *column) loopRaw(buf []byte, fields []field) error {
	total := 0
	for _, f := range fields {
		total += int(max(f.n, 0))
	}
	pos := c.data.n
	data := c.data.extend(total)
	offs := arrow.Int32Traits.CastFromBytes(c.offs.extend(4 * len(fields)))
	at := 0
	for i, f := range fields {
		if f.n < 0 {
			c.setNull(c.n + i)
		} else {
			at += copy(data[at:], buf[f.off:f.off+f.n])
		}
		offs[i] = int32(pos + at)
	}
	c.n += len(fields)
	return nil
}

func (c *column) loop4(buf []byte, fields []field) error {
	out := arrow.Uint32Traits.CastFromBytes(c.data.extend(4 * len(fields)))
	for i, f := range fields {
		if f.n != 4 {
			if f.n >= 0 {
				return &badCell{i, wrongLength(c.typ, int(f.n), 4)}
			}
			out[i] = 0
			c.setNull(c.n + i)
			continue
		}
		out[i] = binary.BigEndian.Uint32(buf[f.off:])
	}
	c.n += len(fields)
	return nil
}

func (c *column) loop8(buf []byte, fields []field) error {
	out := arrow.Uint64Traits.CastFromBytes(c.data.extend(8 * len(fields)))
	for i, f := range fields {
		if f.n != 8 {
			if f.n >= 0 {
				return &badCell{i, wrongLength(c.typ, int(f.n), 8)}
			}
			out[i] = 0
			c.setNull(c.n + i)
			continue
		}
		out[i] = binary.BigEndian.Uint64(buf[f.off:])
	}
	c.n += len(fields)
	return nil
}

func (c *column) loopDate(buf []byte, fields []field) error {
	for i, f := range fields {
		if f.n == 4 {
			if days := int32(binary.BigEndian.Uint32(buf[f.off:])); minDate <= days && days < endDate {
				c.put4(uint32(days + unixDays))
				continue
			}
		}
		if err := c.loopEach(buf, fields[i:i+1]); err != nil {
			return at(err, i)
		}
	}
	return nil
}

func (c *column) loopTimestamp(buf []byte, fields []field) error {
	for i, f := range fields {
		if f.n == 8 {
			if us := int64(binary.BigEndian.Uint64(buf[f.off:])); minTime <= us && us <= math.MaxInt64-unixMicros {
				c.put8(uint64(us + unixMicros))
				continue
			}
		}
		if err := c.loopEach(buf, fields[i:i+1]); err != nil {
			return at(err, i)
		}
	}
	return nil
}

// at moves the error of a single field to row i.
func at(err error, i int) error {
	if e := (*badCell)(nil); errors.As(err, &e) {
		e.row = i
	}
	return err
}

func (c *column) put4(v uint32) {
	binary.NativeEndian.PutUint32(c.data.extend(4), v)
	c.n++
}

func (c *column) put8(v uint64) {
	binary.NativeEndian.PutUint64(c.data.extend(8), v)
	c.n++
}

func wrongLength(t coltype.Type, got, want int) error {
	return fmt.Errorf("%v field of %d bytes, want %d", t.Wire, got, want)
}

func (c *column) oneRaw(v []byte) (bool, error) {
	copy(c.data.extend(len(v)), v)
	c.endValue()
	return true, nil
}

func (c *column) oneJSONB(v []byte) (bool, error) {
	if len(v) == 0 {
		return false, fmt.Errorf("jsonb field without its version byte")
	}
	if v[0] != 1 {
		return false, badJSONB(v[0])
	}
	return c.oneRaw(v[1:])
}

func badJSONB(version byte) error {
	return fmt.Errorf("jsonb field of version %d, want 1", version)
}

func (c *column) oneBool(v []byte) (bool, error) {
	if len(v) != 1 {
		return false, wrongLength(c.typ, len(v), 1)
	}
	if v[0] > 1 {
		return false, fmt.Errorf("bool field with byte %d, want 0 or 1", v[0])
	}
	c.appendBit(v[0] == 1)
	return true, nil
}

func (c *column) oneInt2(v []byte) (bool, error) {
	if len(v) != 2 {
		return false, wrongLength(c.typ, len(v), 2)
	}
	c.put4(uint32(int16(binary.BigEndian.Uint16(v))))
	return true, nil
}

func (c *column) one4(v []byte) (bool, error) {
	if len(v) != 4 {
		return false, wrongLength(c.typ, len(v), 4)
	}
	c.put4(binary.BigEndian.Uint32(v))
	return true, nil
}

func (c *column) one8(v []byte) (bool, error) {
	if len(v) != 8 {
		return false, wrongLength(c.typ, len(v), 8)
	}
	c.put8(binary.BigEndian.Uint64(v))
	return true, nil
}

func (c *column) oneOID(v []byte) (bool, error) {
	if len(v) != 4 {
		return false, wrongLength(c.typ, len(v), 4)
	}
	c.put8(uint64(binary.BigEndian.Uint32(v)))
	return true, nil
}

func (c *column) oneUUID(v []byte) (bool, error) {
	if len(v) != 16 {
		return false, wrongLength(c.typ, len(v), 16)
	}
	copy(c.data.extend(16), v)
	c.n++
	return true, nil
}

func (c *column) oneDate(v []byte) (bool, error) {
	days, err := readDate(v)
	if err != nil || days < minDate || days >= endDate {
		return false, err
	}
	c.put4(uint32(days + unixDays))
	return true, nil
}

func (c *column) oneTime(v []byte) (bool, error) {
	us, err := readTime(v)
	if err != nil || us == dayMicros {
		return false, err
	}
	c.put8(uint64(us))
	return true, nil
}

func (c *column) oneTimestamp(v []byte) (bool, error) {
	us, err := readTimestamp(v)
	if err != nil || us < minTime || us > math.MaxInt64-unixMicros {
		return false, err
	}
	c.put8(uint64(us + unixMicros))
	return true, nil
}

// readDate is the days since 2000-01-01, or MinInt32 and MaxInt32 for the infinities.
func readDate(v []byte) (int32, error) {
	if len(v) != 4 {
		return 0, fmt.Errorf("date field of %d bytes, want 4", len(v))
	}
	days := int32(binary.BigEndian.Uint32(v))
	if infinite := days == math.MinInt32 || days == math.MaxInt32; !infinite && (days < minDate || days >= endDate) {
		return 0, fmt.Errorf("date field of %d days since 2000-01-01, outside PostgreSQL's range", days)
	}
	return days, nil
}

func readTime(v []byte) (int64, error) {
	if len(v) != 8 {
		return 0, fmt.Errorf("time field of %d bytes, want 8", len(v))
	}
	us := int64(binary.BigEndian.Uint64(v))
	if us < 0 || us > dayMicros {
		return 0, fmt.Errorf("time field of %d µs, outside 0 to 24 hours", us)
	}
	return us, nil
}

// readTimestamp is the µs since 2000-01-01, or MinInt64 and MaxInt64 for the infinities.
func readTimestamp(v []byte) (int64, error) {
	if len(v) != 8 {
		return 0, fmt.Errorf("timestamp field of %d bytes, want 8", len(v))
	}
	us := int64(binary.BigEndian.Uint64(v))
	if infinite := us == math.MinInt64 || us == math.MaxInt64; !infinite && (us < minTime || us >= endTime) {
		return 0, fmt.Errorf("timestamp field of %d µs since 2000-01-01, outside PostgreSQL's range", us)
	}
	return us, nil
}
