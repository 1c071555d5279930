package query

import (
	"math"
	"math/bits"
)

// wholeNumbers numbers whole values from 1: those near each other by a table, others by a map.
type wholeNumbers struct {
	base   int64
	dense  []uint32 // by value - base; 0 is none yet
	far    map[int64]uint32
	values []int64 // by number; that of 0 means nothing
}

// denseMost is the largest table, in entries, and denseSpare how many entries it may have for each value.
const (
	denseMost  = 1 << 22
	denseSpare = 16
)

func newWholeNumbers() *wholeNumbers {
	return &wholeNumbers{far: map[int64]uint32{}, values: []int64{0}}
}

func (w *wholeNumbers) of(v int64) uint32 {
	if d := uint64(v) - uint64(w.base); d < uint64(len(w.dense)) {
		if w.dense[d] == 0 {
			w.dense[d] = w.add(v)
		}
		return w.dense[d]
	}
	id, ok := w.far[v]
	if ok {
		return id
	}
	if w.reach(v) {
		return w.of(v)
	}
	id = w.add(v)
	w.far[v] = id
	return id
}

func (w *wholeNumbers) add(v int64) uint32 {
	w.values = append(w.values, v)
	return uint32(len(w.values) - 1)
}

// reach makes the table long enough for v, unless it would be mostly empty.
func (w *wholeNumbers) reach(v int64) bool {
	lo, hi := v, v
	if len(w.dense) > 0 {
		lo, hi = min(lo, w.base), max(hi, w.base+int64(len(w.dense))-1)
	}
	span := uint64(hi) - uint64(lo)
	if span >= denseMost || span >= uint64(denseSpare*(len(w.values)+1024)) {
		return false
	}
	size := max(1024, 1<<bits.Len64(span))
	if room := int64(size) - int64(span) - 1; lo == v && len(w.dense) > 0 && lo >= math.MinInt64+room { // grows downwards: room there
		lo -= room
	}
	lo = min(lo, math.MaxInt64-int64(size)+1)
	dense := make([]uint32, size)
	if len(w.dense) > 0 {
		copy(dense[w.base-lo:], w.dense)
	}
	w.base, w.dense = lo, dense
	for far, id := range w.far {
		if d := uint64(far) - uint64(lo); d < uint64(size) {
			dense[d] = id
			delete(w.far, far)
		}
	}
	return true
}

func (w *wholeNumbers) bytes() int64 {
	return int64(cap(w.dense))*4 + int64(cap(w.values))*8 + int64(len(w.far))*mapEntry/2
}

// pairs numbers pairs of small numbers from 0: few by a table, more by a map.
type pairs struct {
	n      uint32
	stride uint32
	dense  []uint32 // by a × stride + b: the number and 1
	far    map[uint64]uint32
}

// pairsMost is the largest table.
const pairsMost = 1 << 16

func (p *pairs) of(a, b uint32) uint32 {
	if p.far == nil {
		if b < p.stride {
			if i := uint64(a)*uint64(p.stride) + uint64(b); i < uint64(len(p.dense)) {
				if p.dense[i] == 0 {
					p.n++
					p.dense[i] = p.n
				}
				return p.dense[i] - 1
			}
		}
		p.widen(a, b)
		return p.of(a, b)
	}
	pair := uint64(a)<<32 | uint64(b)
	id, ok := p.far[pair]
	if !ok {
		id = p.n
		p.n++
		p.far[pair] = id
	}
	return id
}

// widen makes the table hold the pair, or becomes a map.
func (p *pairs) widen(a, b uint32) {
	rows := uint64(16)
	if p.stride > 0 {
		rows = uint64(len(p.dense)) / uint64(p.stride)
	}
	stride := max(16, uint64(p.stride))
	for rows <= uint64(a) {
		rows *= 2
	}
	for stride <= uint64(b) {
		stride *= 2
	}
	small := rows*stride <= pairsMost
	var dense []uint32
	if small {
		dense = make([]uint32, rows*stride)
	} else {
		p.far = map[uint64]uint32{}
	}
	for i, id := range p.dense {
		if id == 0 {
			continue
		}
		x, y := uint64(i)/uint64(p.stride), uint64(i)%uint64(p.stride)
		if small {
			dense[x*stride+y] = id
		} else {
			p.far[x<<32|y] = id - 1
		}
	}
	p.dense, p.stride = dense, uint32(stride)
}

func (p *pairs) bytes() int64 { return int64(cap(p.dense))*4 + int64(len(p.far))*mapEntry/2 }
