package load

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
	"frostline/parquetio"
)

// refused are the files of apache/parquet-testing that cannot be loaded, and what is said of them.
var refused = map[string]string{
	"datapage_v1-corrupt-checksum.parquet":           "page 0: its checksum is",
	"rle-dict-uncompressed-corrupt-checksum.parquet": "its checksum is",
	"datapage_v2_empty_datapage.snappy.parquet":      "could not decompress page",
	"hadoop_lz4_compressed.parquet":                  "LZ4 unimplemented", // deprecated, of Hadoop's own framing
	"hadoop_lz4_compressed_larger.parquet":           "LZ4 unimplemented",
	"non_hadoop_lz4_compressed.parquet":              "LZ4 unimplemented",
	"incorrect_map_schema.parquet":                   "MAP keys must be required",
	"large_string_map.brotli.parquet":                "exceeds configured limit", // a page of 1 GiB
	"repeated_no_annotation.parquet":                 "the footer says 0 rows, 6 were read",
	"unknown-logical-type.parquet":                   "invalid logical type",
}

// The files of apache/parquet-testing: by Spark, Impala, Hive, DataFusion, parquet-cpp and others.
func TestParquetTesting(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "data", "parquet-testing")
	files, _ := filepath.Glob(filepath.Join(dir, "*.parquet"))
	if len(files) == 0 {
		t.Skip("no files of apache/parquet-testing in " + dir)
	}
	l, pg := start(t)
	dead := filepath.Join(t.TempDir(), "dead.jsonl")
	loaded := 0
	for _, path := range files {
		base := filepath.Base(path)
		name := strings.TrimSuffix(base, ".parquet")
		r, err := l.Run(t.Context(), Request{Source: path, Target: target(name), Create: true, DeadLetter: dead})
		if want, ok := refused[base]; ok {
			failsWith(t, err, ErrCorrupt, base, want)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", base, err)
			continue
		}
		loaded++
		if base == "int96_from_spark.parquet" { // the day of its last row has rolled over in Spark itself
			if d := deadLetters(t, dead); r.Rejected != 1 || d[0].Row != 6 || d[0].Reason != `column "a": the time is out of range` {
				t.Errorf("%s: rejected %+v", base, d)
			}
		} else if r.Rejected != 0 {
			t.Errorf("%s: %d rows rejected", base, r.Rejected)
		}
		if n := pg.One(t, "SELECT count(*) FROM "+target(name).String()+" HAVING count(*) = $1::bigint", itoa(r.Records)); n != itoa(r.Records) {
			t.Errorf("%s: %s rows, want %d", base, n, r.Records)
		}
	}
	if loaded < 55 {
		t.Errorf("only %d files were loaded", loaded)
	}
	nothingLeft(t, pg)
	sameRows(t, pg, `SELECT id, timestamp_col, bool_col, double_col, string_col FROM "alltypes_plain.snappy" ORDER BY id`,
		`6|2009-04-01 00:00:00+00|t|0|\x30`, `7|2009-04-01 00:01:00+00|f|10.1|\x31`)
	sameRows(t, pg, `SELECT a FROM int96_from_spark ORDER BY a`, "2024-01-01 01:00:00+00", "2024-01-01 20:34:56.123456+00",
		"2024-12-30 23:00:00+00", "9999-12-31 03:00:00+00", "<NULL>")
	sameRows(t, pg, `SELECT min(value), max(value), sum(value), count(*) FROM byte_array_decimal`, "1.00|24.00|300.00|24")
	sameRows(t, pg, `SELECT int_array, "int_array_Array", int_map FROM "nullable.impala" WHERE id = 2`,
		`{NULL,1,2,NULL,3,NULL}|[[null, 1, 2, null], [3, null, 4], [], null]|{"k1": 2, "k2": null}`)
	sameRows(t, pg, `SELECT a, b FROM "nested_maps.snappy" LIMIT 2`, `{"a": {"1": true, "2": false}}|1`, `{"b": {"1": true}}|1`)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// A file of our own archive, whose side column of exact texts is a map like any other.
func TestOurOwnFile(t *testing.T) {
	l, pg := start(t)
	s := coltype.Schema{Columns: []coltype.Column{
		{Name: "id", Type: coltype.Type{Kind: coltype.Int64, Wire: coltype.WireInt8, Name: "bigint", Base: "int8"}, FieldID: 1},
		{Name: "u", Type: coltype.Type{Kind: coltype.UUID, Wire: coltype.WireUUID, Name: "uuid", Base: "uuid"}, FieldID: 2},
	}, ExactID: 3, ExactKeyID: 4, ExactValueID: 5}
	coltype.NameFields(s.Columns)
	b, _, err := array.RecordFromJSON(memory.DefaultAllocator, s.Arrow(), strings.NewReader(
		`[{"id": 1, "u": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "_pg_exact": null}, {"id": null, "u": null, "_pg_exact": [{"key": "id", "value": "x"}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	var buf bytes.Buffer
	w, err := parquetio.NewWriter(&buf, s, parquetio.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ours.parquet")
	if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	mustLoad(t, l, Request{Source: path, Target: target("t")})
	sameRows(t, pg, "SELECT id, u, _pg_exact, pg_typeof(u) FROM t ORDER BY id",
		"1|6ba7b810-9dad-11d1-80b4-00c04fd430c8|<NULL>|uuid", `<NULL>|<NULL>|{"id": "x"}|uuid`)
}
