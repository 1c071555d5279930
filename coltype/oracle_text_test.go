package coltype

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"

	"frostline/internal/pgtest"
)

var since16 = []string{"1_000", "0x10"} // integers as in SQL

// narrower are the texts that PostgreSQL accepts and ParseText refuses, on purpose.
var narrower = map[string][]string{
	"int2": since16, "int4": since16, "int8": since16, "oid": since16, "numeric": since16,
	"float4":      {"0x10", "+nan", "-nan"}, // what the C library's strtof takes
	"float8":      {"0x10", "+nan", "-nan"},
	"date":        {"2024-01-001", "2024-01-01T 10:20:30", "2024-01-01 BC 10:20:30", "+infinity"},
	"time":        {"2024-01", "2024", "10:20:30 BC", "10:", "010:20:30", "10:020:30"},
	"timestamp":   {"2024-01-001", "2024-01-01T 10:20:30", "2024-01-01 BC 10:20:30", "+infinity"},
	"timestamptz": {"2024-01-001", "2024-01-01T 10:20:30", "2024-01-01 BC 10:20:30", "+infinity"},
}

// TestOracleTexts: a text is refused or accepted as the server does, and printed as it prints it.
func TestOracleTexts(t *testing.T) {
	o := newOracle(t)
	for _, c := range oracleTypes {
		t.Run(c.pgType, func(t *testing.T) {
			texts := o.settled(c.pgType, append(nastyTexts(c.pgType), randomTexts(c.t)...))
			for i, want := range o.print(t, c.pgType, texts) {
				in := texts[i]
				if slices.Contains(narrower[c.pgType], in) {
					want = pgtest.Null
				}
				v, err := ParseText(c.t, in)
				switch refuse := want == pgtest.Null; {
				case refuse != (err != nil):
					t.Errorf("%s %q: server gives %s, ParseText %v", c.pgType, in, want, err)
				case err == nil:
					if got := string(AppendText(nil, c.t, v)); got != want {
						t.Errorf("%s %q: server prints %s, AppendText %s", c.pgType, in, want, got)
					}
				}
			}
		})
	}
}

// TestOracleOrder: Compare orders as the server's ORDER BY.
func TestOracleOrder(t *testing.T) {
	o := newOracle(t)
	for _, c := range oracleTypes {
		if len(c.t.Labels) > 0 {
			continue // the predicate orders enums, by label
		}
		t.Run(c.pgType, func(t *testing.T) {
			var texts []string
			var values []Value
			all := o.settled(c.pgType, append(nastyTexts(c.pgType), randomTexts(c.t)[:60]...))
			for _, s := range all {
				if v, err := ParseText(c.t, s); err == nil {
					texts, values = append(texts, s), append(values, v)
				}
			}
			rank := o.rank(t, c.pgType, texts)
			for i := range values {
				for j := range values {
					var a, b int
					fmt.Sscan(rank[i], &a)
					fmt.Sscan(rank[j], &b)
					want := min(1, max(-1, a-b))
					if got := Compare(values[i], values[j]); got != want {
						t.Errorf("%s: Compare(%q, %q) = %d, server orders %d", c.pgType, texts[i], texts[j], got, want)
					}
				}
			}
		})
	}
}

// TestOracleMutations: what ParseText accepts of texts with a few bytes changed, the server reads as
// the same value. (The server takes more: its date parser is generous.)
func TestOracleMutations(t *testing.T) {
	o := newOracle(t)
	r := rand.New(rand.NewPCG(7, 8))
	const alphabet = "0123456789 -+:.TZtzeE{}\\xabBCADUTC,_\t/infyo"
	for _, c := range oracleTypes {
		t.Run(c.pgType, func(t *testing.T) {
			seeds := append(nastyTexts(c.pgType), randomTexts(c.t)...)
			var texts []string
			for len(texts) < 4000 {
				b := []byte(seeds[r.IntN(len(seeds))])
				for range r.IntN(3) + 1 {
					at, with := r.IntN(len(b)+1), alphabet[r.IntN(len(alphabet))]
					switch r.IntN(3) {
					case 0:
						b = slices.Insert(b, at, with)
					case 1:
						b = slices.Delete(b, at, min(at+1, len(b)))
					case 2:
						b = slices.Replace(b, at, min(at+1, len(b)), with)
					}
				}
				if len(b) < 300 && utf8.Valid(b) {
					texts = append(texts, string(b))
				}
			}
			texts = o.settled(c.pgType, texts)
			accepted := 0
			for i, want := range o.print(t, c.pgType, texts) {
				v, err := ParseText(c.t, texts[i])
				if err != nil {
					continue
				}
				accepted++
				if got := string(AppendText(nil, c.t, v)); got != want {
					t.Errorf("%q: server gives %s, ParseText %s", texts[i], want, got)
				}
			}
			if accepted < 100 {
				t.Errorf("only %d texts were accepted", accepted)
			}
		})
	}
}

// TestOracleFloats: the digits are the server's where shortest texts differ between implementations:
// half-way decimals, powers of two, ties.
func TestOracleFloats(t *testing.T) {
	o := newOracle(t)
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range oracleTypes[5:7] {
		t.Run(c.pgType, func(t *testing.T) {
			mantissa, powers := 53, 2000
			if c.t.Kind == Float32 {
				mantissa, powers = 24, 250
			}
			var texts []string
			for e := range powers {
				texts = append(texts, fmt.Sprintf("%.20g", math.Ldexp(1, e-powers/2-5)))
			}
			for e := range 30 {
				for n := 1; n < 100; n++ {
					texts = append(texts, fmt.Sprintf("-%de%d", n, e))
				}
			}
			for range 3000 {
				half := uint64(1)<<mantissa + r.Uint64N(1<<mantissa)
				texts = append(texts, fmt.Sprint(half<<r.IntN(63-mantissa)), fmt.Sprint(r.Uint64()>>r.IntN(40)),
					fmt.Sprintf("%.60g", math.Ldexp(float64(r.Uint64N(1<<r.IntN(mantissa))), 20-r.IntN(80))))
			}
			for i, want := range o.print(t, c.pgType, texts) {
				v, err := ParseText(c.t, texts[i])
				if err != nil {
					t.Errorf("%s: server gives %s, ParseText %v", texts[i], want, err)
				} else if got := string(AppendText(nil, c.t, v)); got != want {
					t.Errorf("%s: server prints %s, AppendText %s", texts[i], want, got)
				}
			}
		})
	}
}

// randomTexts are 400 texts of random values of a type, by a fixed seed.
func randomTexts(t Type) []string {
	r := rand.New(rand.NewPCG(1, 2))
	list := make([]string, 400)
	for i := range list {
		list[i] = randomText(r, t)
	}
	return list
}

func randomText(r *rand.Rand, t Type) string {
	switch t.Kind {
	case Bool:
		return []string{"t", "f"}[r.IntN(2)]
	case Int32:
		return fmt.Sprint(int16(r.Uint32()))
	case Int64:
		return fmt.Sprint(r.Uint32())
	case Float32:
		if r.IntN(2) == 0 {
			return fmt.Sprintf("%de%d", r.IntN(100000), r.IntN(24))
		}
		return fmt.Sprintf("%.9g", math.Float32frombits(r.Uint32()))
	case Float64:
		if r.IntN(2) == 0 {
			return fmt.Sprintf("%de%d", r.Int64N(int64(math.Pow10(r.IntN(18))))+1, r.IntN(30))
		}
		return fmt.Sprintf("%.17g", math.Float64frombits(r.Uint64()))
	case Binary:
		b := make([]byte, r.IntN(9))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return fmt.Sprintf(`\x%x`, b)
	case UUID:
		return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
	case Date:
		return string(AppendDate(nil, MinDate+r.Int64N(MaxDate-MinDate+1)))
	case Time:
		return string(AppendTime(nil, r.Int64N(MicrosPerDay+1)))
	case Timestamp, TimestampTZ:
		us := r.Int64N(MaxTimestamp)
		if r.IntN(2) == 0 {
			us = MinTimestamp + r.Int64N(-MinTimestamp*2)
		}
		return string(AppendTimestamp(nil, us, t.Kind == TimestampTZ))
	}
	switch t.Base {
	case "numeric":
		s := fmt.Sprint(r.Uint64N(uint64(math.Pow10(r.IntN(19))) + 1))
		cut := r.IntN(len(s) + 1)
		return []string{"", "-"}[r.IntN(2)] + s[:cut] + "." + s[cut:] + "0e" + fmt.Sprint(r.IntN(60)-30)
	case "mood":
		return t.Labels[r.IntN(3)]
	}
	alphabet := []rune("aAzZ09 _-é€ßÄ\t\n\\'\"\U0001F600")
	out := make([]rune, r.IntN(8))
	for i := range out {
		out[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(out)
}
