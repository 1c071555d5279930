package parquetio

import (
	"encoding/json"
	"fmt"
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

// ask counts a value's rows with DuckDB and asks it whether the filters of the row groups exclude the value. DuckDB
// uses filters of integers, floats and strings only.
const ask = `
import duckdb, json, sys
import pyarrow.parquet as pq
path, questions = sys.argv[1], json.load(sys.stdin)
out = []
for column, literal in questions:
    name = '"' + column.replace('"', '""') + '"'
    rows = duckdb.sql(f"SELECT count(*) FROM read_parquet($p) WHERE {name} = {literal}", params={"p": path}).fetchone()[0]
    probe = duckdb.sql(f"SELECT row_group_id, bloom_filter_excludes FROM parquet_bloom_probe('{path}', '{column}', {literal}) ORDER BY 1").fetchall()
    out.append([rows, [1 if excludes else 0 for _, excludes in probe]])
meta = duckdb.sql(f"SELECT count(*) FROM parquet_metadata('{path}') WHERE bloom_filter_offset IS NOT NULL AND bloom_filter_length > 0").fetchone()[0]
json.dump({"answers": out, "filters": meta, "rows": pq.read_table(path).num_rows}, sys.stdout)
`

// TestInteropBloom: DuckDB finds every value in files with filters, and its probe excludes the row groups that ours do.
func TestInteropBloom(t *testing.T) {
	python := os.Getenv("FROSTLINE_PYTHON")
	if python == "" {
		t.Skip("FROSTLINE_PYTHON is not set: `make interop` makes a Python with DuckDB and sets it")
	}
	col := func(name string, k coltype.Kind) coltype.Column {
		return coltype.Column{Name: name, FieldName: name, Type: kindType(k)}
	}
	s := coltype.Schema{Columns: []coltype.Column{col("id", coltype.Int64), col("part", coltype.Int32), col("key", coltype.String), col("day", coltype.Date), col("at", coltype.TimestampTZ)}}
	const groups, rows = 4, 2000
	rb := array.NewRecordBuilder(memory.DefaultAllocator, s.Arrow())
	for i := range groups * rows { // spread over the row groups, so that statistics exclude nothing
		v := int64(i%rows*groups + i/rows)
		rb.Field(0).(*array.Int64Builder).Append(v * 3)
		rb.Field(1).(*array.Int32Builder).Append(int32(i%rows%500*groups + i/rows))
		rb.Field(2).(*array.StringBuilder).Append(fmt.Sprintf("k%05d", v))
		rb.Field(3).(*array.Date32Builder).Append(arrow.Date32(v))
		rb.Field(4).(*array.TimestampBuilder).Append(arrow.Timestamp(v * 1_000_000))
		rb.Field(5).AppendNull()
	}
	all := rb.NewRecordBatch()
	for _, compatible := range []bool{false, true} {
		t.Run(fmt.Sprint("compatible ", compatible), func(t *testing.T) {
			b, _ := write(t, s, WriteOptions{RowGroupRows: rows, PageRows: 500, Compatible: compatible, Bloom: []string{"id", "part", "key", "day", "at"}}, all)
			path := filepath.Join(t.TempDir(), "f.parquet")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			type question struct {
				column  int
				literal string
				value   coltype.Value
				rows    int
				probed  bool // DuckDB has filters of the type
			}
			var questions []question
			for v := int64(0); v < groups*rows; v += 97 {
				questions = append(questions,
					question{0, fmt.Sprintf("%d::BIGINT", v*3), coltype.Value{Kind: coltype.Int64, I: v * 3}, 1, true},
					question{0, fmt.Sprintf("%d::BIGINT", v*3+1), coltype.Value{Kind: coltype.Int64, I: v*3 + 1}, 0, true},
					question{2, fmt.Sprintf("'k%05d'", v), coltype.Value{Kind: coltype.String, S: fmt.Sprintf("k%05d", v)}, 1, true},
					question{2, fmt.Sprintf("'k%05d '", v), coltype.Value{Kind: coltype.String, S: fmt.Sprintf("k%05d ", v)}, 0, true},
					question{3, fmt.Sprintf("(DATE '1970-01-01' + %d)", v), coltype.Value{Kind: coltype.Date, I: v - coltype.UnixToPGDays}, 1, false},
					question{4, fmt.Sprintf("to_timestamp(%d)", v), coltype.Value{Kind: coltype.TimestampTZ, I: v*1_000_000 - coltype.UnixToPGMicros}, 1, false})
			}
			for v := int64(0); v < 2000; v += 31 {
				questions = append(questions, question{1, fmt.Sprintf("%d::INTEGER", v), coltype.Value{Kind: coltype.Int32, I: v}, 4, true})
			}
			input := make([][2]string, len(questions))
			for i, q := range questions {
				input[i] = [2]string{s.Columns[q.column].Name, q.literal}
			}
			text, err := json.Marshal(input)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(python, "-c", ask, path)
			cmd.Stdin = strings.NewReader(string(text))
			var failed strings.Builder
			cmd.Stderr = &failed
			reply, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, failed.String())
			}
			var got struct {
				Answers [][2]json.RawMessage
				Filters int
				Rows    int
			}
			if err := json.Unmarshal(reply, &got); err != nil {
				t.Fatal(err)
			}
			if got.Rows != groups*rows || got.Filters != groups*5 {
				t.Errorf("%d rows by pyarrow, %d filters by DuckDB, want %d and %d", got.Rows, got.Filters, groups*rows, groups*5)
			}
			f := open(t, b)
			excluded := 0
			for i, q := range questions {
				var found int
				var excludes []int
				if json.Unmarshal(got.Answers[i][0], &found) != nil || json.Unmarshal(got.Answers[i][1], &excludes) != nil || len(excludes) != groups {
					t.Fatalf("%s: answer %s", q.literal, got.Answers[i])
				}
				if found != q.rows {
					t.Errorf("%s = %s: DuckDB finds %d rows, want %d", s.Columns[q.column].Name, q.literal, found, q.rows)
				}
				for rg := range groups {
					filter, _, err := f.Bloom(t.Context(), rg, s.Columns[q.column])
					if err != nil {
						t.Fatal(err)
					}
					if may := filter.May(q.value); q.probed && may == (excludes[rg] == 1) {
						t.Errorf("%s = %s in row group %d: may be there %v, DuckDB excludes %d", s.Columns[q.column].Name, q.literal, rg, may, excludes[rg])
					} else if !may {
						excluded++
					}
				}
			}
			t.Logf("%d questions, %d row groups excluded", len(questions), excluded)
			if excluded < len(questions)*2 {
				t.Errorf("only %d row groups were excluded", excluded)
			}
		})
	}
}
