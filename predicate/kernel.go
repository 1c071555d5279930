package predicate

import (
	"encoding/binary"
	"math/bits"

	"golang.org/x/sys/cpu"
)

// hasAVX2 chooses the vector code when the program starts; it is false on other processors than amd64.
var hasAVX2 = cpu.X86.HasAVX2

// fillRange sets the bit of every number from lo to hi, lo ≤ hi. Bits of t after the last number are 0.
func fillRange[T ~int32 | ~int64](list []T, lo, hi int64, t []uint64) {
	width := uint64(hi) - uint64(lo)
	for w := vectorRange(list, lo, hi, t); w < len(t); w++ {
		var word uint64
		for i, x := range list[min(w*64, len(list)):min(w*64+64, len(list))] {
			word |= bit(uint64(int64(x))-uint64(lo) <= width) << (i & 63)
		}
		t[w] = word
	}
}

// finder looks for a text of at least two bytes by two of them that are rare in most texts.
type finder struct {
	want     []byte
	at, gap  int // the first of the two, and the second after it
	one, two byte
}

func newFinder(want []byte) *finder {
	f := &finder{want: want}
	first, second := 0, 1
	if rarity(want[second]) > rarity(want[first]) {
		first, second = second, first
	}
	for i := 2; i < len(want); i++ {
		switch r := rarity(want[i]); {
		case r > rarity(want[first]):
			first, second = i, first
		case r > rarity(want[second]):
			second = i
		}
	}
	f.at = min(first, second)
	f.gap = max(first, second) - f.at
	f.one, f.two = want[f.at], want[f.at+f.gap]
	return f
}

// rarity orders bytes by how seldom they stand in texts, roughly.
func rarity(c byte) int {
	const common = "zqxjkvbpygfwmucldrhsnioate "
	for i := range len(common) {
		if common[i] == c|0x20 && (c >= 'A' && c <= 'Z' || c == common[i]) {
			if c <= 'Z' && c != ' ' {
				return 60 - i
			}
			return 40 - i
		}
	}
	if c >= '0' && c <= '9' {
		return 30
	}
	return 50
}

// next is the first place of the text in b from on; -1 without.
func (f *finder) next(b []byte, from int) int {
	last := len(b) - len(f.want) // where the text may begin at the latest
	for from <= last {
		i := f.pair(b[from+f.at:], last-from+1)
		if i < 0 {
			return -1
		}
		from += i
		if string(b[from:from+len(f.want)]) == string(f.want) {
			return from
		}
		from++
	}
	return -1
}

// pair is the first i below n with both bytes at their places; -1 without. b has n+gap bytes.
func (f *finder) pair(b []byte, n int) int {
	i, found := vectorPair(b, n, f.gap, f.one, f.two)
	if found {
		return i
	}
	const ones, high = 0x0101010101010101, 0x8080808080808080
	one, two := ones*uint64(f.one), ones*uint64(f.two)
	for ; i+8 <= n; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:]) ^ one
		y := binary.LittleEndian.Uint64(b[i+f.gap:]) ^ two
		// A zero byte of z is where both are. Bytes above the first may be found wrongly, never the first.
		z := x | y
		if hit := (z - ones) &^ z & high; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for ; i < n; i++ {
		if b[i] == f.one && b[i+f.gap] == f.two {
			return i
		}
	}
	return -1
}
