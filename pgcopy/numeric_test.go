package pgcopy

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// numericForms are checked against a server by TestOracleNumericForms.
var numericForms = []struct{ text, wire string }{
	{"0", "0000 0000 0000 0000"},
	{"0.00", "0000 0000 0000 0002"},
	{"1", "0001 0000 0000 0000 0001"},
	{"-1.10", "0002 0000 4000 0002 0001 03e8"},
	{"10000", "0001 0001 0000 0000 0001"},
	{"123456789.987", "0004 0002 0000 0003 0001 0929 1a85 268e"},
	{"0.0001", "0001 ffff 0000 0004 0001"},
	{"0.00001000", "0001 fffe 0000 0008 03e8"},
	{"99990000.00009999", "0004 0001 0000 0008 270f 0000 0000 270f"},
	{"NaN", "0000 0000 c000 0000"},
	{"Infinity", "0000 0000 d000 0020"},
	{"-Infinity", "0000 0000 f000 0020"},
}

func TestNumericForms(t *testing.T) {
	for _, c := range numericForms {
		t.Run(c.text, func(t *testing.T) {
			wire := unhex(t, c.wire)
			n, err := readNumeric(wire)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(appendNumericText(nil, n)); got != c.text {
				t.Errorf("text %q, want %q", got, c.text)
			}
			got, ok := parseNumeric([]byte("x"), []byte(c.text))
			if !ok || string(got) != "x"+string(wire) {
				t.Errorf("wire %x, want %x", got[1:], wire)
			}
		})
	}
}

func TestParseNumericRefuses(t *testing.T) {
	for _, s := range []string{"", "-", ".", "1.", ".5", "+1", "1e5", "1.2.3", " 1", "1 ", "--1", "nan", "inf", "0x1", "1_0",
		strings.Repeat("9", 4*32768+1), "0." + strings.Repeat("1", 16384)} {
		if got, ok := parseNumeric([]byte("x"), []byte(s)); ok || string(got) != "x" {
			t.Errorf("%.20q gave %x, %v; want nothing", s, got, ok)
		}
	}
}

// Decimals go to the wire and back by the short way and by the long way, against big.Int and text.
func TestDecimalRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200_000 {
		p := 1 + r.IntN(38)
		s := r.IntN(p + 1)
		digits := 1 + r.IntN(p)
		text := make([]byte, digits)
		for i := range text {
			text[i] = byte('0' + r.IntN(10)*r.IntN(2))
		}
		v, _ := new(big.Int).SetString(string(text), 10)
		if r.IntN(2) == 0 {
			v.Neg(v)
		}
		d := decimal128.FromBigInt(v)
		wire := appendDecimal(nil, d, s)

		sign, abs := "", new(big.Int).Abs(v).String()
		if v.Sign() < 0 {
			sign = "-"
		}
		if s > 0 {
			abs = fmt.Sprintf("%0*s", s+1, abs)
			abs = abs[:len(abs)-s] + "." + abs[len(abs)-s:]
		}
		if got := string(appendDecimalText(nil, d, s)); got != sign+abs {
			t.Fatalf("%v × 10^-%d prints as %s", v, s, got)
		}
		if own, ok := parseNumeric(nil, []byte(sign+abs)); !ok || string(own) != string(wire) {
			t.Fatalf("%v × 10^-%d is %x from the decimal, %x from its text", v, s, wire, own)
		}
		n, err := readNumeric(wire)
		if err != nil {
			t.Fatalf("%v × 10^-%d: %x: %v", v, s, wire, err)
		}
		if back, fits := n.decimal(p, s); !fits || back != d {
			t.Fatalf("%v × 10^-%d came back as %v, %v", v, s, back.BigInt(), fits)
		}
		if short, ok := smallDecimal(wire, field{0, int32(len(wire))}, p, s); ok && decimal128.FromI64(short) != d {
			t.Fatalf("%v × 10^-%d came back by the short way as %d", v, s, short)
		}
	}
}

// A value that does not fit its precision or has another scale is exact text.
func TestDecimalFits(t *testing.T) {
	for _, c := range []struct {
		text     string
		p, s     int
		unscaled string // "" does not fit
	}{
		{"99.99", 4, 2, "9999"},
		{"100.00", 4, 2, ""},
		{"-100.00", 4, 2, ""},
		{"10000.00", 6, 2, ""},
		{"9999.00", 6, 2, "999900"},
		{"1.5", 4, 2, ""},
		{"1.500", 4, 2, ""},
		{"0", 4, 2, ""},
		{"0.00", 4, 2, "0"},
		{"NaN", 4, 2, ""},
		{"Infinity", 4, 2, ""},
		{"99999999999999999999999999999999999999", 38, 0, "99999999999999999999999999999999999999"},
		{"100000000000000000000000000000000000000", 38, 0, ""},
		{"1" + strings.Repeat("0", 131000), 38, 0, ""},
		{"0." + strings.Repeat("9", 38), 38, 38, strings.Repeat("9", 38)},
		{"1." + strings.Repeat("0", 38), 38, 38, ""},
		{"999999999999999999", 18, 0, "999999999999999999"},
		{"1000000000000000000", 19, 0, "1000000000000000000"},
		{"9999999999999999", 16, 0, "9999999999999999"},
		{"9999999999999999", 15, 0, ""},
	} {
		t.Run(fmt.Sprintf("%.20s(%d,%d)", c.text, c.p, c.s), func(t *testing.T) {
			wire, ok := parseNumeric(nil, []byte(c.text))
			if !ok {
				t.Fatal("not parsed")
			}
			n, err := readNumeric(wire)
			if err != nil {
				t.Fatal(err)
			}
			d, fits := n.decimal(c.p, c.s)
			if fits != (c.unscaled != "") || fits && d.BigInt().String() != c.unscaled {
				t.Errorf("got %v, %v; want %q", d.BigInt(), fits, c.unscaled)
			}
			if short, ok := smallDecimal(wire, field{0, int32(len(wire))}, c.p, c.s); ok && fmt.Sprint(short) != c.unscaled {
				t.Errorf("the short way gave %d for %s, want %q", short, hex.EncodeToString(wire), c.unscaled)
			}
		})
	}
}
