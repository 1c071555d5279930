package load

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// INT96 columns stay beside the rows they belong to: over batches, pages and row groups, with NULLs, between other columns.
func TestInt96Alignment(t *testing.T) {
	l, pg := start(t)
	s := fieldsOf(field("a", arrow.PrimitiveTypes.Int64), field("t", &arrow.TimestampType{Unit: arrow.Nanosecond}), field("z", arrow.PrimitiveTypes.Int64))
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for i := range int64(5000) {
		b.Field(0).(*array.Int64Builder).Append(i)
		b.Field(2).(*array.Int64Builder).Append(-i)
		if i%7 == 3 {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(i * 1e9))
		}
	}
	batch := b.NewRecordBatch()
	defer batch.Release()
	dir := t.TempDir()
	writeBatch(t, filepath.Join(dir, "a.parquet"), batch, pqarrow.NewArrowWriterProperties(pqarrow.WithDeprecatedInt96Timestamps(true)),
		parquet.WithMaxRowGroupLength(1700), parquet.WithDataPageSize(1000), parquet.WithPageIndexEnabled(true))
	l.BatchRows = 300
	for i, columns := range []string{"a bigint, t timestamp, z bigint", "t timestamptz"} {
		pg.Exec(t, fmt.Sprintf("CREATE TABLE t%d (%s)", i, columns))
		mustLoad(t, l, Request{Source: dir, Target: target(fmt.Sprintf("t%d", i)), IgnoreExtra: true, Method: Copy})
	}
	sameRows(t, pg, `SELECT count(*), count(t), bool_and(a = -z), bool_and(extract(epoch FROM t) = a), bool_and((t IS NULL) = (a % 7 = 3)) FROM t0`, "5000|4286|t|t|t")
	sameRows(t, pg, `SELECT count(*), count(t), sum(extract(epoch FROM t))::bigint FROM t1`, "5000|4286|10713571")
}
