package pgcopy

import (
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/bitutil"

	"frostline/coltype"
)

// listScratch is reused from one array to the next.
type listScratch struct {
	literal, elem []byte
}

// appendCopyText appends row i as a field of text COPY: \N for NULL, else the value's output text escaped
// (manual page of COPY, "Text Format").
func (s *source) appendCopyText(dst []byte, i int, scratch *listScratch) ([]byte, error) {
	if s.null(i) {
		if text, ok := s.exact[i]; ok {
			return appendEscaped(dst, []byte(text)), nil
		}
		return append(dst, '\\', 'N'), nil
	}
	switch s.typ.Kind {
	case coltype.String:
		return appendEscaped(dst, s.str(i)), nil
	case coltype.Binary:
		if s.typ.Base != "geometry" && s.typ.Base != "geography" {
			dst = append(dst, '\\') // of the \x that is to come
		}
		return s.appendOut(dst, i)
	case coltype.List:
		literal, err := s.appendLiteral(scratch.literal[:0], i, scratch)
		scratch.literal = literal
		return appendEscaped(dst, literal), err
	}
	return s.appendOut(dst, i) // these print nothing that is escaped
}

// appendOut appends what the output function prints of row i, which is not NULL.
func (s *source) appendOut(dst []byte, i int) ([]byte, error) {
	switch s.typ.Kind {
	case coltype.Bool:
		if bitutil.BitIsSet(s.bits, s.offset+i) {
			return append(dst, 't'), nil
		}
		return append(dst, 'f'), nil
	case coltype.Int32:
		return strconv.AppendInt(dst, int64(s.i32[i]), 10), nil
	case coltype.Int64:
		return strconv.AppendInt(dst, s.i64[i], 10), nil
	case coltype.Float32:
		return coltype.AppendFloat4(dst, math.Float32frombits(s.u32[i])), nil
	case coltype.Float64:
		return coltype.AppendFloat8(dst, math.Float64frombits(s.u64[i])), nil
	case coltype.Decimal:
		return appendDecimalText(dst, s.dec[i], s.typ.Scale), nil
	case coltype.Binary:
		return appendBytesText(dst, s.typ, s.str(i)), nil
	case coltype.UUID:
		return coltype.AppendUUID(dst, [16]byte(s.fixed[16*i:])), nil
	case coltype.Date:
		days, err := s.date(i)
		return coltype.AppendDate(dst, int64(days)), err
	case coltype.Time:
		us, err := s.time(i)
		return coltype.AppendTime(dst, us), err
	case coltype.Timestamp, coltype.TimestampTZ:
		us, err := s.timestamp(i)
		return coltype.AppendTimestamp(dst, us, s.typ.Kind == coltype.TimestampTZ), err
	}
	return append(dst, s.str(i)...), nil
}

// appendLiteral appends the array literal of row i.
func (s *source) appendLiteral(dst []byte, i int, scratch *listScratch) ([]byte, error) {
	dst = append(dst, '{')
	for k := s.offs[i]; k < s.offs[i+1]; k++ {
		if k > s.offs[i] {
			dst = append(dst, delimiter(s.typ))
		}
		if s.elem.null(int(k)) {
			dst = coltype.AppendElement(dst, nil, delimiter(s.typ))
			continue
		}
		var err error
		if scratch.elem, err = s.elem.appendOut(scratch.elem[:0], int(k)); err != nil {
			return dst, err
		}
		text := string(scratch.elem)
		dst = coltype.AppendElement(dst, &text, delimiter(s.typ))
	}
	return append(dst, '}'), nil
}

// appendEscaped appends text as a field of text COPY, escaped as CopyAttributeOutText does
// (src/backend/commands/copyto.c).
func appendEscaped(dst, text []byte) []byte {
	from := 0
	for i, b := range text {
		var escape byte
		switch b {
		case '\\':
			escape = '\\'
		case '\b', '\t', '\n', '\v', '\f', '\r':
			escape = "btnvfr"[b-'\b']
		default:
			continue
		}
		dst = append(append(dst, text[from:i]...), '\\', escape)
		from = i + 1
	}
	return append(dst, text[from:]...)
}
