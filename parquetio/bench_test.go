package parquetio

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"frostline/coltype"
)

const benchRows = 6 * 122880

// lineitem is TPC-H's table, with values of the distributions of its specification.
var lineitem = sync.OnceValues(func() (coltype.Schema, []arrow.RecordBatch) {
	s := coltype.Schema{ExactID: 100, ExactKeyID: 101, ExactValueID: 102}
	for i, c := range []struct {
		name string
		t    coltype.Type
	}{
		{"orderkey", kindType(coltype.Int64)}, {"partkey", kindType(coltype.Int64)}, {"suppkey", kindType(coltype.Int64)},
		{"linenumber", kindType(coltype.Int32)}, {"quantity", decimalType(15, 2)}, {"extendedprice", decimalType(15, 2)},
		{"discount", decimalType(15, 2)}, {"tax", decimalType(15, 2)}, {"returnflag", kindType(coltype.String)},
		{"linestatus", kindType(coltype.String)}, {"shipdate", kindType(coltype.Date)}, {"commitdate", kindType(coltype.Date)},
		{"receiptdate", kindType(coltype.Date)}, {"shipinstruct", kindType(coltype.String)}, {"shipmode", kindType(coltype.String)},
		{"comment", kindType(coltype.String)}, {"token", kindType(coltype.String)}, {"at", kindType(coltype.TimestampTZ)},
	} {
		s.Columns = append(s.Columns, coltype.Column{Name: c.name, FieldName: c.name, Type: c.t, FieldID: i + 1})
	}
	rng := rand.New(rand.NewPCG(1, 1))
	words := []string{"carefully", "final", "deposits", "sleep", "quickly", "ironic", "requests", "above", "the", "furiously", "pending",
		"accounts", "bold", "packages", "are", "slyly", "even", "theodolites", "haggle", "regular", "foxes", "along", "express", "blithely"}
	var batches []arrow.RecordBatch
	order, line := int64(1), 0
	for at := 0; at < benchRows; at += 20480 {
		b := array.NewRecordBuilder(memory.DefaultAllocator, s.Arrow())
		for r := range 20480 {
			if line++; line > 1+int(order*7%7) {
				order, line = order+1+rng.Int64N(4), 1
			}
			day := arrow.Date32(8036 + rng.IntN(2500))
			qty := 1 + rng.Int64N(50)
			for i, v := range []any{order, 1 + rng.Int64N(200000), 1 + rng.Int64N(10000), int32(line), qty * 100, qty * (90000 + rng.Int64N(110000)),
				rng.Int64N(11), rng.Int64N(9), "ARN"[rng.IntN(3):][:1], "OF"[rng.IntN(2):][:1], day, day + arrow.Date32(rng.IntN(60)), day + 1 + arrow.Date32(rng.IntN(30)),
				[]string{"DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"}[rng.IntN(4)],
				[]string{"REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"}[rng.IntN(7)],
				words[rng.IntN(24)] + " " + words[rng.IntN(24)] + " " + words[rng.IntN(24)] + " " + words[rng.IntN(24)],
				fmt.Sprintf("%016x", rng.Uint64()), arrow.Timestamp(1.7e15 + float64(at+r)*250000 + float64(rng.IntN(1000000)))} {
				switch fb := b.Field(i).(type) {
				case *array.Int64Builder:
					fb.Append(v.(int64))
				case *array.Int32Builder:
					fb.Append(v.(int32))
				case *array.Decimal128Builder:
					fb.Append(decimal128.FromI64(v.(int64)))
				case *array.StringBuilder:
					fb.Append(v.(string))
				case *array.Date32Builder:
					fb.Append(v.(arrow.Date32))
				case *array.TimestampBuilder:
					fb.Append(v.(arrow.Timestamp))
				}
			}
		}
		b.Field(len(s.Columns)).AppendNulls(20480)
		batches = append(batches, b.NewRecordBatch())
	}
	return s, batches
})

// reportCPU adds the processor time of an operation, which other processes disturb less than its time.
func reportCPU(b *testing.B, start int64) {
	b.ReportMetric(float64(cpuMicros()-start)/1000/float64(b.N), "cpu-ms/op")
}

func cpuMicros() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano()/1000 + u.Stime.Nano()/1000
}

func BenchmarkWrite(b *testing.B) {
	s, batches := lineitem()
	for _, o := range []struct {
		name string
		o    WriteOptions
	}{{"frostline", WriteOptions{}}, {"compatible", WriteOptions{Compatible: true}}, {"with Bloom filters", WriteOptions{Bloom: []string{"orderkey", "partkey", "token"}}}} {
		b.Run(o.name, func(b *testing.B) {
			var size int64
			start := cpuMicros()
			for b.Loop() {
				_, info := write(b, s, o.o, batches...)
				size = info.Bytes
			}
			b.ReportMetric(float64(size)/1e6, "MB")
			reportCPU(b, start)
		})
	}
	b.Run("arrow-go", func(b *testing.B) {
		size := 0
		start := cpuMicros()
		for b.Loop() {
			size = len(writeArrowGo(b, s, batches))
		}
		b.ReportMetric(float64(size)/1e6, "MB")
		reportCPU(b, start)
	})
}

func writeArrowGo(b *testing.B, s coltype.Schema, batches []arrow.RecordBatch) []byte {
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(s.Arrow(), &out, parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithMaxRowGroupLength(122880)), pqarrow.DefaultWriterProps())
	if err != nil {
		b.Fatal(err)
	}
	for _, batch := range batches {
		if err := w.WriteBuffered(batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

func BenchmarkScan(b *testing.B) {
	s, batches := lineitem()
	data, _ := write(b, s, WriteOptions{}, batches...)
	ctx := context.Background()
	three := coltype.Schema{Columns: []coltype.Column{s.Columns[0], s.Columns[5], s.Columns[10]}}
	for _, c := range []struct {
		name string
		s    coltype.Schema
	}{{"frostline/all columns", s}, {"frostline/3 columns", three}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			start := cpuMicros()
			for b.Loop() {
				f := open(b, data)
				for rg := range f.RowGroups() {
					for _, err := range f.Scan(ctx, rg, c.s, 20480) {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			}
			reportCPU(b, start)
		})
	}
	for i := range s.Columns {
		b.Run("frostline/column "+s.Columns[i].Name, func(b *testing.B) {
			one := coltype.Schema{Columns: s.Columns[i : i+1]}
			start := cpuMicros()
			for b.Loop() {
				f := open(b, data)
				for rg := range f.RowGroups() {
					for _, err := range f.Scan(ctx, rg, one, 20480) {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			}
			reportCPU(b, start)
		})
	}
	for _, c := range []struct {
		name string
		cols []int
	}{{"arrow-go/all columns", nil}, {"arrow-go/3 columns", []int{0, 5, 10}}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			start := cpuMicros()
			for b.Loop() {
				readArrowGo(b, data, c.cols)
			}
			reportCPU(b, start)
		})
	}
}

func readArrowGo(b *testing.B, data []byte, cols []int) {
	pf, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: 20480}, memory.DefaultAllocator)
	if err != nil {
		b.Fatal(err)
	}
	rr, err := fr.GetRecordReader(context.Background(), cols, nil)
	if err != nil {
		b.Fatal(err)
	}
	rows := int64(0)
	for rr.Next() {
		rows += rr.RecordBatch().NumRows()
	}
	if rows != benchRows {
		b.Fatalf("arrow-go reads %d rows", rows)
	}
	rr.Release()
}

// BenchmarkPoint reads one row of all columns, the metadata being cached.
func BenchmarkPoint(b *testing.B) {
	s, batches := lineitem()
	data, _ := write(b, s, WriteOptions{}, batches...)
	f := open(b, data)
	start := cpuMicros()
	for b.Loop() {
		if _, err := f.Read(context.Background(), 3, s.Columns, false, []RowRange{{70000, 70001}}); err != nil {
			b.Fatal(err)
		}
	}
	reportCPU(b, start)
}
