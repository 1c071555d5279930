package coltype

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

func TestCompareDecimal(t *testing.T) {
	in := []string{"-Infinity", "-1e30", "-1.50", "-0.0", "0.001", "1", "1.0000001", "99999999999999999999", "1e131071", "Infinity", "NaN"}
	var values []Value
	for _, s := range in {
		v, err := ParseText(Type{Kind: Decimal, Precision: 38, Scale: 2}, s)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	for i, a := range values {
		for j, b := range values {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := Compare(a, b); got != want {
				t.Errorf("Compare(%s, %s) = %d, want %d", in[i], in[j], got, want)
			}
		}
	}
	if Compare(Value{Kind: Decimal, Big: big.NewInt(150), Scale: 2}, Value{Kind: Decimal, Big: big.NewInt(15), Scale: 1}) != 0 {
		t.Error("1.50 and 1.5 differ")
	}
}

func TestComparePanics(t *testing.T) {
	for name, pair := range map[string][2]Value{"kinds differ": {{Kind: Int32}, {Kind: Int64}}, "lists": {{Kind: List}, {Kind: List}}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			Compare(pair[0], pair[1])
		}()
	}
}

// TestDecimalPadding: a column's decimals are printed, a literal's further ones are kept.
func TestDecimalPadding(t *testing.T) {
	typ := Type{Kind: Decimal, Precision: 12, Scale: 2, Base: "numeric"}
	for in, want := range map[string]string{"1": "1.00", "-1.5": "-1.50", "1.005": "1.005", "NaN": "NaN", "1e3": "1000.00", "0": "0.00"} {
		v, err := ParseText(typ, in)
		if got := string(AppendText(nil, typ, v)); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", in, got, err, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	long := strings.Repeat("é", 100)
	for _, c := range []struct {
		t        Type
		in, want string
	}{
		{Type{Kind: Int32, Base: "int2", Name: "smallint"}, "40000", `invalid value for type smallint: "40000": out of range, want -32768 to 32767`},
		{Type{Kind: Int32, Name: "integer"}, "x", `invalid value for type integer: "x": want an integer`},
		{Type{Kind: Date}, "01/02/2024", `invalid value for type date: "01/02/2024": want YYYY-MM-DD`},
		{Type{Kind: TimestampTZ}, "2024-01-01 10:00 Europe/Paris", `invalid value for type timestamptz: "2024-01-01 10:00 Europe/Paris": want YYYY-MM-DD HH:MM:SS.ffffff+HH:MM`},
		{Type{Kind: Date}, "2024-02-30", `invalid value for type date: "2024-02-30": a field is out of range`},
		{Type{Kind: Timestamp}, "294277-01-01", `invalid value for type timestamp: "294277-01-01": out of range, want 4714-11-24 BC to 294276-12-31`},
		{Type{Kind: String, Name: "mood", Labels: []string{"sad"}}, "glad", `invalid value for type mood: "glad": not a label of the enum`},
		{Type{Kind: String, Name: "text"}, "a\x00b", `invalid value for type text: "a\x00b": text cannot hold the character U+0000`},
		{Type{Kind: String, Name: "text"}, "a\xffb", `invalid value for type text: "a\xffb": not UTF-8`},
		{Type{Kind: Bool}, long, `invalid value for type bool: "` + long[:80] + `…": want true or false`},
		{Type{Kind: Binary, Base: "geometry"}, "POINT(1 2)", `invalid value for type geometry: "POINT(1 2)": want EWKB in hex`},
		{Type{Kind: List, Name: "integer[]"}, "{1}", `invalid value for type integer[]: "{1}": an array is not a scalar`},
		{Type{}, "", `invalid value for type invalid: "": the type has no kind`},
	} {
		_, err := ParseText(c.t, c.in)
		if err == nil || err.Error() != c.want || !errors.Is(err, ErrValue) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestGeometryHex(t *testing.T) {
	typ := Type{Kind: Binary, Base: "geography"}
	v, err := ParseText(typ, "0101000020e6100000")
	if got := string(AppendText(nil, typ, v)); err != nil || v.S != "\x01\x01\x00\x00\x20\xe6\x10\x00\x00" || got != "0101000020E6100000" {
		t.Errorf("got %q, printed %s, %v", v.S, got, err)
	}
}

// TestAppendAllocates: the typed appends of a row allocate nothing when dst has room.
func TestAppendAllocates(t *testing.T) {
	dst := make([]byte, 0, 1024)
	big := decimal128.New(-5, 77)
	allocs := testing.AllocsPerRun(100, func() {
		b := AppendFloat8(dst, math.Pi)
		b = AppendFloat8(b, 1e23)
		b = AppendFloat4(b, 16777216)
		b = AppendDate(b, 8000)
		b = AppendTime(b, 1234567)
		b = AppendTimestamp(b, -1, true)
		b = AppendNumeric(b, big, 10)
		b = AppendUUID(b, [16]byte{1})
		b = AppendBytea(b, "abc")
		_ = AppendBool(b, true)
	})
	if allocs != 0 {
		t.Errorf("%v allocations a row, want 0", allocs)
	}
}

// FuzzParseText: no text makes ParseText panic, and what it accepts is printed as a text that it reads as
// an equal value and prints again alike.
func FuzzParseText(f *testing.F) {
	for i, c := range oracleTypes {
		for _, s := range nastyTexts(c.pgType) {
			if len(s) < 1000 {
				f.Add(uint8(i), s)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, s string) {
		c := oracleTypes[int(which)%len(oracleTypes)]
		v, err := ParseText(c.t, s)
		if err != nil {
			if !errors.Is(err, ErrValue) {
				t.Fatalf("%s %q: %v does not wrap ErrValue", c.pgType, s, err)
			}
			return
		}
		text := string(AppendText(nil, c.t, v))
		back, err := ParseText(c.t, text)
		if err != nil || Compare(v, back) != 0 {
			t.Fatalf("%s %q: printed %q, read back as %+v, %v", c.pgType, s, text, back, err)
		}
		if again := string(AppendText(nil, c.t, back)); again != text {
			t.Fatalf("%s %q: printed %q, then %q", c.pgType, s, text, again)
		}
	})
}

// FuzzParseArray is the same for arrays.
func FuzzParseArray(f *testing.F) {
	for _, s := range arrayLiterals {
		f.Add(s, byte(','))
		f.Add(strings.ReplaceAll(s, ",", ";"), byte(';'))
	}
	f.Fuzz(func(t *testing.T, s string, delim byte) {
		if delim != ',' && delim != ';' && delim != ':' {
			return
		}
		a, err := ParseArray(s, delim)
		if err != nil {
			if !errors.Is(err, ErrValue) {
				t.Fatalf("%q: %v does not wrap ErrValue", s, err)
			}
			return
		}
		size := 1
		for _, n := range a.Dims {
			size *= n
		}
		if len(a.Dims) == 0 {
			size = 0
		}
		if size != len(a.Elems) || len(a.Lower) != len(a.Dims) {
			t.Fatalf("%q: %d elements in dimensions %v, bounds %v", s, len(a.Elems), a.Dims, a.Lower)
		}
		text := string(AppendArray(nil, a, delim))
		back, err := ParseArray(text, delim)
		if err != nil || !equalArrays(a, back) {
			t.Fatalf("%q: printed %q, read back as %+v, %v", s, text, back, err)
		}
	})
}
