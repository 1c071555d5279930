package rest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
	"frostline/query"
)

// objects encodes rows as JSON objects.
type objects struct {
	cols    []coltype.Column
	keys    [][]byte // `"name":`, by column
	strings bool     // decimals and large integers as strings
}

func newObjects(cols []coltype.Column, strings bool) (*objects, error) {
	e := &objects{cols: cols, strings: strings}
	for _, c := range cols {
		if c.Type.Kind == coltype.Invalid {
			return nil, fmt.Errorf("encode column %q: it has no type", c.Name)
		}
		e.keys = append(e.keys, append(appendString(nil, c.Name), ':'))
	}
	return e, nil
}

// encoder writes a result as one JSON object, a part at a time.
type encoder struct {
	*objects
	res     *query.Result
	matched *int64 // nil where it is not known
	next    string // the token of the next page, "" at the end
}

func newEncoder(res *query.Result) (*encoder, error) {
	o, err := newObjects(res.Columns, false)
	if err != nil {
		return nil, err
	}
	e := &encoder{objects: o, res: res}
	if res.Counted {
		e.matched = &res.Matched
	}
	return e, nil
}

// write gives the answer to out in parts. data comes first, in the order of the columns asked for.
func (e *encoder) write(out func([]byte) error) error {
	buf := append(make([]byte, 0, partSize+partSize/4), `{"data":[`...)
	first := true
	for _, b := range e.res.Batches {
		row := e.rows(b)
		for i := range int(b.NumRows()) {
			if !first {
				buf = append(buf, ',')
			}
			first = false
			var err error
			if buf, err = row(buf, i); err != nil {
				return err
			}
			if len(buf) >= partSize {
				if err := out(buf); err != nil {
					return err
				}
				buf = buf[:0]
			}
		}
	}
	return out(e.appendTail(buf))
}

// rows is the encoder of b's rows.
func (e *objects) rows(b arrow.RecordBatch) cellFunc {
	cells := make([]cellFunc, len(e.cols))
	for j, c := range e.cols {
		cells[j] = cellsOf(c.Type, b.Column(j), e.strings)
	}
	exact := exactOf(sideOf(b, e.cols))
	return func(buf []byte, i int) ([]byte, error) {
		texts := exact(i)
		buf = append(buf, '{')
		for j, c := range e.cols {
			if j > 0 {
				buf = append(buf, ',')
			}
			buf = append(buf, e.keys[j]...)
			if b.Column(j).IsNull(i) {
				if text, ok := texts[c.Name]; ok {
					buf = appendString(buf, text)
				} else {
					buf = append(buf, "null"...)
				}
				continue
			}
			var err error
			if buf, err = cells[j](buf, i); err != nil {
				return nil, fmt.Errorf("encode column %q: %w", c.Name, err)
			}
		}
		return append(buf, '}'), nil
	}
}

// sideOf is the side column of a batch of cols, nil without one.
func sideOf(b arrow.RecordBatch, cols []coltype.Column) arrow.Array {
	if int(b.NumCols()) > len(cols) {
		return b.Column(len(cols))
	}
	return nil
}

// appendTail ends the answer with everything but the rows.
func (e *encoder) appendTail(buf []byte) []byte {
	buf = append(buf, ']')
	if e.matched != nil {
		buf = strconv.AppendInt(append(buf, `,"totalMatched":`...), *e.matched, 10)
	}
	buf = strconv.AppendInt(append(buf, `,"totalScanned":`...), e.res.Scanned, 10)
	buf = strconv.AppendFloat(append(buf, `,"executionTimeMs":`...), float64(e.res.Elapsed.Microseconds())/1000, 'f', -1, 64)
	buf = e.appendSchema(append(buf, `,"schema":`...))
	buf = appendString(append(buf, `,"archivePath":`...), e.res.Path)
	buf = append(strconv.AppendInt(append(buf, `,"snapshotId":"`...), e.res.Snapshot, 10), '"') // more digits than a double holds
	if e.next != "" {
		buf = appendString(append(buf, `,"nextPageToken":`...), e.next)
	}
	pruning, _ := json.Marshal(e.res.Pruning) // integers only: it cannot fail
	buf = append(append(buf, `,"pruning":`...), pruning...)
	for i, w := range e.res.Warnings {
		buf = appendString(append(buf, []string{`,"warnings":[`, `,`}[min(i, 1)]...), w)
	}
	if len(e.res.Warnings) > 0 {
		buf = append(buf, ']')
	}
	return append(buf, "}\n"...)
}

// appendSchema appends the columns and their Iceberg types as an object.
func (e *objects) appendSchema(buf []byte) []byte {
	buf = append(buf, '{')
	for j, c := range e.cols {
		if j > 0 {
			buf = append(buf, ',')
		}
		buf = appendString(append(buf, e.keys[j]...), c.Type.Iceberg())
	}
	return append(buf, '}')
}

// exactOf gives the exact texts of a row by column name, nil without.
func exactOf(arr arrow.Array) func(int) map[string]string {
	m, ok := arr.(*array.Map)
	if !ok || m.NullN() == m.Len() {
		return func(int) map[string]string { return nil }
	}
	keys, texts := m.Keys().(*array.String), m.Items().(*array.String)
	return func(i int) map[string]string {
		if m.IsNull(i) {
			return nil
		}
		out := map[string]string{}
		from, to := m.ValueOffsets(i)
		for k := int(from); k < int(to); k++ {
			if !texts.IsNull(k) {
				out[keys.Value(k)] = texts.Value(k)
			}
		}
		return out
	}
}

// exactInteger is the largest integer up to which a double has all of them.
const exactInteger = 1 << 53

// cellFunc appends the JSON of row i, which is not NULL where it is of one column.
type cellFunc func(buf []byte, i int) ([]byte, error)

// cellsOf is the encoder of a column. The common types are read from Arrow directly, the others as values.
func cellsOf(t coltype.Type, arr arrow.Array, asStrings bool) cellFunc {
	switch a := arr.(type) {
	case *array.Int32:
		if t.Kind == coltype.Int32 {
			return func(buf []byte, i int) ([]byte, error) { return strconv.AppendInt(buf, int64(a.Value(i)), 10), nil }
		}
	case *array.Int64:
		if t.Kind == coltype.Int64 && asStrings {
			return func(buf []byte, i int) ([]byte, error) {
				v := a.Value(i)
				if -exactInteger <= v && v <= exactInteger {
					return strconv.AppendInt(buf, v, 10), nil
				}
				return append(strconv.AppendInt(append(buf, '"'), v, 10), '"'), nil
			}
		}
		if t.Kind == coltype.Int64 {
			return func(buf []byte, i int) ([]byte, error) { return strconv.AppendInt(buf, a.Value(i), 10), nil }
		}
	case *array.Float32: // its own width: the shortest text of a float is not that of the double
		return func(buf []byte, i int) ([]byte, error) { return appendFloat(buf, float64(a.Value(i)), 32), nil }
	case *array.Float64:
		return func(buf []byte, i int) ([]byte, error) { return appendFloat(buf, a.Value(i), 64), nil }
	case *array.String:
		return func(buf []byte, i int) ([]byte, error) { return appendString(buf, a.Value(i)), nil }
	case *array.Binary:
		return func(buf []byte, i int) ([]byte, error) {
			buf = append(buf, '"')
			buf = base64.StdEncoding.AppendEncode(buf, a.Value(i))
			return append(buf, '"'), nil
		}
	case *array.List:
		if t.Kind == coltype.List && t.Elem != nil {
			return listCells(*t.Elem, a, asStrings)
		}
	}
	if cell := directly(t, arr, asStrings); cell != nil {
		return cell
	}
	return func(buf []byte, i int) ([]byte, error) {
		v, err := coltype.ValueAt(t, arr, i)
		if err != nil {
			return nil, err
		}
		return appendValue(buf, t, v, asStrings), nil
	}
}

func listCells(elem coltype.Type, a *array.List, asStrings bool) cellFunc {
	values := a.ListValues()
	cell := cellsOf(elem, values, asStrings)
	return func(buf []byte, i int) ([]byte, error) {
		buf = append(buf, '[')
		from, to := a.ValueOffsets(i)
		for k := int(from); k < int(to); k++ {
			if k > int(from) {
				buf = append(buf, ',')
			}
			if values.IsNull(k) {
				buf = append(buf, "null"...)
				continue
			}
			var err error
			if buf, err = cell(buf, k); err != nil {
				return nil, err
			}
		}
		return append(buf, ']'), nil
	}
}

// appendValue appends the JSON of a value of a type that is not a float, text or bytes.
func appendValue(buf []byte, t coltype.Type, v coltype.Value, asStrings bool) []byte {
	switch t.Kind {
	case coltype.Bool:
		return strconv.AppendBool(buf, v.I != 0)
	case coltype.Int32, coltype.Int64:
		return strconv.AppendInt(buf, v.I, 10)
	case coltype.Decimal:
		if v.Special == coltype.Finite && !asStrings {
			return coltype.AppendText(buf, t, v)
		}
	case coltype.Timestamp, coltype.TimestampTZ:
		return appendString(buf, isoTime(string(coltype.AppendText(nil, t, v))))
	}
	return appendString(buf, string(coltype.AppendText(nil, t, v)))
}

// isoTime turns PostgreSQL's ISO style with the zone UTC into ISO 8601: "2024-01-31 13:00:00+00" becomes
// "2024-01-31T13:00:00Z". A year before Christ keeps its " BC".
func isoTime(s string) string {
	era := ""
	if t, ok := strings.CutSuffix(s, " BC"); ok {
		s, era = t, " BC"
	}
	s = strings.Replace(s, " ", "T", 1)
	if t, ok := strings.CutSuffix(s, "+00"); ok {
		s = t + "Z"
	}
	return s + era
}

// appendFloat appends the shortest number that reads back as f, in exponent form where encoding/json does so.
func appendFloat(buf []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(buf, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(buf, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(buf, `"-Infinity"`...)
	}
	form := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		form = 'e'
	}
	return strconv.AppendFloat(buf, f, form, -1, bits)
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD: PostgreSQL sends none.
func appendString(buf []byte, s string) []byte {
	buf = append(buf, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				buf = append(append(buf, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		buf = append(buf, s[start:i]...)
		switch c {
		case '"', '\\':
			buf = append(buf, '\\', c)
		case '\n':
			buf = append(buf, '\\', 'n')
		case '\r':
			buf = append(buf, '\\', 'r')
		case '\t':
			buf = append(buf, '\\', 't')
		default:
			buf = append(buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(append(buf, s[start:]...), '"')
}
