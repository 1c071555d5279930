package digest

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"frostline/coltype"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func scalar(n int) []coltype.Column {
	cols := make([]coltype.Column, n)
	for i := range cols {
		cols[i].Type = coltype.Type{Kind: coltype.String, Wire: coltype.WireRaw}
	}
	return cols
}

func list(elem coltype.Kind) coltype.Column {
	return coltype.Column{Type: coltype.Type{Kind: coltype.List, Wire: coltype.WireArray, Elem: &coltype.Type{Kind: elem}}}
}

// floats is a text column, a float4, a float8, and a text column.
func floats() []coltype.Column {
	cols := scalar(4)
	cols[1].Type = coltype.Type{Kind: coltype.Float32, Wire: coltype.WireFloat4}
	cols[2].Type = coltype.Type{Kind: coltype.Float64, Wire: coltype.WireFloat8}
	return cols
}

// around is a text column, the array column, and a text column.
func around(c coltype.Column) []coltype.Column {
	cols := scalar(3)
	cols[1] = c
	return cols
}

const (
	k = "00000001 6b" // field 'k'
	z = "00000001 7a" // field 'z'
)

// The sums were computed by the reference implementation, xxHash 0.8 (XXH3_128bits, seed 0).
func TestVectors(t *testing.T) {
	for _, c := range []struct {
		name   string
		cols   []coltype.Column
		tuples []string
		want   string
	}{
		{"no rows", scalar(2), nil, "xxh3-128:00000000000000000000000000000000:0"},
		{"a row without columns", nil, []string{""}, "xxh3-128:99aa06d3014798d86001c324468d497f:1"},
		{"int4 1, text abc", scalar(2), []string{"00000004 00000001 00000003 616263"}, "xxh3-128:d60b3648afbe3aaed74183b690a9812d:1"},
		{"int4 2, NULL", scalar(2), []string{"00000004 00000002 ffffffff"}, "xxh3-128:c09e049268295a1e63955e8395d8c5a9:1"},
		{"both rows", scalar(2), []string{"00000004 00000001 00000003 616263", "00000004 00000002 ffffffff"}, "xxh3-128:96a93adb17e794cd3ad6e23a268246d6:2"},
		{"both rows, other order", scalar(2), []string{"00000004 00000002 ffffffff", "00000004 00000001 00000003 616263"}, "xxh3-128:96a93adb17e794cd3ad6e23a268246d6:2"},
		{"the first row twice", scalar(2), []string{"00000004 00000001 00000003 616263", "00000004 00000001 00000003 616263"}, "xxh3-128:ac166c915f7c755dae83076d2153025a:2"},
		{"1000 bytes", scalar(1), []string{"000003e8" + strings.Repeat("78", 1000)}, "xxh3-128:b8ba191fbac695cab711b8a2ec1a8fa7:1"},
		{"int4[] {7,NULL}", around(list(coltype.Int32)), []string{k + "00000020 00000001 00000001 00000017 00000002 00000001 00000004 00000007 ffffffff" + z}, "xxh3-128:97d8fa7c93106decb5bec60a7246eede:1"},
		{"the same, other flag and OID", around(list(coltype.Int32)), []string{k + "00000020 00000001 00000000 0000abcd 00000002 00000001 00000004 00000007 ffffffff" + z}, "xxh3-128:97d8fa7c93106decb5bec60a7246eede:1"},
		{"empty array", around(list(coltype.String)), []string{k + "0000000c 00000000 00000000 00000019" + z}, "xxh3-128:bc79f6d032f7bcac91b8eff78180936a:1"},
		{"NULL array", around(list(coltype.String)), []string{k + "ffffffff" + z}, "xxh3-128:9f86efa669da7aa36d856b16cfad9f2b:1"},
		{"float8[] {{NaN,1}}", []coltype.Column{list(coltype.Float64)}, []string{"00000034 00000002 00000000 000002bd 00000001 00000001 00000002 00000001 00000008 7ff8000000000000 00000008 3ff0000000000000"}, "xxh3-128:522832037b42a2e27f8ebdd23c65c84e:1"},
		{"float8[] {{-NaN,1}}", []coltype.Column{list(coltype.Float64)}, []string{"00000034 00000002 00000000 000002bd 00000001 00000001 00000002 00000001 00000008 fff8000000000001 00000008 3ff0000000000000"}, "xxh3-128:522832037b42a2e27f8ebdd23c65c84e:1"},
		{"float4[] [0:0]={-NaN}", []coltype.Column{list(coltype.Float32)}, []string{"0000001c 00000001 00000000 000002bc 00000001 00000000 00000004 ffc00000"}, "xxh3-128:49284f46816fe910fb3147a83cba00db:1"},
		{"float8[] {-NaN}", []coltype.Column{list(coltype.Float64)}, []string{"00000020 00000001 00000000 000002bd 00000001 00000001 00000008 fff8000000000000"}, "xxh3-128:749b9fdb7e108cf1285f6509905bb2bd:1"},
		{"float4 NaN, float8 NaN", floats(), []string{k + "00000004 7fc00000 00000008 7ff8000000000000" + z}, "xxh3-128:98cb7d2a79f4fef0635fa3ddaa743543:1"},
		{"float4 -NaN, float8 NaN with payload", floats(), []string{k + "00000004 ffc00000 00000008 7ff0000000000001" + z}, "xxh3-128:98cb7d2a79f4fef0635fa3ddaa743543:1"},
		{"float4 1.5, NULL", floats(), []string{k + "00000004 3fc00000 ffffffff" + z}, "xxh3-128:f8cf751131f725a7e1b1d380b53b6821:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := NewHasher(c.cols)
			for _, tuple := range c.tuples {
				b := unhex(t, tuple)
				before := hex.EncodeToString(b)
				h.Tuple(b)
				if hex.EncodeToString(b) != before {
					t.Error("the tuple was changed")
				}
			}
			if got := h.Digest.String(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			back, err := Parse(c.want)
			if err != nil || back != h.Digest {
				t.Errorf("Parse(%s) = %v, %v", c.want, back, err)
			}
		})
	}
}

func TestAddCarries(t *testing.T) {
	d := Digest{Hi: math.MaxUint64, Lo: math.MaxUint64, Rows: 3}
	d.Add(Digest{Hi: 1, Lo: 2, Rows: 4})
	if want := (Digest{Hi: 1, Lo: 1, Rows: 7}); d != want {
		t.Errorf("got %+v, want %+v", d, want)
	}
}

func TestParseRefuses(t *testing.T) {
	const sum = "00000000000000000000000000000000"
	for name, c := range map[string]struct{ in, want string }{
		"empty":          {"", `parse digest "": it does not start with "xxh3-128:"`},
		"other hash":     {"md5:00:1", `parse digest "md5:00:1": it does not start with "xxh3-128:"`},
		"no rows":        {"xxh3-128:" + sum, `parse digest "xxh3-128:` + sum + `": want 32 hex digits, a colon and the row count`},
		"short":          {"xxh3-128:00:1", `parse digest "xxh3-128:00:1": want 32 hex digits, a colon and the row count`},
		"not hex":        {"xxh3-128:g" + sum[1:] + ":1", `parse digest "xxh3-128:g` + sum[1:] + `:1": want 32 hex digits, a colon and the row count`},
		"negative rows":  {"xxh3-128:" + sum + ":-1", `parse digest "xxh3-128:` + sum + `:-1": "-1" is not a row count`},
		"signed rows":    {"xxh3-128:" + sum + ":+1", `parse digest "xxh3-128:` + sum + `:+1": it is not in the form that is printed, xxh3-128:` + sum + `:1`},
		"capital digits": {"xxh3-128:A" + sum[1:] + ":1", `parse digest "xxh3-128:A` + sum[1:] + `:1": it is not in the form that is printed, xxh3-128:a` + sum[1:] + `:1`},
	} {
		if _, err := Parse(c.in); err == nil || err.Error() != c.want {
			t.Errorf("%s: got  %v\nwant %s", name, err, c.want)
		}
	}
}

func BenchmarkTuple(b *testing.B) {
	tuple := append(unhex(b, "00000004 00000001 00000088"), make([]byte, 136)...)
	h := NewHasher(scalar(2))
	b.SetBytes(int64(len(tuple)))
	for b.Loop() {
		h.Tuple(tuple)
	}
}

func BenchmarkTupleArray(b *testing.B) {
	tuple := unhex(b, k+"00000020 00000001 00000001 00000017 00000002 00000001 00000004 00000007 ffffffff"+z)
	h := NewHasher(around(list(coltype.Int32)))
	b.SetBytes(int64(len(tuple)))
	for b.Loop() {
		h.Tuple(tuple)
	}
}
