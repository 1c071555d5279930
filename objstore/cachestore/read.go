package cachestore

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"frostline/objstore"
)

const (
	blockBytes = 128 << 10
	// gapBlocks is how many blocks between two that are missing are read rather than that a second request is made: what
	// objstore coalesces too.
	gapBlocks = 2
	// callBytes is what one call may ask for to be cached at all: it has its blocks in memory once more.
	callBytes = 64 << 20
	// memoryShare is the part of the memory that one call may fill: a scan of large row groups does not push out all else.
	memoryShare = 4
	// extentsKept bounds the sizes remembered. A forgotten one costs a block at the end of a file that is read twice.
	extentsKept = 1 << 16
	// diskReads is how many files of the cache one call reads at once.
	diskReads = 4
)

// flight is a block being fetched.
type flight struct {
	done chan struct{} // closed when data or err is set
	end  int64         // bytes of the block that it will have at least: others rely on it
	data []byte
	err  error
}

// want is a block that a call needs, up to byte end of the block.
type want struct {
	index, end int64
	*flight    // of this call, when it is the one that fetches
}

// ReadRanges implements objstore.Store.
func (s *Store) ReadRanges(ctx context.Context, key string, ranges []objstore.Range) ([][]byte, error) {
	total, end, ok := measure(ranges)
	if !ok || s.class(key) != blocks || s.o.MemoryBytes == 0 && s.disk == nil {
		return s.below.ReadRanges(ctx, key, ranges)
	}
	if err := ctx.Err(); err != nil {
		return s.below.ReadRanges(ctx, key, ranges) // which says so as it does
	}
	s.mu.Lock()
	extent := max(s.extents[key], end)
	s.mu.Unlock()
	got := map[int64][]byte{}
	for left := wanted(ranges); len(left) > 0; {
		mine, others := s.claim(key, left, extent, got)
		if len(mine) > 0 {
			if err := s.fetch(ctx, key, mine, extent, total*memoryShare <= s.o.MemoryBytes, got); err != nil {
				return nil, err
			}
		}
		left = left[:0]
		for _, w := range others {
			select {
			case <-w.done:
			case <-ctx.Done():
				return s.below.ReadRanges(ctx, key, ranges)
			}
			if w.err != nil { // of another reader: his context has ended, or we find out
				left = append(left, want{index: w.index, end: w.end})
				continue
			}
			s.memoryHits.Add(1)
			got[w.index] = w.data
		}
	}
	s.mu.Lock()
	if len(s.extents) >= extentsKept {
		clear(s.extents)
	}
	s.extents[key] = max(s.extents[key], end)
	s.mu.Unlock()
	return assemble(ranges, got), nil
}

// measure is the sum and the greatest end of ranges; not ok for what is not cached: nothing, nonsense, and very much.
func measure(ranges []objstore.Range) (total, end int64, ok bool) {
	for _, r := range ranges {
		if r.Off < 0 || r.Len < 0 || r.Off > math.MaxInt64-blockBytes-r.Len || r.Len > callBytes-total {
			return 0, 0, false
		}
		if total += r.Len; r.Len > 0 {
			end = max(end, r.Off+r.Len)
		}
	}
	return total, end, total > 0
}

// wanted are the blocks that hold ranges, in order.
func wanted(ranges []objstore.Range) []want {
	ends := map[int64]int64{}
	for _, r := range ranges {
		if r.Len == 0 {
			continue
		}
		last := (r.Off + r.Len - 1) / blockBytes
		for i := r.Off / blockBytes; i < last; i++ {
			ends[i] = blockBytes
		}
		ends[last] = max(ends[last], r.Off+r.Len-last*blockBytes)
	}
	out := make([]want, 0, len(ends))
	for _, i := range slices.Sorted(maps.Keys(ends)) {
		out = append(out, want{index: i, end: ends[i]})
	}
	return out
}

// claim puts the wanted blocks that are in memory into got. mine are those to fetch, and nobody else does; others are being
// fetched.
func (s *Store) claim(key string, wanted []want, extent int64, got map[int64][]byte) (mine, others []want) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range wanted {
		id := blockID{key, w.index}
		if data := s.memory.get(id); int64(len(data)) >= w.end {
			s.memoryHits.Add(1)
			got[w.index] = data
			continue
		}
		if f := s.flights[id]; f != nil && f.end >= w.end {
			w.flight = f
			others = append(others, want{index: w.index, end: w.end, flight: f})
			continue
		}
		w.flight = &flight{done: make(chan struct{}), end: sizeOf(w.index, extent)}
		s.flights[id] = w.flight
		mine = append(mine, w)
	}
	return mine, others
}

// sizeOf is the length of block i of an object of at least extent bytes, as far as is known.
func sizeOf(i, extent int64) int64 { return min(blockBytes, extent-i*blockBytes) }

var errAbandoned = errors.New("the fetch was given up")

// fetch gets the blocks of mine, from the disk or the store below, puts them into got and ends their flights. keep says whether
// they stay in memory.
func (s *Store) fetch(ctx context.Context, key string, mine []want, extent int64, keep bool, got map[int64][]byte) error {
	s.mu.Lock()
	writes := s.writes
	s.mu.Unlock()
	defer s.land(key, mine)
	absent := mine
	if s.disk != nil {
		absent = s.fromDisk(key, mine)
	}
	s.misses.Add(int64(len(absent)))
	read, err := s.fromBelow(ctx, key, absent, extent)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.writes == writes
	for _, w := range mine {
		if w.data == nil {
			w.data = read[w.index]
		}
		got[w.index] = w.data
		if keep && current {
			s.memory.put(blockID{key, w.index}, w.data, true)
		}
	}
	for i, data := range read {
		if keep && current {
			s.memory.put(blockID{key, i}, data, false) // those that lie between
		}
		if s.disk != nil && current {
			s.disk.put(key, i, "", data)
		}
	}
	return nil
}

// land ends the flights of mine. Those without data were given up: who waits for them fetches himself.
func (s *Store) land(key string, mine []want) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range mine {
		if id := (blockID{key, w.index}); s.flights[id] == w.flight {
			delete(s.flights, id)
		}
		if w.data == nil {
			w.err = errAbandoned
		}
		close(w.done)
	}
}

// fromBelow reads blocks, and those between them that are read anyway, from the store below.
func (s *Store) fromBelow(ctx context.Context, key string, list []want, extent int64) (map[int64][]byte, error) {
	spans := spansOf(list, extent)
	if len(spans) == 0 {
		return nil, nil
	}
	got, err := s.below.ReadRanges(ctx, key, spans)
	if err != nil {
		return nil, err
	}
	read := map[int64][]byte{}
	for k, span := range spans {
		for off := int64(0); off < span.Len; off += blockBytes {
			// A block of its own: one that is kept must not hold the memory of the others.
			read[(span.Off+off)/blockBytes] = slices.Clone(got[k][off:min(off+blockBytes, span.Len)])
		}
	}
	return read, nil
}

// fromDisk gives the flights of mine the blocks that are on disk, and returns the others.
func (s *Store) fromDisk(key string, mine []want) (absent []want) {
	var g errgroup.Group
	g.SetLimit(diskReads)
	for _, w := range mine {
		g.Go(func() error {
			if data, _, ok := s.disk.get(key, w.index); ok && int64(len(data)) >= w.flight.end {
				w.data = data
			}
			return nil
		})
	}
	_ = g.Wait() // of functions without an error
	for _, w := range mine {
		if w.data == nil {
			absent = append(absent, w)
		}
	}
	s.diskHits.Add(int64(len(mine) - len(absent)))
	return absent
}

// spansOf joins blocks that are near each other.
func spansOf(list []want, extent int64) []objstore.Range {
	var spans []objstore.Range
	for _, w := range list {
		off := w.index * blockBytes
		size := sizeOf(w.index, extent)
		if n := len(spans); n > 0 {
			last := &spans[n-1]
			if off-(last.Off+last.Len) <= gapBlocks*blockBytes {
				last.Len = off + size - last.Off
				continue
			}
		}
		spans = append(spans, objstore.Range{Off: off, Len: size})
	}
	return spans
}

// assemble copies ranges out of the blocks: what a caller owns is not what others read.
func assemble(ranges []objstore.Range, got map[int64][]byte) [][]byte {
	out := make([][]byte, len(ranges))
	for k, r := range ranges {
		buf := make([]byte, r.Len)
		for done := int64(0); done < r.Len; {
			i, at := (r.Off+done)/blockBytes, (r.Off+done)%blockBytes
			done += int64(copy(buf[done:], got[i][at:]))
		}
		out[k] = buf
	}
	return out
}
