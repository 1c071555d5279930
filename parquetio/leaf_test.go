package parquetio

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"

	"frostline/coltype"
	"frostline/objstore"
)

// leafData is one column chunk as it is stored: the levels, and the values that are not NULL, each as PLAIN has it.
type leafData struct {
	defs, reps []int16
	values     []string
}

// differ says where two chunks differ, "" nowhere.
func (a leafData) differ(b leafData) string {
	switch {
	case !slices.Equal(a.defs, b.defs):
		return fmt.Sprintf("definition levels: %d and %d, the first %.60v and %.60v", len(a.defs), len(b.defs), fmt.Sprint(a.defs), fmt.Sprint(b.defs))
	case !slices.Equal(a.reps, b.reps):
		return fmt.Sprintf("repetition levels: %d and %d", len(a.reps), len(b.reps))
	case len(a.values) != len(b.values):
		return fmt.Sprintf("%d values and %d", len(a.values), len(b.values))
	}
	for i := range a.values {
		if a.values[i] != b.values[i] {
			return fmt.Sprintf("value %d: %.40q and %.40q", i, a.values[i], b.values[i])
		}
	}
	return ""
}

// ourLeaf decodes chunk i of row group rg with the direct decoder, whatever the shape of its column.
func ourLeaf(f *File, rg, i, maxDef, maxRep int) (out leafData, err error) {
	defer recovered(&err, "read")
	var elem *schemaElement
	for k, ordinal := range f.meta.schema {
		if ordinal.hasType {
			if i--; i < 0 {
				elem = &f.meta.schema[k]
				break
			}
		}
	}
	return out, readLeaf(f, rg, elem, maxDef, maxRep, &out)
}

func readLeaf(f *File, rg int, elem *schemaElement, maxDef, maxRep int, out *leafData) error {
	at := 0
	for k := range f.meta.schema {
		if f.meta.schema[k].hasType {
			if &f.meta.schema[k] == elem {
				break
			}
			at++
		}
	}
	c := &f.meta.groups[rg].columns[at]
	off, n := c.extent()
	got, err := f.read(context.Background(), []objstore.Range{{Off: off, Len: n}})
	if err != nil {
		return err
	}
	d := decoder{leaf: fileLeaf{ordinal: at, elem: elem, maxDef: maxDef, maxRep: maxRep}, codec: c.codec, stats: &Stats{}, pageMemory: takeMemory()}
	defer d.free()
	for rest := got[0]; len(rest) > 0 && !(c.padded && int64(len(out.defs)) == c.values); {
		h, body, after, err := d.header(rest)
		if err != nil {
			return err
		}
		rest = after
		switch h.typ {
		case pageIndex:
			continue
		case pageDictionary:
			if err := d.readDict(&h, body); err != nil {
				return err
			}
			continue
		}
		if err := d.readPage(&h, body); err != nil {
			return err
		}
		d.page.collect(&d, out)
	}
	return nil
}

// collect appends what a decoded page has.
func (p *decodedPage) collect(d *decoder, out *leafData) {
	for i := range p.levels {
		def, rep := int16(d.leaf.maxDef), int16(0)
		if p.defs != nil {
			def = int16(p.defs[i])
		}
		if d.leaf.maxRep > 0 {
			rep = int16(p.reps[i])
		}
		out.defs, out.reps = append(out.defs, def), append(out.reps, rep)
	}
	for i := range p.n {
		var v []byte
		switch d.leaf.elem.typ {
		case physBool:
			v = []byte{p.bools[i]}
		case physInt32, physFloat:
			v = binary.LittleEndian.AppendUint32(nil, uint32(p.i32[i]))
		case physInt64, physDouble:
			v = binary.LittleEndian.AppendUint64(nil, uint64(p.i64[i]))
		case physByteArray:
			v = d.bytesAt(i)
		case physFixed:
			w := int(d.leaf.elem.typeLength)
			v = p.data[i*w : (i+1)*w]
		}
		out.values = append(out.values, string(v))
	}
}

// peerLeaf reads chunk i of row group rg with arrow-go.
func peerLeaf(b []byte, rg, i int) (out leafData, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	pf, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		return out, err
	}
	cr, err := pf.RowGroup(rg).Column(i)
	if err != nil {
		return out, err
	}
	col := cr.Descriptor()
	const batch = 1000
	defs, reps := make([]int16, batch), make([]int16, batch)
	for cr.HasNext() {
		var n int64
		var got int
		switch cr := cr.(type) {
		case *file.BooleanColumnChunkReader:
			v := make([]bool, batch)
			n, got, err = cr.ReadBatch(batch, v, defs, reps)
			for _, x := range v[:got] {
				out.values = append(out.values, map[bool]string{false: "\x00", true: "\x01"}[x])
			}
		case *file.Int32ColumnChunkReader:
			v := make([]int32, batch)
			n, got, err = cr.ReadBatch(batch, v, defs, reps)
			for _, x := range v[:got] {
				out.values = append(out.values, string(binary.LittleEndian.AppendUint32(nil, uint32(x))))
			}
		case *file.Int64ColumnChunkReader:
			v := make([]int64, batch)
			n, got, err = cr.ReadBatch(batch, v, defs, reps)
			for _, x := range v[:got] {
				out.values = append(out.values, string(binary.LittleEndian.AppendUint64(nil, uint64(x))))
			}
		case *file.Float32ColumnChunkReader:
			v := make([]float32, batch)
			n, got, err = cr.ReadBatch(batch, v, defs, reps)
			for _, x := range v[:got] {
				out.values = append(out.values, string(binary.LittleEndian.AppendUint32(nil, math.Float32bits(x))))
			}
		case *file.Float64ColumnChunkReader:
			v := make([]float64, batch)
			n, got, err = cr.ReadBatch(batch, v, defs, reps)
			for _, x := range v[:got] {
				out.values = append(out.values, string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(x))))
			}
		case *file.ByteArrayColumnChunkReader:
			v := make([]parquet.ByteArray, batch)
			n, got, err = cr.ReadBatch(batch, v, defs, reps)
			for _, x := range v[:got] {
				out.values = append(out.values, string(x))
			}
		case *file.FixedLenByteArrayColumnChunkReader:
			v := make([]parquet.FixedLenByteArray, batch)
			n, got, err = cr.ReadBatch(batch, v, defs, reps)
			for _, x := range v[:got] {
				out.values = append(out.values, string(x))
			}
		default:
			return out, fmt.Errorf("no reader of %s", col.PhysicalType())
		}
		if err != nil {
			return out, err
		}
		if n == 0 {
			break
		}
		for k := range n {
			def, rep := int16(0), int16(0)
			if col.MaxDefinitionLevel() > 0 {
				def = defs[k]
			}
			if col.MaxRepetitionLevel() > 0 {
				rep = reps[k]
			}
			out.defs, out.reps = append(out.defs, def), append(out.reps, rep)
		}
	}
	return out, cr.Err()
}

// peerLevels are the greatest levels of a file's columns, and their paths, as arrow-go has them.
func peerLevels(b []byte) (levels [][2]int, paths []string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	pf, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		return nil, nil, err
	}
	for i := range pf.MetaData().Schema.NumColumns() {
		col := pf.MetaData().Schema.Column(i)
		levels = append(levels, [2]int{int(col.MaxDefinitionLevel()), int(col.MaxRepetitionLevel())})
		paths = append(paths, col.Path())
	}
	return levels, paths, nil
}

// compareLeaves compares every column chunk of a file, nested ones too. ours and theirs are the errors of what one side cannot
// read, by column, the file's own by "".
func compareLeaves(t *testing.T, b []byte) (equal int, ours, theirs map[string]error) {
	t.Helper()
	ours, theirs = map[string]error{}, map[string]error{}
	f, err := Open(context.Background(), Bytes(b), ReadOptions{})
	if err != nil {
		ours[""] = err
	}
	levels, paths, err := peerLevels(b)
	if err != nil {
		theirs[""] = err
	}
	if len(ours)+len(theirs) > 0 {
		return 0, ours, theirs
	}
	for rg := range f.RowGroups() {
		for i := range f.schema.leaves {
			a, errA := ourLeaf(f, rg, i, levels[i][0], levels[i][1])
			p, errB := peerLeaf(b, rg, i)
			switch {
			case errA == nil && errB == nil:
				if d := a.differ(p); d != "" {
					t.Errorf("row group %d, %s, ours and arrow-go's: %s", rg, paths[i], d)
				}
				equal++
				continue
			case errA != nil && !errors.Is(errA, ErrCorrupt):
				t.Errorf("row group %d, %s: %v, want ErrCorrupt", rg, paths[i], errA)
			}
			if errA != nil {
				ours[paths[i]] = errA
			}
			if errB != nil {
				theirs[paths[i]] = errB
			}
		}
	}
	return equal, ours, theirs
}

// The files of apache/parquet-testing that one side does not read, wholly: by the column, or "" for the file.
var (
	oursRefuses = map[string]map[string]string{
		"alltypes_dictionary.parquet":                    {"timestamp_col": "INT96"}, // load reads it, through arrow-go
		"alltypes_plain.parquet":                         {"timestamp_col": "INT96"},
		"alltypes_plain.snappy.parquet":                  {"timestamp_col": "INT96"},
		"alltypes_tiny_pages.parquet":                    {"timestamp_col": "INT96"},
		"alltypes_tiny_pages_plain.parquet":              {"timestamp_col": "INT96"},
		"int96_from_spark.parquet":                       {"a": "INT96"},
		"datapage_v1-corrupt-checksum.parquet":           {"a": "checksum", "b": "checksum"}, // damaged on purpose; arrow-go does not look
		"rle-dict-uncompressed-corrupt-checksum.parquet": {"long_field": "checksum", "binary_field": "checksum"},
		"large_string_map.brotli.parquet":                {"arr.key_value.key": "page of 1073741828 bytes in 1627"}, // nobody is owed a GiB for 1.6 kB
		"repeated_no_annotation.parquet":                 {"": "row group 0 has 6 rows, the file 0"},                // it says so of itself
	}
	theirsRefuses = map[string]map[string]string{
		"alltypes_dictionary.parquet":               {"timestamp_col": "no reader of INT96"}, // none in this test
		"alltypes_plain.parquet":                    {"timestamp_col": "no reader of INT96"},
		"alltypes_plain.snappy.parquet":             {"timestamp_col": "no reader of INT96"},
		"alltypes_tiny_pages.parquet":               {"timestamp_col": "no reader of INT96"},
		"alltypes_tiny_pages_plain.parquet":         {"timestamp_col": "no reader of INT96"},
		"int96_from_spark.parquet":                  {"a": "no reader of INT96"},
		"datapage_v2_empty_datapage.snappy.parquet": {"value": "s2: corrupt input"}, // zero bytes that are not compressed
		"hadoop_lz4_compressed.parquet":             {"c0": "LZ4 unimplemented", "c1": "LZ4 unimplemented", "v11": "LZ4 unimplemented"},
		"hadoop_lz4_compressed_larger.parquet":      {"a": "LZ4 unimplemented"},
		"non_hadoop_lz4_compressed.parquet":         {"c0": "LZ4 unimplemented", "c1": "LZ4 unimplemented", "v11": "LZ4 unimplemented"},
		"large_string_map.brotli.parquet":           {"arr.key_value.key": "exceeds configured limit"},
		"unknown-logical-type.parquet":              {"": "invalid logical type"},
	}
)

const testFiles = "../../shared/data/parquet-testing/"

// TestLeavesOfParquetTesting compares all column chunks of apache/parquet-testing, of every type and nesting.
func TestLeavesOfParquetTesting(t *testing.T) {
	files, _ := filepath.Glob(testFiles + "*.parquet")
	if len(files) == 0 {
		t.Skip("no files of apache/parquet-testing in ../shared/data")
	}
	total := 0
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			equal, ours, theirs := compareLeaves(t, b)
			total += equal
			expected(t, "ours", ours, oursRefuses[filepath.Base(name)])
			expected(t, "arrow-go's", theirs, theirsRefuses[filepath.Base(name)])
		})
	}
	t.Logf("%d chunks of %d files are equal", total, len(files))
	if total < 500 {
		t.Errorf("only %d chunks were compared", total)
	}
}

// expected compares errors with parts of their texts.
func expected(t *testing.T, whose string, got map[string]error, want map[string]string) {
	t.Helper()
	for column, err := range got {
		if text, ok := want[column]; !ok || !strings.Contains(err.Error(), text) {
			t.Errorf("%s of %q: %v, want %q", whose, column, err, text)
		}
	}
	for column, text := range want {
		if got[column] == nil {
			t.Errorf("%s of %q: read, but expected %q", whose, column, text)
		}
	}
}

// What arrow-go does not read is compared with a file of the same content, or with what the folder's description says.
func TestLeavesThatArrowDoesNotRead(t *testing.T) {
	if _, err := os.Stat(testFiles); err != nil {
		t.Skip("no files of apache/parquet-testing in ../shared/data")
	}
	leaf := func(name string, i, maxDef int) leafData {
		t.Helper()
		b, err := os.ReadFile(testFiles + name)
		if err != nil {
			t.Fatal(err)
		}
		var out leafData
		f := open(t, b)
		for rg := range f.RowGroups() {
			one, err := ourLeaf(f, rg, i, maxDef, 0)
			if err != nil {
				t.Fatalf("%s, column %d: %v", name, i, err)
			}
			out.defs, out.reps, out.values = append(out.defs, one.defs...), append(out.reps, one.reps...), append(out.values, one.values...)
		}
		return out
	}
	for i, maxDef := range []int{0, 0, 1} {
		raw := leaf("lz4_raw_compressed.parquet", i, maxDef)
		if len(raw.values) != 4 {
			t.Errorf("column %d of lz4_raw_compressed: %d values", i, len(raw.values))
		}
		if d := raw.differ(leaf("hadoop_lz4_compressed.parquet", i, maxDef)); d != "" {
			t.Errorf("column %d of hadoop_lz4_compressed: %s", i, d)
		}
	}
	if d := leaf("lz4_raw_compressed_larger.parquet", 0, 0).differ(leaf("hadoop_lz4_compressed_larger.parquet", 0, 0)); d != "" {
		t.Errorf("hadoop_lz4_compressed_larger: %s", d)
	}
	if got := leaf("non_hadoop_lz4_compressed.parquet", 1, 1); !slices.Equal(got.values, []string{"abc", "def", "abc", "def"}) {
		t.Errorf("non_hadoop_lz4_compressed: %q", got.values)
	}
	if got := leaf("datapage_v2_empty_datapage.snappy.parquet", 0, 1); !slices.Equal(got.defs, []int16{0}) || len(got.values) != 0 {
		t.Errorf("datapage_v2_empty_datapage: %v", got)
	}
	if got := leaf("unknown-logical-type.parquet", 1, 1); !slices.Equal(got.values, []string{"unknown string 1", "unknown string 2", "unknown string 3"}) {
		t.Errorf("unknown-logical-type: %q", got.values)
	}
}

// TestExpectedCSV reads the files that come with their values as text.
func TestExpectedCSV(t *testing.T) {
	lists, _ := filepath.Glob(testFiles + "*_expect.csv")
	if len(lists) == 0 {
		t.Skip("no files of apache/parquet-testing in ../shared/data")
	}
	values := 0
	for _, name := range lists {
		r, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(r).ReadAll()
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(strings.TrimSuffix(name, "_expect.csv") + ".parquet")
		if err != nil {
			t.Fatal(err)
		}
		f := open(t, b)
		if f.Rows() != int64(len(rows)-1) || f.RowGroups() != 1 {
			t.Fatalf("%s: %d rows in %d row groups, want %d in one", name, f.Rows(), f.RowGroups(), len(rows)-1)
		}
		for i, column := range rows[0] {
			kind := coltype.String
			switch f.meta.groups[0].columns[i].typ {
			case physInt32:
				kind = coltype.Int32
			case physInt64:
				kind = coltype.Int64
			}
			c := coltype.Column{Name: f.meta.groups[0].columns[i].path[0], Type: kindType(kind)} // the texts' headings differ a little
			got, err := f.Read(context.Background(), 0, []coltype.Column{c}, false, nil)
			if err != nil {
				t.Fatalf("%s, column %q: %v", name, column, err)
			}
			arr := got.Column(0)
			for k, row := range rows[1:] {
				text := ""
				if arr.IsValid(k) {
					text = arr.ValueStr(k)
				}
				if text != row[i] {
					t.Fatalf("%s, column %q, row %d: %q, want %q", filepath.Base(name), column, k, text, row[i])
				}
				values++
			}
		}
	}
	if t.Logf("%d values of %d files", values, len(lists)); values < 20_000 {
		t.Errorf("only %d values were compared", values)
	}
}
