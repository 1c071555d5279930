package parquetio

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime/metrics"
	"testing"

	"frostline/coltype"
)

// allocated is what the process has allocated on the heap since it began.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// leastAllocated is what once says, the least of up to five calls, until one is within most: with the race detector a pool loses
// some of what it is given.
func leastAllocated(most uint64, once func() uint64) uint64 {
	least := once()
	for try := 0; try < 4 && least > most; try++ {
		least = min(least, once())
	}
	return least
}

// readForeign reads all that a file claims to have: each chunk by its leaf, and the columns that are flat.
func readForeign(b []byte) error {
	f, err := Open(context.Background(), Bytes(b), ReadOptions{})
	if err != nil {
		return err
	}
	var first error
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	levels := leafLevels(f.meta.schema)
	for rg := range f.RowGroups() {
		for i, l := range levels {
			_, err := ourLeaf(f, rg, i, l[0], l[1])
			keep(err)
		}
		for name, col := range f.schema.byName {
			for _, kind := range []coltype.Kind{coltype.Bool, coltype.Int32, coltype.Int64, coltype.Float64, coltype.String, coltype.Timestamp} {
				if col != nil && col.shape == shapeFlat && fits(kindType(kind), col.leaves[0].elem) == nil {
					_, err := f.Read(context.Background(), rg, []coltype.Column{{Name: name, Type: kindType(kind)}}, false, nil)
					keep(err)
				}
			}
		}
	}
	return first
}

// leafLevels are the greatest definition and repetition level of each leaf of a schema that is sound.
func leafLevels(elems []schemaElement) (levels [][2]int) {
	pos := 1
	var walk func(def, rep int)
	walk = func(def, rep int) {
		e := elems[pos]
		pos++
		if e.repetition == repOptional {
			def++
		} else if e.repetition == repRepeated {
			def, rep = def+1, rep+1
		}
		if e.hasType {
			levels = append(levels, [2]int{def, rep})
			return
		}
		for range e.children {
			walk(def, rep)
		}
	}
	for pos < len(elems) {
		walk(0, 0)
	}
	return levels
}

// TestHostileFiles damages files of another writer, most of all their footers and page headers: no panic, no error of another
// kind, and memory within a bound that follows from the file.
func TestHostileFiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(51, 52))
	refused, most := 0, uint64(0)
	for seed := range 12 {
		whole, settings := randomFile(t, rand.New(rand.NewPCG(uint64(seed), 98)))
		for range 40 {
			b := mutate(rng, whole)
			before := allocated()
			err := readForeign(b)
			most = max(most, allocated()-before)
			if err == nil {
				continue
			}
			refused++
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("seed %d (%s): %v, want ErrCorrupt", seed, settings, err)
			}
		}
	}
	t.Logf("%d of 480 were refused, one took at most %d bytes", refused, most)
	if refused < 150 {
		t.Errorf("only %d of 480 damaged files were refused", refused)
	}
	if most > 512<<20 {
		t.Errorf("reading a damaged file took %d bytes of memory", most)
	}
}

// FuzzForeign starts from files of another writer. Without -fuzzminimizetime 1x the fuzzer spends its time on shortening them.
func FuzzForeign(f *testing.F) {
	for seed := range 40 {
		b, _ := randomFile(f, rand.New(rand.NewPCG(uint64(seed), 97)))
		if len(b) < 6000 { // small ones, so that the fuzzer is quick
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := allocated()
		err := readForeign(b)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%v, want ErrCorrupt", err)
		}
		if n := allocated() - before; n > 4<<30 {
			t.Fatalf("a file of %d bytes took %d bytes of memory", len(b), n)
		}
	})
}
