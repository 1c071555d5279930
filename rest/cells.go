package rest

import (
	"bytes"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
)

// directly is the encoder of a column of decimals, dates or timestamps that makes no value of a cell first; nil for others. What it
// appends is what appendValue does.
func directly(t coltype.Type, arr arrow.Array, asStrings bool) cellFunc {
	switch a := arr.(type) {
	case *array.Decimal128:
		scale := int(a.DataType().(*arrow.Decimal128Type).Scale)
		if t.Kind != coltype.Decimal || scale != t.Scale || scale < 0 {
			return nil
		}
		return func(buf []byte, i int) ([]byte, error) {
			if !asStrings {
				return coltype.AppendNumeric(buf, a.Value(i), scale), nil
			}
			return append(coltype.AppendNumeric(append(buf, '"'), a.Value(i), scale), '"'), nil
		}
	case *array.Date32:
		if t.Kind != coltype.Date {
			return nil
		}
		return func(buf []byte, i int) ([]byte, error) {
			return append(coltype.AppendDate(append(buf, '"'), int64(a.Value(i))-coltype.UnixToPGDays), '"'), nil
		}
	case *array.Timestamp:
		if t.Kind == coltype.Timestamp || t.Kind == coltype.TimestampTZ {
			return timestampCells(t, a, asStrings)
		}
	}
	return nil
}

func timestampCells(t coltype.Type, a *array.Timestamp, asStrings bool) cellFunc {
	tz := t.Kind == coltype.TimestampTZ
	return func(buf []byte, i int) ([]byte, error) {
		us := int64(a.Value(i))
		if us < math.MinInt64+coltype.UnixToPGMicros {
			v, err := coltype.ValueAt(t, a, i)
			if err != nil {
				return nil, err
			}
			return appendValue(buf, t, v, asStrings), nil
		}
		from := len(buf)
		buf = coltype.AppendTimestamp(append(buf, '"'), us-coltype.UnixToPGMicros, tz)
		text := buf[from+1:]
		blank := bytes.IndexByte(text, ' ')
		if blank < 0 || text[len(text)-1] == 'C' { // infinity, or before Christ
			return appendString(buf[:from], isoTime(string(text))), nil
		}
		text[blank] = 'T'
		if tz {
			buf = append(buf[:len(buf)-len("+00")], 'Z')
		}
		return append(buf, '"'), nil
	}
}
