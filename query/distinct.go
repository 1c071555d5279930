package query

import (
	"github.com/apache/arrow-go/v18/arrow"
)

// distinct gives each value of a group once to another aggregate.
type distinct struct {
	in    *interner
	pairs map[uint64]struct{} // group, number of the value; not for one group
	one   bool                // all rows are one group, whose values are those of in
	n     int
	inner func() state
	ids   []uint32
	done  state
}

func (s *distinct) grow(n int) { s.n = n }

func (s *distinct) add(groups []int32, arr arrow.Array, side []sideText) error {
	if cap(s.ids) < arr.Len() {
		s.ids = make([]uint32, arr.Len())
	}
	ids := s.ids[:arr.Len()]
	if err := s.in.ids(arr, side, ids); err != nil {
		return err
	}
	if groups == nil {
		s.one = true
		return nil
	}
	last := uint64(0) // no pair: the number of NULL
	for i, id := range ids {
		pair := uint64(groupOf(groups, i))<<32 | uint64(id)
		if id != 0 && pair != last {
			s.pairs[pair] = struct{}{}
			last = pair
		}
	}
	return nil
}

func (s *distinct) addCell(g int32, c cell) error {
	id, err := s.in.slow(c)
	s.pairs[uint64(g)<<32|uint64(id)] = struct{}{}
	return err
}

func (s *distinct) merge(o state, into []int32) error {
	from := o.(*distinct)
	ids := make([]uint32, from.in.count())
	for i := 1; i < len(ids); i++ {
		var err error
		if ids[i], err = s.in.slow(from.in.cell(uint32(i))); err != nil {
			return err
		}
	}
	s.one = s.one || from.one
	for pair := range from.pairs {
		s.pairs[uint64(into[pair>>32])<<32|uint64(ids[uint32(pair)])] = struct{}{}
	}
	return nil
}

func (s *distinct) result(g int) (cell, error) {
	if s.done == nil {
		s.done = s.inner()
		s.done.grow(s.n)
		for id := 1; s.one && id < s.in.count(); id++ {
			if err := s.done.addCell(0, s.in.cell(uint32(id))); err != nil {
				return cell{}, err
			}
		}
		for pair := range s.pairs {
			if err := s.done.addCell(int32(pair>>32), s.in.cell(uint32(pair))); err != nil {
				return cell{}, err
			}
		}
	}
	return s.done.result(g)
}

func (s *distinct) bytes() int64 { return s.in.bytes() + int64(len(s.pairs))*mapEntry/2 }
