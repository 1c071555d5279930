package querytest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/parquetio"
)

// Small cuts 1000 rows into row groups of 400, 400, 200 and pages of 100.
var Small = parquetio.WriteOptions{RowGroupRows: 400, PageRows: 100}

// Events is a new local warehouse with the table public.events: three months with two files of 1000 rows each. id counts
// from 0 in the result's order. Month m (0, 1, 2) holds ids from 2000 m. grp is id/100 (a page each), even is NULL for odd ids,
// day is the month's first, ts is infinity in every 500th row.
func Events(tb testing.TB) *Warehouse {
	tb.Helper()
	return EventsIn(tb, New(tb))
}

// EventsIn makes that table in w.
func EventsIn(tb testing.TB, w *Warehouse) *Warehouse {
	tb.Helper()
	t := w.Table(tb, "public", "events", Columns(
		Col("id", coltype.Int64, coltype.WireInt8, "int8"),
		Col("grp", coltype.Int32, coltype.WireInt4, "int4"),
		Col("even", coltype.Int32, coltype.WireInt4, "int4"),
		Col("name", coltype.String, coltype.WireRaw, "text"),
		Col("day", coltype.Date, coltype.WireDate, "date"),
		Col("ts", coltype.Timestamp, coltype.WireTimestamp, "timestamp"),
	), iceberg.PartitionSpec{Column: "day", Transform: "month"})
	for m := range 3 {
		var files []File
		for f := range 2 {
			var b strings.Builder
			for i := range 1000 {
				id := m*2000 + f*1000 + i
				if i > 0 {
					b.WriteByte(',')
				}
				even := "null"
				if id%2 == 0 {
					even = fmt.Sprint(id)
				}
				ts, exact := `"2024-01-01 00:00:00"`, "null"
				if id%500 == 7 {
					ts, exact = "null", `[{"key":"ts","value":"infinity"}]`
				}
				fmt.Fprintf(&b, `{"id":%d,"grp":%d,"even":%s,"name":"n%04d","day":"2024-%02d-01","ts":%s,"_pg_exact":%s}`, id, id/100, even, id, m+1, ts, exact)
			}
			files = append(files, File{Tuple: iceberg.Tuple{Int: int64((2024-1970)*12 + m)}, Options: Small,
				Batches: []arrow.RecordBatch{t.Rows(tb, b.String())}})
		}
		t.Add(tb, fmt.Sprintf("month=2024-%02d", m+1), files...)
	}
	return w
}
