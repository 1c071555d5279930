package coltype

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Array is a PostgreSQL array value of any shape. Elems are in storage order; a nil element is
// NULL, any other is the element's output text.
type Array struct {
	Dims  []int // empty: the empty array
	Lower []int // lower bounds, len(Dims)
	Elems []*string
}

// The limits of an array (MAXDIM and MaxArraySize of src/include/utils/array.h).
const (
	MaxArrayDims = 6
	MaxArraySize = 134217727
)

// ParseArray reads an array literal with delimiter delim as array_in does (bounds prefix,
// nesting, quotes, NULL). What only some versions of PostgreSQL accept is refused: empty braces
// within braces (from 17 on), a bound that overflows (before 17).
// Errors wrap ErrValue. Memory is bounded by the length of s.
func ParseArray(s string, delim byte) (Array, error) {
	p := arrayParser{text: s, rest: s, delim: delim}
	p.space()
	dims, lower, err := p.bounds()
	if err != nil {
		return Array{}, err
	}
	if err := p.contents(); err != nil {
		return Array{}, err
	}
	p.space()
	if p.rest != "" {
		return Array{}, p.refuse("text after the closing brace")
	}
	a := Array{Dims: p.dims, Lower: lower, Elems: p.elems}
	if len(a.Elems) == 0 {
		a.Dims = nil
	}
	if dims == nil {
		a.Lower = make([]int, len(a.Dims))
		for i := range a.Lower {
			a.Lower[i] = 1
		}
		return a, nil
	}
	if len(dims) != len(a.Dims) {
		return Array{}, p.refuse("the bounds have %d dimensions, the contents %d", len(dims), len(a.Dims))
	}
	for i := range dims {
		if dims[i] != a.Dims[i] {
			return Array{}, p.refuse("dimension %d has bounds for %d elements, the contents have %d", i+1, dims[i], a.Dims[i])
		}
	}
	return a, nil
}

type arrayParser struct {
	text, rest string
	delim      byte
	dims       []int // of the contents; -1 is not known yet
	elems      []*string
}

func (p *arrayParser) refuse(format string, args ...any) error {
	return invalid(Type{Base: "array"}, p.text, "at byte %d: %s", len(p.text)-len(p.rest)+1, fmt.Sprintf(format, args...))
}

// isArraySpace is array_isspace.
func isArraySpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'
}

func (p *arrayParser) space() {
	for p.rest != "" && isArraySpace(p.rest[0]) {
		p.rest = p.rest[1:]
	}
}

// bounds reads [l:u][l:u]= or [n]=; dims is nil without.
func (p *arrayParser) bounds() (dims, lower []int, err error) {
	for strings.HasPrefix(p.rest, "[") {
		if len(dims) == MaxArrayDims {
			return nil, nil, p.refuse("more than %d dimensions", MaxArrayDims)
		}
		p.rest = p.rest[1:]
		low := 1
		high, err := p.bound()
		if err != nil {
			return nil, nil, err
		}
		if strings.HasPrefix(p.rest, ":") {
			p.rest = p.rest[1:]
			low = high
			if high, err = p.bound(); err != nil {
				return nil, nil, err
			}
		}
		if !strings.HasPrefix(p.rest, "]") {
			return nil, nil, p.refuse("want ] after the bounds")
		}
		if high < low {
			return nil, nil, p.refuse("the upper bound is below the lower bound")
		}
		if high == math.MaxInt32 {
			return nil, nil, p.refuse("the upper bound is too large")
		}
		p.rest = p.rest[1:]
		p.space()
		dims, lower = append(dims, high-low+1), append(lower, low)
	}
	if dims == nil {
		return nil, nil, nil
	}
	if !strings.HasPrefix(p.rest, "=") {
		return nil, nil, p.refuse("want = after the bounds")
	}
	p.rest = p.rest[1:]
	p.space()
	return dims, lower, nil
}

func (p *arrayParser) bound() (int, error) {
	n := 0
	for n < len(p.rest) && (p.rest[n] >= '0' && p.rest[n] <= '9' || n == 0 && (p.rest[n] == '-' || p.rest[n] == '+')) {
		n++
	}
	v, err := strconv.ParseInt(p.rest[:n], 10, 32)
	if err != nil {
		return 0, p.refuse("want an array bound of 32 bits")
	}
	p.rest = p.rest[n:]
	return int(v), nil
}

// contents reads the braces and elements, and finds the dimensions. An opening brace at depth d
// begins a value of dimension d; all values of one dimension must be equally long.
func (p *arrayParser) contents() error {
	if !strings.HasPrefix(p.rest, "{") {
		return p.refuse("an array begins with { or bounds")
	}
	var count [MaxArrayDims]int // of the open braces
	depth := 0
	leaf := -1          // depth of the elements, once one has been seen
	wantValue := true   // an element or a brace opens next
	afterDelim := false // so that {} is empty, and {1,} is not
	for {
		p.space()
		if p.rest == "" {
			return p.refuse("the text ends before the closing brace")
		}
		switch c := p.rest[0]; {
		case c == '{':
			if !wantValue {
				return p.refuse("want a delimiter or }")
			}
			if depth == MaxArrayDims {
				return p.refuse("more than %d dimensions", MaxArrayDims)
			}
			if leaf >= 0 && depth >= leaf {
				return p.refuse("sub-arrays must have equal dimensions")
			}
			if depth > 0 {
				count[depth-1]++
			}
			count[depth] = 0
			depth++
			if len(p.dims) < depth {
				p.dims = append(p.dims, -1)
			}
			p.rest = p.rest[1:]
			wantValue, afterDelim = true, false
		case c == '}':
			if wantValue && (afterDelim || count[depth-1] > 0) {
				return p.refuse("want an element")
			}
			if err := p.closeBrace(depth, count[depth-1]); err != nil {
				return err
			}
			depth--
			wantValue, afterDelim = false, false
			if depth == 0 {
				return nil
			}
		case c == p.delim:
			if wantValue {
				return p.refuse("want an element")
			}
			p.rest = p.rest[1:]
			wantValue, afterDelim = true, true
		default:
			if !wantValue {
				return p.refuse("want a delimiter or }")
			}
			if leaf < 0 && len(p.dims) == depth {
				leaf = depth
			}
			if leaf != depth {
				return p.refuse("sub-arrays must have equal dimensions")
			}
			elem, err := p.element()
			if err != nil {
				return err
			}
			if len(p.elems) == MaxArraySize {
				return p.refuse("more than %d elements", MaxArraySize)
			}
			p.elems = append(p.elems, elem)
			count[depth-1]++
			wantValue, afterDelim = false, false
		}
	}
}

// closeBrace ends a value of n members at this depth.
func (p *arrayParser) closeBrace(depth, n int) error {
	if n == 0 && len(p.dims) > 1 {
		return p.refuse("empty braces within braces")
	}
	switch p.dims[depth-1] {
	case -1:
		p.dims[depth-1] = n
	case n:
	default:
		return p.refuse("sub-arrays must have equal dimensions")
	}
	p.rest = p.rest[1:]
	return nil
}

// element reads a quoted or a bare element; nil is NULL.
func (p *arrayParser) element() (*string, error) {
	if p.rest[0] == '"' {
		return p.quoted()
	}
	var out []byte
	end, escaped := 0, false // out[:end] is without trailing white space
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == p.delim || c == '}':
			text := string(out[:end])
			p.rest = p.rest[i:]
			if !escaped && strings.EqualFold(text, "NULL") {
				return nil, nil
			}
			return &text, nil
		case c == '{' || c == '"':
			p.rest = p.rest[i:]
			return nil, p.refuse("%q within an element without quotes", c)
		case c == '\\':
			i++
			if i == len(p.rest) {
				p.rest = ""
				return nil, p.refuse("the text ends after a backslash")
			}
			out = append(out, p.rest[i])
			end, escaped = len(out), true
		default:
			out = append(out, c)
			if !isArraySpace(c) {
				end = len(out)
			}
		}
	}
	p.rest = ""
	return nil, p.refuse("the text ends before the closing brace")
}

func (p *arrayParser) quoted() (*string, error) {
	var out []byte
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			text := string(out)
			p.rest = p.rest[i+1:]
			return &text, nil
		case '\\':
			i++
			if i == len(p.rest) {
				break
			}
			out = append(out, p.rest[i])
		default:
			out = append(out, c)
		}
	}
	p.rest = ""
	return nil, p.refuse("the text ends before the closing quote")
}

// AppendArray appends what array_out prints: bounds only where a lower bound is not 1. The
// product of a.Dims must be len(a.Elems).
func AppendArray(dst []byte, a Array, delim byte) []byte {
	if len(a.Elems) == 0 {
		return append(dst, "{}"...)
	}
	for _, low := range a.Lower {
		if low == 1 {
			continue
		}
		for i, n := range a.Dims {
			dst = append(dst, '[')
			dst = strconv.AppendInt(dst, int64(a.Lower[i]), 10)
			dst = append(dst, ':')
			dst = strconv.AppendInt(dst, int64(a.Lower[i]+n-1), 10)
			dst = append(dst, ']')
		}
		dst = append(dst, '=')
		break
	}
	dst, _ = appendDims(dst, a.Dims, a.Elems, delim)
	return dst
}

// appendDims appends one value of the outermost dimension and gives back the elements after it.
func appendDims(dst []byte, dims []int, elems []*string, delim byte) ([]byte, []*string) {
	dst = append(dst, '{')
	for i := range dims[0] {
		if i > 0 {
			dst = append(dst, delim)
		}
		if len(dims) > 1 {
			dst, elems = appendDims(dst, dims[1:], elems, delim)
			continue
		}
		dst = AppendElement(dst, elems[0], delim)
		elems = elems[1:]
	}
	return append(dst, '}'), elems
}

// AppendElement appends one element of an array, quoted where array_out quotes it; nil is NULL.
func AppendElement(dst []byte, elem *string, delim byte) []byte {
	if elem == nil {
		return append(dst, "NULL"...)
	}
	s := *elem
	quote := s == "" || len(s) == 4 && strings.EqualFold(s, "NULL")
	for i := 0; i < len(s) && !quote; i++ {
		c := s[i]
		quote = c == '"' || c == '\\' || c == '{' || c == '}' || c == delim || isArraySpace(c)
	}
	if !quote {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}
