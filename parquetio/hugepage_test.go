package parquetio

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

var hugeSchema = coltype.Schema{ExactID: 8, ExactKeyID: 9, ExactValueID: 10, Columns: []coltype.Column{
	{Name: "id", FieldID: 1, Type: kindType(coltype.Int64)},
	{Name: "blob", FieldID: 2, Type: kindType(coltype.Binary)},
	{Name: "note", FieldID: 3, Type: kindType(coltype.String)},
}}

// Huge begins above the length of a page that holds other values.
func init() { hugeValue, hugePiece = 3<<20, 1<<20 }

// noise does not compress; hexNoise compresses to a little more than half.
func noise(n int) []byte {
	b := make([]byte, (n+7)/8*8)
	r := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = r.Read(b)
	return b[:n]
}

func hexNoise(n int) []byte { return []byte(hex.EncodeToString(noise(n / 2))) }

// hugeBatch has one row a pair of values; nil is NULL.
func hugeBatch(values ...[2][]byte) arrow.RecordBatch {
	rb := array.NewRecordBuilder(memory.DefaultAllocator, hugeSchema.Arrow())
	defer rb.Release()
	for i, v := range values {
		rb.Field(0).(*array.Int64Builder).Append(int64(i))
		if v[0] == nil {
			rb.Field(1).AppendNull()
		} else {
			rb.Field(1).(*array.BinaryBuilder).Append(v[0])
		}
		if v[1] == nil {
			rb.Field(2).AppendNull()
		} else {
			rb.Field(2).(*array.StringBuilder).Append(string(v[1]))
		}
		rb.Field(3).AppendNull()
	}
	return rb.NewRecordBatch()
}

// Huge values of every kind stand in the file as they were, for us and for arrow-go, among short ones.
func TestHugePages(t *testing.T) {
	const mib = 1 << 20
	all := hugeBatch(
		[2][]byte{[]byte("short"), []byte("short")},
		[2][]byte{noise(hugeValue - 1), nil},
		[2][]byte{noise(hugeValue), []byte("beside a huge value")},
		[2][]byte{nil, bytes.Repeat([]byte("compresses well, "), mib/4)},
		// kept while it is written
		[2][]byte{hexNoise(4 * mib), hexNoise(7 * mib / 2)},
		// compressed twice
		[2][]byte{hexNoise(6 * mib), nil},
		// the samples say too much
		[2][]byte{append(make([]byte, mib/2), noise(5*mib)...), {}},
		[2][]byte{[]byte("the end"), nil},
	)
	defer all.Release()
	for _, o := range []WriteOptions{{Bloom: []string{"note"}, keepZipped: 5 * mib / 2}, {Compatible: true, keepZipped: 5 * mib / 2}} {
		b, info := write(t, hugeSchema, o, all)
		if info.Rows != 8 {
			t.Errorf("%d rows", info.Rows)
		}
		f := open(t, b)
		at := int64(0)
		for rg := range f.RowGroups() {
			for got, err := range f.Scan(t.Context(), rg, hugeSchema, 100) {
				if err != nil {
					t.Fatal(err)
				}
				sameHuge(t, all, at, got)
				at += got.NumRows()
			}
		}
		if at != 8 {
			t.Errorf("%d rows were read", at)
		}
		checkArrowGo(t, b, all)
		interopHuge(t, b)
	}
}

func sameHuge(t *testing.T, want arrow.RecordBatch, at int64, got arrow.RecordBatch) {
	t.Helper()
	for i := range int(got.NumRows()) {
		for c := range 3 {
			w := want.Column(c)
			var same bool
			switch g := got.Column(c).(type) {
			case *array.Int64:
				same = g.Value(i) == w.(*array.Int64).Value(i+int(at))
			case *array.Binary:
				same = bytes.Equal(g.Value(i), w.(*array.Binary).Value(i+int(at)))
			case *array.String:
				same = g.Value(i) == w.(*array.String).Value(i+int(at))
			}
			if !same || got.Column(c).IsNull(i) != w.IsNull(i+int(at)) {
				t.Errorf("row %d, column %d differs", i+int(at), c)
			}
		}
	}
}

// interopHuge reads the file with DuckDB and pyarrow where they are there.
func interopHuge(t *testing.T, b []byte) {
	t.Helper()
	python := os.Getenv("FROSTLINE_PYTHON")
	if python == "" {
		return
	}
	path := filepath.Join(t.TempDir(), "f.parquet")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", `
import duckdb, sys, hashlib
import pyarrow.parquet as pq
d = duckdb.sql("SELECT count(*), sum(octet_length(blob)), sum(strlen(note)) FROM read_parquet($p)", params={"p": sys.argv[1]}).fetchone()
t = pq.read_table(sys.argv[1])
p = (t.num_rows, sum(len(x.as_buffer()) for x in t["blob"] if x.is_valid), sum(len(x.as_buffer()) for x in t["note"] if x.is_valid))
print(d == p, d)`, path).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "True (8, ") {
		t.Errorf("%v, DuckDB and pyarrow: %s", err, out)
	}
}

// A huge value is not copied: what writing allocates is what it compresses to, at most keepZipped of it, and little beside.
func TestHugePageMemory(t *testing.T) {
	for _, tt := range []struct {
		name  string
		value []byte
		o     WriteOptions
		most  uint64
	}{
		{"noise", noise(8 << 20), WriteOptions{}, 4 << 20},
		{"half", hexNoise(14 << 20), WriteOptions{keepZipped: 2 << 20}, 11 << 20},
		{"half, compatible", hexNoise(14 << 20), WriteOptions{Compatible: true, keepZipped: 2 << 20}, 11 << 20},
		{"noise, compatible", noise(12 << 20), WriteOptions{Compatible: true, keepZipped: 2 << 20}, 11 << 20},
	} {
		b := hugeBatch([2][]byte{tt.value, nil})
		used := leastAllocated(tt.most, func() uint64 {
			w, err := NewWriter(io.Discard, hugeSchema, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Abort()
			before := allocated()
			err = w.Write(b)
			used := allocated() - before
			if err != nil {
				t.Fatal(err)
			}
			if w.Bytes() < 4 {
				t.Errorf("%s: nothing was written", tt.name)
			}
			return used
		})
		if used > tt.most {
			t.Errorf("%s: %d bytes were allocated for a value of %d, want at most %d", tt.name, used, len(tt.value), tt.most)
		}
		t.Logf("%s: %d KiB allocated", tt.name, used>>10)
		b.Release()
	}
}

// The writer keeps nothing of a batch: its memory may change once Write has returned.
func TestHugePageIsWrittenAtOnce(t *testing.T) {
	value := noise(4 << 20)
	b := hugeBatch([2][]byte{value, value[:100]})
	var out bytes.Buffer
	w, err := NewWriter(&out, hugeSchema, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	clear(b.Column(1).Data().Buffers()[2].Bytes())
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, out.Bytes()).Read(context.Background(), 0, hugeSchema.Columns, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Column(1).(*array.Binary).Value(0), value) {
		t.Error("the value changed with the batch")
	}
}
