package parquetio

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// makeFiles writes files as DuckDB, pyarrow and Spark write them into the folder argv[1]. Spark's own are written by pyarrow with
// Spark's settings: pages V1, Snappy, dictionaries, timestamps as INT96, decimals as bytes, no page index.
const makeFiles = `
import sys, os, decimal, datetime, random
import duckdb, pyarrow as pa, pyarrow.parquet as pq
out = sys.argv[1]
random.seed(7)
n = 9000
duckdb.sql(f"""CREATE TABLE t AS SELECT i AS id, (i % 7)::TINYINT AS tiny, (i * 13 % 1000)::SMALLINT AS small, (i * 7919 % 1000003)::INTEGER AS num,
  hash(i)::UBIGINT AS h, (i / 3.0)::DOUBLE AS d, (i / 7.0)::FLOAT AS f, (i * 17 % 100000)::DECIMAL(9,2) AS m, (i * 1234567)::DECIMAL(28,4) AS big,
  CASE WHEN i % 5 = 0 THEN NULL ELSE 'note ' || (i % 50) END AS label, 'unique text ' || hash(i) AS txt, encode('b' || i) AS bin,
  DATE '2020-01-01' + (i % 1000)::INTEGER AS day, TIMESTAMP '2020-01-01' + to_seconds(i * 61) AS ts, (TIMESTAMP '2020-01-01' + to_seconds(i))::TIMESTAMPTZ AS tz,
  TIME '00:00:00' + to_seconds(i % 86400) AS tm, i % 3 = 0 AS b, uuid() AS u, [i, NULL, i + 1] AS l, {{'x': i, 'y': 'v' || i}} AS st, MAP {{'k': i}} AS mp,
  CASE WHEN i % 2 = 0 THEN NULL ELSE [['a', NULL], [], NULL] END AS ll
  FROM range({n}) r(i)""")
for codec in ["uncompressed", "snappy", "gzip", "zstd", "lz4_raw", "brotli"]:
    duckdb.sql(f"COPY t TO '{out}/duckdb_{codec}.parquet' (FORMAT parquet, COMPRESSION {codec}, ROW_GROUP_SIZE 4096)")
duckdb.sql(f"COPY t TO '{out}/duckdb_v2.parquet' (FORMAT parquet, PARQUET_VERSION v2, ROW_GROUP_SIZE 5000)")
table = duckdb.sql("SELECT * EXCLUDE (u, tm) FROM t")
table = table.to_arrow_table() if hasattr(table, "to_arrow_table") else table.arrow()
if isinstance(table, pa.RecordBatchReader):
    table = table.read_all()
pq.write_table(table, f"{out}/pyarrow_default.parquet", row_group_size=4000)
pq.write_table(table, f"{out}/spark.parquet", version="1.0", data_page_version="1.0", compression="snappy", use_deprecated_int96_timestamps=True, row_group_size=3000)
pq.write_table(table, f"{out}/pyarrow_v2_index.parquet", data_page_version="2.0", compression="zstd", write_page_index=True, write_page_checksum=True, data_page_size=3000, row_group_size=3000)
pq.write_table(table, f"{out}/pyarrow_plain_brotli.parquet", use_dictionary=False, compression="brotli", write_page_index=True, data_page_size=2000)
pq.write_table(table, f"{out}/pyarrow_lz4.parquet", compression="lz4", write_page_checksum=True)
flat = table.select(["id", "num", "d", "f", "label", "txt", "bin", "ts", "day"])
pq.write_table(flat, f"{out}/pyarrow_delta.parquet", use_dictionary=False, data_page_version="2.0", compression="gzip", write_page_index=True, data_page_size=1500,
  column_encoding={"id": "DELTA_BINARY_PACKED", "num": "DELTA_BINARY_PACKED", "d": "BYTE_STREAM_SPLIT", "f": "BYTE_STREAM_SPLIT", "label": "DELTA_BYTE_ARRAY",
    "txt": "DELTA_LENGTH_BYTE_ARRAY", "bin": "DELTA_BYTE_ARRAY", "ts": "DELTA_BINARY_PACKED", "day": "DELTA_BINARY_PACKED"})
pq.write_table(flat, f"{out}/pyarrow_split.parquet", use_dictionary=False, compression="none", column_encoding={c: "BYTE_STREAM_SPLIT" for c in ["id", "num", "d", "f", "ts", "day"]})
pq.write_table(pa.table({"b": pa.array([None if i % 11 == 0 else i % 3 == 0 for i in range(5000)])}), f"{out}/pyarrow_rle_bool.parquet", use_dictionary=False, data_page_version="2.0",
  column_encoding={"b": "RLE"})
pq.write_table(table.slice(0, 0), f"{out}/pyarrow_empty.parquet")
`

// TestInteropForeign: files of other writers are read as arrow-go reads them, every chunk's levels and values.
func TestInteropForeign(t *testing.T) {
	python := os.Getenv("FROSTLINE_PYTHON")
	if python == "" {
		t.Skip("FROSTLINE_PYTHON is not set: `make interop` makes a Python with DuckDB and pyarrow and sets it")
	}
	dir := t.TempDir()
	if out, err := exec.Command(python, "-c", makeFiles, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
	if err != nil || len(files) != 16 {
		t.Fatalf("%d files were made, want 16: %v", len(files), err)
	}
	chunks, columns := 0, 0
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			equal, ours, theirs := compareLeaves(t, b)
			want := map[string]string{}
			if filepath.Base(name) == "spark.parquet" {
				want = map[string]string{"ts": "INT96", "tz": "INT96"} // load reads them
			}
			expected(t, "ours", ours, want)
			expected(t, "arrow-go's", theirs, want)
			chunks += equal
			if tbl := readPeer(t, b); tbl != nil {
				columns += comparePeer(t, filepath.Base(name), open(t, b), tbl)
			}
		})
	}
	t.Logf("%d chunks and %d flat columns of %d files are equal", chunks, columns, len(files))
	if chunks < 600 || columns < 150 {
		t.Errorf("only %d chunks and %d columns were compared", chunks, columns)
	}
}
