package load

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	pqfile "github.com/apache/arrow-go/v18/parquet/file"
)

// julian1970 is the Julian day of 1970-01-01, from which INT96 counts days otherwise (parquet-format, INT96).
const julian1970 = 2440588

// maxDay is the Julian day of 294277-01-01, where PostgreSQL's timestamps end.
const maxDay = 109203528

// int96s are INT96 times as they stand in the file: nanoseconds of the day, then the Julian day, 12 bytes little-endian. The
// Parquet library makes them nanoseconds since 1970, which end in 2262, before the 9999-12-31 that many tables are full of.
type int96s struct{ *array.FixedSizeBinary }

func (a int96s) micros(i int) (int64, error) {
	v := a.Value(i)
	nanos, day := int64(binary.LittleEndian.Uint64(v)), int64(int32(binary.LittleEndian.Uint32(v[8:])))
	us, err := micros(nanos, arrow.Nanosecond)
	if day < 0 || day > maxDay || us < -86400*1000000 || us > 2*86400*1000000 { // Spark lets far days roll over
		err = errTime
	}
	return (day-julian1970)*86400*1000000 + us, err
}

// int96Column reads an INT96 column that is not nested.
type int96Column struct {
	r     *pqfile.Reader
	leaf  int
	group int // the next
	chunk *pqfile.Int96ColumnChunkReader
}

func isInt96(r *pqfile.Reader, leaf int) bool {
	if leaf < 0 {
		return false
	}
	d := r.MetaData().Schema.Column(leaf)
	return d.PhysicalType() == parquet.Types.Int96 && d.MaxRepetitionLevel() == 0 && d.MaxDefinitionLevel() <= 1
}

// next reads n rows.
func (c *int96Column) next(n int) (arrow.Array, error) {
	b := array.NewFixedSizeBinaryBuilder(memory.DefaultAllocator, &arrow.FixedSizeBinaryType{ByteWidth: 12})
	defer b.Release()
	values, levels := make([]parquet.Int96, n), make([]int16, n)
	optional := c.r.MetaData().Schema.Column(c.leaf).MaxDefinitionLevel() > 0
	for b.Len() < n {
		if c.chunk == nil {
			if c.group == c.r.NumRowGroups() {
				return nil, fmt.Errorf("column %s has too few values", c.r.MetaData().Schema.Column(c.leaf).Path())
			}
			chunk, err := c.r.RowGroup(c.group).Column(c.leaf)
			if err != nil {
				return nil, err
			}
			var ok bool
			if c.chunk, ok = chunk.(*pqfile.Int96ColumnChunkReader); !ok {
				return nil, errors.New("the column is not INT96 in every row group")
			}
			c.group++
		}
		total, _, err := c.chunk.ReadBatch(int64(n-b.Len()), values, levels, nil)
		if err != nil {
			return nil, err
		}
		if total == 0 {
			if err := c.chunk.Err(); err != nil {
				return nil, err
			}
			c.chunk = nil
		}
		at := 0
		for i := range int(total) {
			if optional && levels[i] == 0 {
				b.AppendNull()
				continue
			}
			b.Append(values[at][:])
			at++
		}
	}
	return int96s{b.NewFixedSizeBinaryArray()}, nil
}
