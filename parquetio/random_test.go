package parquetio

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// TestRandomFiles reads files that arrow-go writes with random columns, nestings and settings as arrow-go reads them: every chunk's
// levels and values, and the flat columns by Read, wholly and in random ranges.
func TestRandomFiles(t *testing.T) {
	files := 60
	if os.Getenv("FROSTLINE_LONG") != "" {
		files = 5000
	}
	equal := 0
	for seed := range files {
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 99))
			b, settings := randomFile(t, rng)
			n, ours, theirs := compareLeaves(t, b)
			equal += n
			for column, err := range ours {
				t.Errorf("ours of %q: %v", column, err)
			}
			for column, err := range theirs {
				t.Errorf("arrow-go's of %q: %v", column, err)
			}
			f := open(t, b)
			if tbl := readPeer(t, b); tbl == nil {
				t.Error("arrow-go does not read it")
			} else {
				comparePeer(t, "random", f, tbl)
			}
			if t.Failed() {
				t.Log(settings)
			}
		})
		if !ok {
			return
		}
	}
	t.Logf("%d chunks of %d files are equal", equal, files)
	if equal < 10*files {
		t.Errorf("only %d chunks were compared", equal)
	}
}

// randomType is a type that Parquet can hold, nested at most depth times.
func randomType(rng *rand.Rand, depth int) arrow.DataType {
	if depth > 0 && rng.IntN(3) == 0 {
		switch rng.IntN(3) {
		case 0:
			return arrow.ListOf(randomType(rng, depth-1))
		case 1:
			return arrow.StructOf(arrow.Field{Name: "a", Type: randomType(rng, depth-1), Nullable: true}, arrow.Field{Name: "b", Type: randomType(rng, depth-1), Nullable: rng.IntN(2) == 0})
		}
		return arrow.MapOf(arrow.BinaryTypes.String, randomType(rng, depth-1))
	}
	p := 1 + rng.Int32N(38)
	flat := []arrow.DataType{
		arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
		arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64, arrow.FixedWidthTypes.Float16,
		arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64, arrow.BinaryTypes.String, arrow.BinaryTypes.Binary, &arrow.FixedSizeBinaryType{ByteWidth: 1 + rng.IntN(20)},
		arrow.FixedWidthTypes.Date32, arrow.FixedWidthTypes.Time32ms, arrow.FixedWidthTypes.Time64us, arrow.FixedWidthTypes.Timestamp_us, arrow.FixedWidthTypes.Timestamp_ms,
		&arrow.TimestampType{Unit: arrow.Microsecond}, &arrow.Decimal128Type{Precision: p, Scale: rng.Int32N(p + 1)},
		arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.String, // the common ones more often
	}
	return flat[rng.IntN(len(flat))]
}

// randomValue appends a value to b: one of few where few is set.
func randomValue(b array.Builder, rng *rand.Rand, few bool, nulls float64) {
	if rng.Float64() < nulls {
		b.AppendNull()
		return
	}
	n := int64(rng.Uint64()) >> rng.IntN(64)
	if few {
		n = rng.Int64N(9) - 4
	}
	text := func() []byte {
		if few {
			return fmt.Appendf(nil, "label %d", n)
		}
		return []byte(randomText(rng, rng.IntN(40)))
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(n&1 == 0)
	case *array.Int8Builder:
		b.Append(int8(n))
	case *array.Int16Builder:
		b.Append(int16(n))
	case *array.Int32Builder:
		b.Append(int32(n))
	case *array.Int64Builder:
		b.Append(n)
	case *array.Uint8Builder:
		b.Append(uint8(n))
	case *array.Uint16Builder:
		b.Append(uint16(n))
	case *array.Uint32Builder:
		b.Append(uint32(n))
	case *array.Uint64Builder:
		b.Append(uint64(n))
	case *array.Float16Builder:
		b.Append(float16.New(float32(n % 1000)))
	case *array.Float32Builder:
		b.Append(float32(n) / 3)
	case *array.Float64Builder:
		b.Append(float64(n) / 3)
	case *array.StringBuilder:
		b.Append(string(text()))
	case *array.BinaryBuilder:
		b.Append(text())
	case *array.FixedSizeBinaryBuilder:
		v := make([]byte, b.Type().(*arrow.FixedSizeBinaryType).ByteWidth)
		for i := range v {
			v[i] = byte(n >> (i % 8))
		}
		b.Append(v)
	case *array.Date32Builder:
		b.Append(arrow.Date32(n % 100_000))
	case *array.Time32Builder:
		b.Append(arrow.Time32((n & (1<<62 - 1)) % 86_400_000))
	case *array.Time64Builder:
		b.Append(arrow.Time64((n & (1<<62 - 1)) % 86_400_000_000))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(n % (1 << 50)))
	case *array.Decimal128Builder:
		_, rem := decimal128.New(n>>3, rng.Uint64()).Div(decimal128.GetScaleMultiplier(int(b.Type().(*arrow.Decimal128Type).Precision)))
		if few {
			rem = decimal128.FromI64(n)
		}
		b.Append(rem)
	case *array.MapBuilder:
		b.Append(true)
		for range rng.IntN(4) {
			randomValue(b.KeyBuilder(), rng, few, 0)
			randomValue(b.ItemBuilder(), rng, few, nulls)
		}
	case *array.ListBuilder:
		b.Append(true)
		for range rng.IntN(4) {
			randomValue(b.ValueBuilder(), rng, few, nulls)
		}
	case *array.StructBuilder:
		b.Append(true)
		for i := range b.NumField() {
			if b.Type().(*arrow.StructType).Field(i).Nullable {
				randomValue(b.FieldBuilder(i), rng, few, nulls)
			} else {
				randomValue(b.FieldBuilder(i), rng, few, 0)
			}
		}
	default:
		panic(fmt.Sprintf("no generator for %T", b))
	}
}

// encodings are those that arrow-go writes for a type beside PLAIN and the dictionary.
func encodings(dt arrow.DataType) []parquet.Encoding {
	switch dt.ID() {
	case arrow.BOOL:
		return []parquet.Encoding{parquet.Encodings.RLE}
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64, arrow.DATE32, arrow.TIME32, arrow.TIME64, arrow.TIMESTAMP:
		return []parquet.Encoding{parquet.Encodings.DeltaBinaryPacked, parquet.Encodings.ByteStreamSplit}
	case arrow.FLOAT32, arrow.FLOAT64:
		return []parquet.Encoding{parquet.Encodings.ByteStreamSplit}
	case arrow.STRING, arrow.BINARY:
		return []parquet.Encoding{parquet.Encodings.DeltaLengthByteArray, parquet.Encodings.DeltaByteArray}
	case arrow.FIXED_SIZE_BINARY, arrow.FLOAT16:
		return []parquet.Encoding{parquet.Encodings.ByteStreamSplit}
	}
	return nil
}

func randomFile(t testing.TB, rng *rand.Rand) (file []byte, settings string) {
	t.Helper()
	codecs := []compress.Compression{compress.Codecs.Uncompressed, compress.Codecs.Snappy, compress.Codecs.Gzip, compress.Codecs.Zstd, compress.Codecs.Brotli, compress.Codecs.Lz4Raw}
	codec := codecs[rng.IntN(len(codecs))]
	version := []parquet.DataPageVersion{parquet.DataPageV1, parquet.DataPageV2}[rng.IntN(2)]
	if codec == compress.Codecs.Brotli {
		version = parquet.DataPageV1 // arrow-go does not read its own V2 pages that have no value
	}
	dictionary, index := rng.IntN(2) == 0, rng.IntN(2) == 0
	pageBytes, groupRows := int64(100+rng.IntN(20_000)), int64(50+rng.IntN(2000))
	dictBytes, batchRows := int64(200+rng.IntN(5000)), int64(1+rng.IntN(300))
	options := []parquet.WriterProperty{parquet.WithCompression(codec), parquet.WithDataPageVersion(version), parquet.WithDictionaryDefault(dictionary),
		parquet.WithDataPageSize(pageBytes), parquet.WithMaxRowGroupLength(groupRows), parquet.WithDictionaryPageSizeLimit(dictBytes),
		parquet.WithBatchSize(batchRows), parquet.WithPageIndexEnabled(index), parquet.WithStoreDecimalAsInteger(rng.IntN(2) == 0)}
	settings = fmt.Sprintf("%s, pages %v of %d bytes, dictionary %v of %d bytes, page index %v, row groups of %d, batches of %d", codec, version, pageBytes, dictionary, dictBytes, index, groupRows, batchRows)
	var fields []arrow.Field
	for i := range 3 + rng.IntN(6) {
		f := arrow.Field{Name: fmt.Sprint("c", i), Type: randomType(rng, 2), Nullable: rng.IntN(4) > 0}
		if e := encodings(f.Type); e != nil && rng.IntN(2) == 0 {
			encoding := e[rng.IntN(len(e))]
			options = append(options, parquet.WithDictionaryFor(f.Name, false), parquet.WithEncodingFor(f.Name, encoding))
			settings += fmt.Sprintf("; %s %s %s", f.Name, f.Type, encoding)
		} else {
			settings += fmt.Sprintf("; %s %s", f.Name, f.Type)
		}
		fields = append(fields, f)
	}
	rows := rng.IntN(1500)
	rb := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer rb.Release()
	for i, f := range fields {
		few, nulls := rng.IntN(2) == 0, []float64{0, 0.1, 0.9, 1}[rng.IntN(4)]
		if !f.Nullable {
			nulls = 0
		}
		for range rows {
			randomValue(rb.Field(i), rng, few, nulls)
		}
	}
	batch := rb.NewRecordBatch()
	defer batch.Release()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(batch.Schema(), &out, parquet.NewWriterProperties(options...), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatalf("%v: %s", err, settings)
	}
	if err := w.WriteBuffered(batch); err != nil {
		t.Fatalf("%v: %s", err, settings)
	}
	if err := w.Close(); err != nil {
		t.Fatalf("%v: %s", err, settings)
	}
	return out.Bytes(), settings
}
