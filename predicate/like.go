package predicate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// pattern is a compiled LIKE pattern: src/backend/utils/adt/like_match.c. Its % stands for any
// run of characters, its _ for one.
type pattern struct {
	parts []part
	fold  bool // ASCII letters
	raw   bool // _ is a byte, not a character (bytea)

	plain  bool     // no _: text, then middle parts in order, then text
	prefix []byte   // up to the first wildcard
	suffix []byte   // after the last %
	middle [][]byte // between two %
	any    bool     // there is a %

	dangling bool // the last part is an escape without a character: nothing matches
}

// part is a run of characters, one _, a run of % or an escape at the end.
type part struct {
	kind partKind
	text []byte
}

type partKind uint8

const (
	partText partKind = iota
	partOne
	partAny
	partEnd
)

var errEscape = errors.New("the escape must be empty or one character")
var errEscapeEnd = errors.New("the pattern must not end with the escape character")

// newPattern reads a pattern. One that is dangling is an error for the texts that it reaches alone.
func newPattern(s, escape string, fold, raw bool) (*pattern, error) {
	p := &pattern{fold: fold, raw: raw}
	if raw && len(escape) > 1 || !raw && utf8.RuneCountInString(escape) > 1 {
		return nil, errEscape
	}
	var text []byte
	flush := func() {
		if len(text) > 0 {
			if fold {
				lowerBytes(text)
			}
			p.parts = append(p.parts, part{partText, text})
			text = nil
		}
	}
	for i := 0; i < len(s); {
		n := p.size([]byte(s[i:min(i+utf8.UTFMax, len(s))]))
		c := s[i : i+n]
		i += n
		switch {
		case escape != "" && c == escape:
			if i == len(s) {
				flush()
				p.parts, p.dangling = append(p.parts, part{kind: partEnd}), true
				return p, nil
			}
			n = p.size([]byte(s[i:min(i+utf8.UTFMax, len(s))]))
			text = append(text, s[i:i+n]...)
			i += n
		case c == "%":
			flush()
			if n := len(p.parts); n == 0 || p.parts[n-1].kind != partAny {
				p.parts = append(p.parts, part{kind: partAny})
			}
		case c == "_":
			flush()
			p.parts = append(p.parts, part{kind: partOne})
		default:
			text = append(text, c...)
		}
	}
	flush()
	p.analyse()
	return p, nil
}

// analyse finds the pieces of a pattern without _.
func (p *pattern) analyse() {
	p.plain = true
	for i, x := range p.parts {
		switch {
		case x.kind == partOne:
			p.plain = false
		case x.kind == partAny:
			p.any = true
		case i == 0:
			p.prefix = x.text
		case i == len(p.parts)-1:
			p.suffix = x.text
		default:
			p.middle = append(p.middle, x.text)
		}
	}
}

// exact is the only text that matches, if there is one.
func (p *pattern) exact() ([]byte, bool) {
	if p.fold || !p.plain || p.any {
		return nil, false
	}
	return p.prefix, true
}

// size is the length of the first character of s.
func (p *pattern) size(s []byte) int {
	if p.raw || s[0] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRune(s)
	return n
}

func (p *pattern) match(s []byte) bool {
	if p.fold {
		s = bytes.Clone(s)
		lowerBytes(s)
	}
	return p.matchFolded(s)
}

// lowerBytes folds A to Z in place, eight bytes at a time.
func lowerBytes(s []byte) {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for len(s) >= 8 {
		w := binary.LittleEndian.Uint64(s)
		low := w &^ high // the top bit of a byte is set below when the sum reaches 0x80
		upper := (low + (0x80-'A')*ones) &^ (low + (0x7f-'Z')*ones) &^ w & high
		binary.LittleEndian.PutUint64(s, w|upper>>2)
		s = s[8:]
	}
	for i, c := range s {
		s[i] = c | byte(bit(c-'A' < 26))<<5
	}
}

func (p *pattern) matchFolded(s []byte) bool {
	switch {
	case !p.plain:
		return p.walk(s)
	case !p.any:
		return bytes.Equal(s, p.prefix)
	case len(s) < len(p.prefix)+len(p.suffix) || !bytes.HasPrefix(s, p.prefix) || !bytes.HasSuffix(s, p.suffix):
		return false
	}
	s = s[len(p.prefix) : len(s)-len(p.suffix)]
	for _, m := range p.middle {
		i := bytes.Index(s, m)
		if i < 0 {
			return false
		}
		s = s[i+len(m):]
	}
	return true
}

// walk matches any pattern, going back to the last % only.
func (p *pattern) walk(s []byte) bool {
	if len(s) < len(p.prefix)+len(p.suffix) || !bytes.HasPrefix(s, p.prefix) || !bytes.HasSuffix(s, p.suffix) {
		return false
	}
	at, i := 0, 0
	back, from := -1, 0
	for at < len(s) {
		if i < len(p.parts) {
			switch x := &p.parts[i]; {
			case x.kind == partAny:
				i++
				if from = p.jump(i, s, at); from < 0 {
					return false
				}
				back, at = i, from
				continue
			case x.kind == partOne:
				at += p.size(s[at:])
				i++
				continue
			case bytes.HasPrefix(s[at:], x.text):
				at += len(x.text)
				i++
				continue
			}
		}
		if back < 0 {
			return false
		}
		if from = p.jump(back, s, from+p.size(s[from:])); from < 0 {
			return false
		}
		at, i = from, back
	}
	for i < len(p.parts) && p.parts[i].kind == partAny {
		i++
	}
	return i == len(p.parts)
}

// reaches reports whether matching s comes to the escape that a dangling pattern ends with, as MatchText goes.
func (p *pattern) reaches(s []byte) bool {
	if p.fold {
		s = bytes.Clone(s)
		lowerBytes(s)
	}
	i, back := 0, -1
	var from []byte // where the parts from back on were tried last
	for len(s) > 0 {
		switch x := &p.parts[i]; {
		case x.kind == partEnd:
			return true
		case x.kind == partAny:
			for i++; p.parts[i].kind == partAny || p.parts[i].kind == partOne; i++ {
				if p.parts[i].kind == partOne {
					if len(s) == 0 {
						return false
					}
					s = s[p.size(s):]
				}
			}
			if p.parts[i].kind == partEnd {
				return true
			}
			back, from = i, s
		case x.kind == partOne:
			s = s[p.size(s):]
			i++
		case bytes.HasPrefix(s, x.text):
			s = s[len(x.text):]
			i++
		case back < 0:
			return false
		default:
			from = from[p.size(from):]
			s, i = from, back
		}
	}
	return false
}

// jump is the first place from at where part i may begin; -1 is none.
func (p *pattern) jump(i int, s []byte, at int) int {
	switch {
	case i == len(p.parts):
		return len(s)
	case p.parts[i].kind != partText:
		return at
	}
	n := bytes.Index(s[at:], p.parts[i].text)
	if n < 0 {
		return -1
	}
	return at + n
}

func (p *pattern) fill(v *view, active, t []uint64) {
	contains := p.plain && v.off != nil && len(p.middle) == 1 && len(p.prefix) == 0 && len(p.suffix) == 0
	starts := p.plain && v.off != nil && p.any && len(p.middle) == 0 && len(p.suffix) == 0
	switch {
	case contains && p.fold:
		from, end := v.off[0], v.off[v.rows]
		lower := view{rows: v.rows, off: v.off, data: make([]byte, end)}
		copy(lower.data[from:], v.data[from:end])
		lowerBytes(lower.data[from:])
		fillContains(&lower, p.middle[0], t)
	case contains:
		fillContains(v, p.middle[0], t)
	case starts && !p.fold:
		fillPrefix(v, p.prefix, t)
	case p.fold:
		var buf []byte
		eachBit(active, t, v.rows, func(i int) bool {
			buf = append(buf[:0], v.at(i)...)
			lowerBytes(buf)
			return p.matchFolded(buf)
		})
	default:
		eachBit(active, t, v.rows, func(i int) bool { return p.matchFolded(v.at(i)) })
	}
}
