package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"
)

// How long a key takes to be refused says neither whether its id is known nor how much of its secret is right: what is compared is the
// SHA-256 of the key, in constant time, and an id that is not known is compared with zeros.
func TestKeyTiming(t *testing.T) {
	right := keyPrefix + "00000001_" + strings.Repeat("A", 43)
	sum := sha256.Sum256([]byte(right))
	ring := newKeyring([]Key{{ID: "00000001", Principal: "ada", SHA256: hex.EncodeToString(sum[:])}})
	keys := []string{right[:len(right)-1] + "B", right[:12] + "B" + right[13:], strings.Replace(right, "00000001", "00000002", 1)}
	if _, ok := ring.find(right, time.Now()); !ok {
		t.Fatal("the right key is refused")
	}
	times := make([][]time.Duration, len(keys))
	for range 60 { // in turns, so that a busy machine slows all of them
		for i, k := range keys {
			begun := time.Now()
			for range 300 {
				if _, ok := ring.find(k, begun); ok {
					t.Fatalf("%s is taken", k)
				}
			}
			times[i] = append(times[i], time.Since(begun))
		}
	}
	var least []time.Duration
	for _, list := range times {
		least = append(least, slices.Min(list))
	}
	if slices.Max(least) > 2*slices.Min(least) {
		t.Errorf("last letter wrong, first letter wrong, unknown id: %v for 300", least)
	}
}
