package digest

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"frostline/coltype"
)

// A row given in pieces has the digest of the row given whole, whatever its columns and wherever it is cut.
func TestPieces(t *testing.T) {
	cols := append(floats(), list(coltype.Float64), list(coltype.String), scalar(1)[0])
	rnd := rand.New(rand.NewPCG(3, 4))
	field := func(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }
	null := []byte{0xff, 0xff, 0xff, 0xff}
	pick := func(fields ...[]byte) []byte { return fields[rnd.IntN(len(fields))] }
	whole, pieces := NewHasher(cols), NewHasher(cols)
	for range 2000 {
		long := make([]byte, rnd.IntN(5000))
		for i := range long {
			long[i] = byte(rnd.Uint32())
		}
		fields := [][]byte{
			pick(field(long[:len(long)/2]), null),
			pick(unhex(t, "00000004 ffc00001"), unhex(t, "00000004 3fc00000"), null),
			pick(unhex(t, "00000008 fff8000000000001"), null),
			field(long),
			pick(unhex(t, "00000020 00000001 00000000 000002bd 00000001 00000001 00000008 fff8000000000000"), null),
			pick(unhex(t, "0000000c 00000000 00000001 00000019"), null),
			field(long[len(long)/3:]),
		}
		var tuple []byte
		pieces.Begin()
		for i, f := range fields {
			tuple = append(tuple, f...)
			if i == 3 || i == 6 {
				for len(f) > 0 {
					n := 1 + rnd.IntN(len(f))
					pieces.Piece(f[:n])
					f = f[n:]
				}
				continue
			}
			pieces.Field(i, f)
		}
		pieces.End()
		whole.Tuple(tuple)
		if whole.Digest != pieces.Digest {
			t.Fatalf("row %d: %v in pieces, want %v", whole.Digest.Rows, pieces.Digest, whole.Digest)
		}
		if rnd.IntN(10) == 0 { // a row that broke off leaves nothing
			pieces.Begin()
			pieces.Piece(long)
		}
	}
}
