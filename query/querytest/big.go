package querytest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/parquetio"
)

// Big makes the table public.big in w: files data files of rows rows each, in one partition. id counts from 0, grp is a random
// number below 1000, amount a random numeric(12,2), note 60 random letters.
func Big(tb testing.TB, w *Warehouse, files, rows int) {
	tb.Helper()
	amount := Col("amount", coltype.Decimal, coltype.WireNumeric, "numeric")
	amount.Type.Precision, amount.Type.Scale, amount.Type.Name = 12, 2, "numeric(12,2)"
	t := w.Table(tb, "public", "big", Columns(
		Col("id", coltype.Int64, coltype.WireInt8, "int8"),
		Col("grp", coltype.Int32, coltype.WireInt4, "int4"),
		amount,
		Col("note", coltype.String, coltype.WireRaw, "text"),
	), iceberg.PartitionSpec{})
	r := rand.New(rand.NewPCG(1, 2))
	var list []File
	for f := range files {
		b := array.NewRecordBuilder(memory.DefaultAllocator, t.T.Schema().Arrow())
		defer b.Release()
		note := make([]byte, 60)
		for i := range rows {
			b.Field(0).(*array.Int64Builder).Append(int64(f*rows + i))
			b.Field(1).(*array.Int32Builder).Append(r.Int32N(1000))
			b.Field(2).(*array.Decimal128Builder).Append(decimal128.FromI64(r.Int64N(1e9)))
			for k := range note {
				note[k] = 'a' + byte(r.IntN(26))
			}
			b.Field(3).(*array.StringBuilder).Append(string(note))
			b.Field(4).AppendNull()
		}
		rec := b.NewRecordBatch()
		defer rec.Release()
		list = append(list, File{Batches: []arrow.RecordBatch{rec}, Options: parquetio.WriteOptions{}})
	}
	t.Add(tb, fmt.Sprintf("part=%d", files), list...)
}
