package pgcopy

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

// appendText appends what the output function of t prints of the field v, which is checked wholly.
func appendText(dst []byte, t coltype.Type, v []byte) ([]byte, error) {
	if t.Kind == coltype.List {
		return appendArrayText(dst, t, v)
	}
	value := coltype.Value{Kind: t.Kind}
	fixed := func(width int) error {
		if len(v) != width {
			return wrongLength(t, len(v), width)
		}
		switch width {
		case 2:
			value.I = int64(int16(binary.BigEndian.Uint16(v)))
		case 4:
			value.I = int64(int32(binary.BigEndian.Uint32(v)))
		case 8:
			value.I = int64(binary.BigEndian.Uint64(v))
		}
		return nil
	}
	var err error
	switch t.Wire {
	case coltype.WireText:
		return append(dst, v...), nil
	case coltype.WireRaw:
		if t.Kind == coltype.Binary {
			return appendBytesText(dst, t, v), nil
		}
		return append(dst, v...), nil
	case coltype.WireJSONB:
		if len(v) == 0 || v[0] != 1 {
			return dst, fmt.Errorf("jsonb field without version byte 1")
		}
		return append(dst, v[1:]...), nil
	case coltype.WireNumeric:
		n, err := readNumeric(v)
		if err != nil {
			return dst, err
		}
		return appendNumericText(dst, n), nil
	case coltype.WireBool:
		if err = fixed(1); err == nil && v[0] > 1 {
			err = fmt.Errorf("bool field with byte %d, want 0 or 1", v[0])
		} else if err == nil {
			value.I = int64(v[0])
		}
	case coltype.WireInt2:
		err = fixed(2)
	case coltype.WireInt4:
		err = fixed(4)
	case coltype.WireInt8:
		err = fixed(8)
	case coltype.WireOID:
		err = fixed(4)
		value.I = int64(uint32(value.I))
	case coltype.WireFloat4:
		err = fixed(4)
		value.F = float64(math.Float32frombits(uint32(value.I)))
	case coltype.WireFloat8:
		err = fixed(8)
		value.F = math.Float64frombits(uint64(value.I))
	case coltype.WireUUID:
		err = fixed(16)
		value.S = string(v)
	case coltype.WireDate:
		var days int32
		days, err = readDate(v)
		value.I = int64(days)
	case coltype.WireTime:
		value.I, err = readTime(v)
	case coltype.WireTimestamp:
		value.I, err = readTimestamp(v)
	default:
		err = fmt.Errorf("type %s has no wire form", t.Name)
	}
	if err != nil {
		return dst, err
	}
	return coltype.AppendText(dst, t, value), nil
}

// appendBytesText appends what byteaout prints with bytea_output hex, or PostGIS of its types.
func appendBytesText(dst []byte, t coltype.Type, v []byte) []byte {
	if t.Base == "geometry" || t.Base == "geography" {
		const upper = "0123456789ABCDEF"
		for _, b := range v {
			dst = append(dst, upper[b>>4], upper[b&15])
		}
		return dst
	}
	return hex.AppendEncode(append(dst, `\x`...), v)
}

// exactColumn builds the side column of a batch of rows rows.
func exactColumn(alloc memory.Allocator, dt *arrow.MapType, cols []coltype.Column, rows int, cells []exactCell) arrow.Array {
	if len(cells) == 0 {
		return array.MakeArrayOfNull(alloc, dt, rows)
	}
	// Cells come chunk by chunk and column by column; a row's are wanted together.
	sort.Slice(cells, func(i, j int) bool {
		if cells[i].row != cells[j].row {
			return cells[i].row < cells[j].row
		}
		return cells[i].column < cells[j].column
	})
	b := array.NewMapBuilderWithType(alloc, dt)
	defer b.Release()
	b.Reserve(rows)
	keys, items := b.KeyBuilder().(*array.StringBuilder), b.ItemBuilder().(*array.StringBuilder)
	for row := range rows {
		if len(cells) == 0 || cells[0].row != row {
			b.AppendNull()
			continue
		}
		b.Append(true)
		for ; len(cells) > 0 && cells[0].row == row; cells = cells[1:] {
			keys.Append(cols[cells[0].column].Name)
			items.BinaryBuilder.Append(cells[0].text)
		}
	}
	return b.NewArray()
}
