package predicate

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

func mustBind(t testing.TB, text string, cols []coltype.Column) *Predicate {
	t.Helper()
	e, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Bind(e, cols)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func col(name string, c class) coltype.Column { return coltype.Column{Name: name, Type: plain[c]} }

// show is the selection as 0 and 1.
func show(sel []bool) string {
	var b strings.Builder
	for _, s := range sel {
		b.WriteByte("01"[bit(s)])
	}
	return b.String()
}

func stringsOf(list ...any) *array.String {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	for _, x := range list {
		if x == nil {
			b.AppendNull()
		} else {
			b.Append(x.(string))
		}
	}
	return b.NewStringArray()
}

// sideColumn has one map a row; nil for none.
func sideColumn(rows ...map[string]string) *array.Map {
	b := array.NewMapBuilder(memory.DefaultAllocator, arrow.BinaryTypes.String, arrow.BinaryTypes.String, false)
	for _, r := range rows {
		if r == nil {
			b.AppendNull()
			continue
		}
		b.Append(true)
		for k, v := range r {
			b.KeyBuilder().(*array.StringBuilder).Append(k)
			b.ItemBuilder().(*array.StringBuilder).Append(v)
		}
	}
	return b.NewMapArray()
}

func TestExactCells(t *testing.T) {
	cols := []coltype.Column{col("ts", timestamp), {Name: "n", Type: coltype.Type{Kind: coltype.Decimal, Wire: coltype.WireNumeric, Precision: 12, Scale: 2, Base: "numeric", Name: "numeric(12,2)"}}, col("tm", clock)}
	tb := array.NewTimestampBuilder(memory.DefaultAllocator, &arrow.TimestampType{Unit: arrow.Microsecond})
	tb.AppendValues([]arrow.Timestamp{0, 0, 0, 1_704_067_200_000_000}, []bool{false, false, false, true}) // 2024-01-01
	nb := array.NewDecimal128Builder(memory.DefaultAllocator, &arrow.Decimal128Type{Precision: 12, Scale: 2})
	nb.AppendValues([]decimal128.Num{{}, {}, decimal128.FromI64(150), {}}, []bool{false, false, true, false})
	mb := array.NewTime64Builder(memory.DefaultAllocator, arrow.FixedWidthTypes.Time64us.(*arrow.Time64Type))
	mb.AppendValues([]arrow.Time64{0, 1, 0, 2}, []bool{false, true, false, true})
	arrs := []arrow.Array{tb.NewArray(), nb.NewArray(), mb.NewArray()}
	// Rows: ts infinity, n NULL, tm 24:00 | ts -infinity, n NaN, tm 1 µs | all NULL but n | 2024-01-01, NULL, 2 µs.
	side := sideColumn(map[string]string{"ts": "infinity", "tm": "24:00:00"}, map[string]string{"ts": "-infinity", "n": "NaN", "other": "?"}, nil, nil)
	for _, c := range []struct{ text, want string }{
		{"ts IS NULL", "0010"},
		{"ts IS NOT NULL", "1101"},
		{"ts > '2024-01-01'", "1000"},
		{"ts < '2024-01-01'", "0100"},
		{"ts <> '2024-01-01'", "1100"},
		{"ts IN ('infinity', '2024-01-01')", "1001"},
		{"NOT ts = 'infinity'", "0101"},
		{"n > 1000000", "0100"},
		{"n = 'NaN'", "0100"},
		{"n <= 1.5", "0010"},
		{"n IS NULL", "1001"},
		{"tm = '24:00'", "1000"},
		{"tm < '23:00' OR ts IS NULL", "0111"},
	} {
		p := mustBind(t, c.text, cols)
		var in []arrow.Array
		for _, i := range p.Columns() {
			in = append(in, arrs[i])
		}
		sel := make([]bool, 4)
		if err := p.Eval(in, side, sel); err != nil || show(sel) != c.want || !p.NeedsExact() {
			t.Errorf("%s: got %s, want %s (%v)", c.text, show(sel), c.want, err)
		}
	}
	// Without the side column the same cells are plain NULLs.
	for text, want := range map[string]string{"ts IS NULL": "1110", "ts > '2020-01-01'": "0001", "NOT ts > '2020-01-01'": "0000"} {
		sel := make([]bool, 4)
		if err := mustBind(t, text, cols).Eval(arrs[:1], nil, sel); err != nil || show(sel) != want {
			t.Errorf("%s without the side column: got %s, want %s (%v)", text, show(sel), want, err)
		}
	}
	p := mustBind(t, "ts > '2024-01-01'", cols)
	err := p.Eval(arrs[:1], sideColumn(map[string]string{"ts": "soon"}, nil, nil, nil), make([]bool, 4))
	if err == nil || !strings.Contains(err.Error(), `column "ts", row 0, side column`) {
		t.Errorf("a cell that is no timestamp: %v", err)
	}
}

func TestDictionary(t *testing.T) {
	dict := stringsOf("a", "b", nil, "abc")
	index := array.NewInt8Builder(memory.DefaultAllocator)
	index.AppendValues([]int8{0, 1, 2, 3, 0, 0}, []bool{true, true, true, true, false, true})
	arr := array.NewDictionaryArray(&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}, index.NewArray(), dict)
	for _, c := range []struct{ text, want string }{
		{"s = 'a'", "100001"}, {"s <> 'a'", "010100"}, {"s LIKE 'a%'", "100101"}, {"s IN ('b', 'abc')", "010100"}, {"s IS NULL", "001010"}, {"s IS NOT NULL", "110101"}, {"s NOT LIKE '%b%' IS UNKNOWN", "001010"},
	} {
		sel := make([]bool, 6)
		if err := mustBind(t, c.text, []coltype.Column{col("s", text)}).Eval([]arrow.Array{arr}, nil, sel); err != nil || show(sel) != c.want {
			t.Errorf("%s: got %s, want %s (%v)", c.text, show(sel), c.want, err)
		}
		if err := mustBind(t, c.text, []coltype.Column{col("s", text)}).Eval([]arrow.Array{array.NewSlice(arr, 1, 5)}, nil, sel[:4]); err != nil || show(sel[:4]) != c.want[1:5] {
			t.Errorf("%s: a slice gives %s, want %s (%v)", c.text, show(sel[:4]), c.want[1:5], err)
		}
	}
}

// TestLongArrays: more rows than a word, at every offset of a slice.
func TestLongArrays(t *testing.T) {
	ints := array.NewInt32Builder(memory.DefaultAllocator)
	texts := array.NewStringBuilder(memory.DefaultAllocator)
	bools := array.NewBooleanBuilder(memory.DefaultAllocator)
	const rows = 300
	for i := range rows {
		if i%7 == 3 {
			ints.AppendNull()
			texts.AppendNull()
			bools.AppendNull()
			continue
		}
		ints.Append(int32(i % 10))
		texts.Append(strings.Repeat("ab", i%4) + fmt.Sprint("xy"[i%2:]))
		bools.Append(i%3 == 0)
	}
	a, s, b := ints.NewArray(), texts.NewArray(), bools.NewArray()
	cols := []coltype.Column{col("i", integer), col("s", text), col("b", boolean)}
	for _, c := range []struct {
		text string
		want func(i int) bool // of rows that are not NULL
		null bool             // of NULL rows
	}{
		{"i BETWEEN 3 AND 5", func(i int) bool { return i%10 >= 3 && i%10 <= 5 }, false},
		{"i IN (1, 3, 5, 7, 9, 9)", func(i int) bool { return i%2 == 1 }, false},
		{"i IN (1, 3, 1000000000, 5, 7, 9, 11, 13, 15, 17)", func(i int) bool { return i%2 == 1 }, false},
		{"i IN (1, 2) OR i IS NULL", func(i int) bool { return i%10 == 1 || i%10 == 2 }, true},
		{"i NOT IN (1, NULL)", func(int) bool { return false }, false},
		{"b AND i > 4", func(i int) bool { return i%3 == 0 && i%10 > 4 }, false},
		{"b IS NOT TRUE", func(i int) bool { return i%3 != 0 }, true},
		{"s LIKE '%bx%'", func(i int) bool { return i%4 != 0 && i%2 == 0 }, false},
		{"s LIKE '%y' AND s LIKE '%aba%'", func(i int) bool { return i%4 >= 2 }, false},
		{"s = 'y'", func(i int) bool { return false }, false},
	} {
		p := mustBind(t, c.text, cols)
		for from := range 70 {
			var in []arrow.Array
			for _, i := range p.Columns() {
				in = append(in, array.NewSlice([]arrow.Array{a, s, b}[i], int64(from), rows))
			}
			sel := make([]bool, rows-from)
			if err := p.Eval(in, nil, sel); err != nil {
				t.Fatal(err)
			}
			for i := range sel {
				row := from + i
				want := c.want(row)
				if row%7 == 3 {
					want = c.null
				}
				if sel[i] != want {
					t.Fatalf("%s from %d: row %d is %v", c.text, from, row, sel[i])
				}
			}
		}
	}
}

func TestEvalRefuses(t *testing.T) {
	ints := array.NewInt32Builder(memory.DefaultAllocator)
	ints.AppendValues([]int32{1, 2}, nil)
	arr := ints.NewArray()
	mood := coltype.Column{Name: "m", Type: coltype.Type{Kind: coltype.String, Wire: coltype.WireRaw, Base: "mood", Name: "mood", Labels: []string{"sad", "ok"}}}
	for _, c := range []struct {
		name string
		p    *Predicate
		in   []arrow.Array
		says string
	}{
		{"no array", mustBind(t, "i = 1", []coltype.Column{col("i", integer)}), nil, "0 arrays for 1 columns"},
		{"other length", mustBind(t, "i = 1", []coltype.Column{col("i", integer)}), []arrow.Array{array.NewSlice(arr, 0, 1)}, "has 1 rows, want 2"},
		{"other type", mustBind(t, "s = 'a'", []coltype.Column{col("s", text)}), []arrow.Array{arr}, "an Arrow array of int32"},
		{"label out of the order", mustBind(t, "m > 'sad'", []coltype.Column{mood}), []arrow.Array{stringsOf("ok", "gone")}, `"gone" is not a label`},
		{"numeric that is none", mustBind(t, "n > 5", []coltype.Column{col("n", numeric)}), []arrow.Array{stringsOf("6", "six")}, "invalid value"},
	} {
		if err := c.p.Eval(c.in, nil, make([]bool, 2)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

func TestNilIsTrue(t *testing.T) {
	p, err := Bind(And(nil, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	sel := make([]bool, 70)
	if err := p.Eval(nil, nil, sel); err != nil || slices.Contains(sel, false) || len(p.Columns()) != 0 || p.NeedsExact() || p.Prune(nil) != All {
		t.Errorf("got %v, %v", sel, err)
	}
}

func TestManyGoroutines(t *testing.T) {
	p := mustBind(t, "s LIKE '%a_' AND s <> 'xax' OR s ILIKE 'B%'", []coltype.Column{col("s", text)})
	arr := stringsOf("xax", "xay", "bb", nil, "BB")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				sel := make([]bool, 5)
				if err := p.Eval([]arrow.Array{arr}, nil, sel); err != nil || show(sel) != "01101" {
					t.Errorf("got %s, %v", show(sel), err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, escape, text string
		fold, raw, want       bool
	}{
		{"", `\`, "", false, false, true},
		{"", `\`, "a", false, false, false},
		{"%", `\`, "", false, false, true},
		{"_", `\`, "é", false, false, true},
		{"_", `\`, "é", false, true, false},
		{"__", `\`, "é", false, true, true},
		{"_", `\`, "", false, false, false},
		{"a%c", `\`, "abbc", false, false, true},
		{"a%a", `\`, "a", false, false, false},
		{"%ab%ab%", `\`, "abab", false, false, true},
		{"%ab%ab%", `\`, "aba", false, false, false},
		{"%a_c%", `\`, "xxabxaxc", false, false, true},
		{"%a_c", `\`, "aacabc", false, false, true},
		{"%_%_%", `\`, "日", false, false, false},
		{`a\%b`, `\`, "a%b", false, false, true},
		{`a\%b`, `\`, "axb", false, false, false},
		{"a!%!!b", "!", "a%!b", false, false, true},
		{`a\b`, "", `a\b`, false, false, true},
		{"aé%b", "é", "a%b", false, false, true},
		{"ÉA%", `\`, "Éab", true, false, true},
		{"éa%", `\`, "Éab", true, false, false},
		{"a%%%b", `\`, "ab", false, false, true},
		{"[a.*", `\`, "[a.*", false, false, true},
	} {
		p, err := newPattern(c.pattern, c.escape, c.fold, c.raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.match([]byte(c.text)); got != c.want {
			t.Errorf("%q like %q escape %q (fold %v, raw %v): %v", c.text, c.pattern, c.escape, c.fold, c.raw, got)
		}
	}
}

// TestWalkIsNotExponential: many wildcards over a long text that nearly matches.
func TestWalkIsNotExponential(t *testing.T) {
	p, err := newPattern(strings.Repeat("%a_", 50)+"b", `\`, false, false)
	if err != nil {
		t.Fatal(err)
	}
	if p.match([]byte(strings.Repeat("a", 20_000))) {
		t.Error("matched")
	}
}

func TestFloatEnds(t *testing.T) {
	list := []float64{math.Inf(-1), -1, math.Copysign(0, -1), 0, 5e-324, 1, math.Inf(1), math.NaN()}
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	b.AppendValues(list, nil)
	arr := b.NewArray()
	for _, c := range []struct{ text, want string }{
		{"f < 0", "11000000"}, {"f <= 0", "11110000"}, {"f > 0", "00001111"}, {"f >= 0", "00111111"}, {"f = 0", "00110000"}, {"f <> 0", "11001111"},
		{"f < '-inf'", "00000000"}, {"f <= '-inf'", "10000000"}, {"f > 'inf'", "00000001"}, {"f >= 'inf'", "00000011"}, {"f < 'NaN'", "11111110"}, {"f >= 'NaN'", "00000001"}, {"f > 'NaN'", "00000000"},
		{"f <= 'NaN'", "11111111"}, {"f BETWEEN 0 AND 'NaN'", "00111111"}, {"f IN ('NaN', 1)", "00000101"}, {"f NOT IN ('inf', 1)", "11111001"},
	} {
		sel := make([]bool, len(list))
		if err := mustBind(t, c.text, []coltype.Column{col("f", float8)}).Eval([]arrow.Array{arr}, nil, sel); err != nil || show(sel) != c.want {
			t.Errorf("%s: got %s, want %s (%v)", c.text, show(sel), c.want, err)
		}
	}
}

func TestLowerBytes(t *testing.T) {
	all := make([]byte, 256+3)
	for i := range all {
		all[i] = byte(i)
	}
	want := []byte(lowerASCII(string(all)))
	lowerBytes(all)
	if string(all) != string(want) || all['A'] != 'a' || all['Z'] != 'z' || all['@'] != '@' || all['['] != '[' || all[0xC1] != 0xC1 || all[0xDA] != 0xDA {
		t.Errorf("got %q", all)
	}
}

// TestOtherLayouts: wide and view strings, a plain fixed-size uuid, a column that is all NULL.
func TestOtherLayouts(t *testing.T) {
	fill := func(b interface {
		array.Builder
		Append(string)
	}) arrow.Array {
		for _, s := range []string{"abc", "b", "xabcx"} {
			b.Append(s)
		}
		return b.NewArray()
	}
	wide := fill(array.NewLargeStringBuilder(memory.DefaultAllocator))
	views := fill(array.NewStringViewBuilder(memory.DefaultAllocator))
	ids := array.NewFixedSizeBinaryBuilder(memory.DefaultAllocator, &arrow.FixedSizeBinaryType{ByteWidth: 16})
	for _, c := range []byte{0, 5, 255} {
		ids.Append(append(make([]byte, 15), c))
	}
	for _, c := range []struct {
		text string
		typ  class
		arr  arrow.Array
		want string
	}{
		{"c = 'abc'", text, wide, "100"}, {"c LIKE '%abc%'", text, wide, "101"}, {"c > 'abc'", text, wide, "011"},
		{"c = 'abc'", text, views, "100"}, {"c LIKE 'a%'", text, views, "100"}, {"c IN ('b', 'c')", text, views, "010"},
		{"c > '00000000-0000-0000-0000-000000000004'", uuid, ids.NewArray(), "011"},
		{"c = 'abc'", text, array.NewNull(3), "000"}, {"c IS NULL", text, array.NewNull(3), "111"}, {"c = 5 IS UNKNOWN", integer, array.NewNull(3), "111"},
	} {
		sel := make([]bool, 3)
		if err := mustBind(t, c.text, []coltype.Column{col("c", c.typ)}).Eval([]arrow.Array{c.arr}, nil, sel); err != nil || show(sel) != c.want {
			t.Errorf("%s on %v: got %s, want %s (%v)", c.text, c.arr.DataType(), show(sel), c.want, err)
		}
	}
}

// A pattern that ends with its escape matches nothing, and is an error for the texts whose matching comes so far, as in PostgreSQL.
func TestDanglingEscape(t *testing.T) {
	for _, c := range []struct {
		text, pattern string
		fold, reached bool
	}{
		{"", `\`, false, false}, {"a", `\`, false, true},
		{"a", `a\`, false, false}, {"ab", `a\`, false, true}, {"b", `a\`, false, false}, {"AB", `a\`, false, false}, {"AB", `a\`, true, true},
		{"", `%\`, false, false}, {"a", `%\`, false, true}, {"a", `%_\`, false, true}, {"", `%_\`, false, false}, {"a", `%__\`, false, false},
		{"xa", `%a\`, false, false}, {"xab", `%a\`, false, true}, {"axaab", `%a_b\`, false, false}, {"axaabc", `%a_b\`, false, true},
		{"é", `_\`, false, false}, {"éx", `_\`, false, true}, {"a%b", `a\%\`, false, true}, {"abb", `a\%\`, false, false}, {"abab", `%ab%b\`, false, false}, {"ababa", `%ab%b\`, false, true},
	} {
		p, err := newPattern(c.pattern, `\`, c.fold, false)
		if err != nil || !p.dangling {
			t.Fatalf("%s: %+v, %v", c.pattern, p, err)
		}
		if got := p.reaches([]byte(c.text)); got != c.reached {
			t.Errorf("%q LIKE %s comes to the end: %v, want %v", c.text, c.pattern, got, c.reached)
		}
	}
}
