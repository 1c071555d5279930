package predicate

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// view gives the bytes of the rows of a string, binary or fixed-size array.
type view struct {
	rows  int
	data  []byte
	off   []int32 // rows+1, nil for a fixed size
	width int
	each  func(i int) []byte // for the wide and the view layouts
}

func viewOf(arr arrow.Array) (view, error) {
	v := view{rows: arr.Len()}
	switch a := arr.(type) {
	case *array.String:
		v.off, v.data = a.ValueOffsets(), bufferBytes(a.Data().Buffers()[2])
	case *array.Binary:
		v.off, v.data = a.ValueOffsets(), bufferBytes(a.Data().Buffers()[2])
	case *array.FixedSizeBinary:
		v.width = a.DataType().(*arrow.FixedSizeBinaryType).ByteWidth
		v.data = a.Data().Buffers()[1].Bytes()[a.Data().Offset()*v.width:]
	default:
		switch a := arr.(type) {
		case interface{ Value(int) string }:
			v.each = func(i int) []byte { return []byte(a.Value(i)) }
		case interface{ Value(int) []byte }:
			v.each = a.Value
		default:
			return view{}, wrongArray(arr, "strings or bytes")
		}
	}
	return v, nil
}

// bufferBytes of a missing buffer are none: all strings are empty.
func bufferBytes(b *memory.Buffer) []byte {
	if b == nil {
		return nil
	}
	return b.Bytes()
}

func (v *view) at(i int) []byte {
	switch {
	case v.off != nil:
		return v.data[v.off[i]:v.off[i+1]]
	case v.each != nil:
		return v.each(i)
	}
	return v.data[i*v.width : (i+1)*v.width]
}

// byteMatch tests strings and bytes.
type byteMatch struct {
	test   *leafTest
	set    map[string]struct{}
	equal  []byte // of a span of one value
	lo, hi []byte
	single bool
}

func newByteMatch(test *leafTest) matcher {
	m := &byteMatch{test: test}
	s := test.span
	if s.lo != nil {
		m.lo = []byte(s.lo.S)
	}
	if s.hi != nil {
		m.hi = []byte(s.hi.S)
	}
	switch test.kind() {
	case testSet:
		m.set = map[string]struct{}{}
		for _, v := range test.set {
			m.set[v.S] = struct{}{}
		}
	case testLike:
		if e, ok := test.like.exact(); ok {
			m.single, m.equal = true, e
		}
	case testSpan:
		if s.lo != nil && s.lo == s.hi {
			m.single, m.equal = true, m.lo
		}
	}
	return m
}

func (m *byteMatch) fill(arr arrow.Array, active, t []uint64) error {
	if arr.Len() == 0 {
		return nil
	}
	v, err := viewOf(arr)
	if err != nil {
		return err
	}
	switch trim := m.test.trim; {
	case m.test.kind() == testSpan && m.test.span.none:
		fillBits(t, false)
	case m.single && v.off != nil && !trim:
		fillEqual(&v, m.equal, t)
	case m.single:
		eachBit(active, t, v.rows, func(i int) bool { return bytes.Equal(trimmed(v.at(i), trim), m.equal) })
	case m.set != nil:
		eachBit(active, t, v.rows, func(i int) bool { _, ok := m.set[string(trimmed(v.at(i), trim))]; return ok })
	case m.test.like != nil:
		m.test.like.fill(&v, active, t)
	default:
		eachBit(active, t, v.rows, func(i int) bool { return m.inside(trimmed(v.at(i), trim)) })
	}
	return nil
}

func trimmed(b []byte, trim bool) []byte {
	if trim {
		return trimSpaces(b)
	}
	return b
}

func (m *byteMatch) inside(b []byte) bool {
	s := &m.test.span
	if s.lo != nil {
		if c := bytes.Compare(b, m.lo); c < 0 || c == 0 && s.loOpen {
			return false
		}
	}
	if s.hi != nil {
		if c := bytes.Compare(b, m.hi); c > 0 || c == 0 && s.hiOpen {
			return false
		}
	}
	return true
}

// fillEqual looks at lengths first.
func fillEqual(v *view, want []byte, t []uint64) {
	n := int32(len(want))
	for w := range t {
		var word uint64
		off := v.off[w*64 : min(w*64+65, v.rows+1)]
		for i := 0; i+1 < len(off); i++ {
			if off[i+1]-off[i] == n && string(v.data[off[i]:off[i+1]]) == string(want) {
				word |= 1 << (i & 63)
			}
		}
		t[w] = word
	}
}

func fillPrefix(v *view, want []byte, t []uint64) {
	n := int32(len(want))
	for w := range t {
		var word uint64
		off := v.off[w*64 : min(w*64+65, v.rows+1)]
		for i := 0; i+1 < len(off); i++ {
			if off[i+1]-off[i] >= n && string(v.data[off[i]:off[i]+n]) == string(want) {
				word |= 1 << (i & 63)
			}
		}
		t[w] = word
	}
}

// fillContains searches the rows' bytes as one text.
func fillContains(v *view, want []byte, t []uint64) {
	fillBits(t, false)
	from, data := int(v.off[0]), v.data[:v.off[v.rows]]
	next := func(from int) int {
		if i := bytes.Index(data[from:], want); i >= 0 {
			return from + i
		}
		return -1
	}
	if len(want) > 1 {
		f := newFinder(want)
		next = func(from int) int { return f.next(data, from) }
	}
	for row := 0; ; {
		i := next(from)
		if i < 0 {
			return
		}
		row += rowOf(v.off[row:], int32(i))
		if end := int(v.off[row+1]); i+len(want) <= end {
			t[row/64] |= 1 << (row % 64)
			from = end
			row++
		} else {
			from = i + 1
		}
	}
}

// rowOf is the row that byte i, not behind the last, lies in: near to the first, mostly.
func rowOf(off []int32, i int32) int {
	lo, hi := 0, 1 // off[lo] ≤ i
	for hi < len(off) && off[hi] <= i {
		lo = hi
		hi *= 2
	}
	hi = min(hi, len(off)-1)
	for lo+1 < hi {
		if mid := (lo + hi) / 2; off[mid] <= i {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// enumMatch tests labels.
type enumMatch struct{ test *leafTest }

func newEnumMatch(test *leafTest) matcher {
	if test.kind() != testLabels {
		return newByteMatch(test)
	}
	return enumMatch{test}
}

func (m enumMatch) fill(arr arrow.Array, active, t []uint64) error {
	if arr.Len() == 0 {
		return nil
	}
	v, err := viewOf(arr)
	if err != nil {
		return err
	}
	eachBit(active, t, v.rows, func(i int) bool {
		ok, known := m.test.labels[string(v.at(i))]
		if !known && !arr.IsNull(i) {
			err = fmt.Errorf("the value %q is not a label of the enum, so that it has no place in its order", v.at(i))
		}
		return ok
	})
	return err
}
