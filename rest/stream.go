package rest

import (
	"encoding/csv"
	"io"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
	"frostline/rest/api"
)

// stream writes rows in one format, a batch at a time.
type stream interface {
	write(b arrow.RecordBatch) error
	close() error
}

// ParquetWriter writes one Parquet file. The batches have the columns and the side column of their schema.
type ParquetWriter interface {
	Write(b arrow.RecordBatch) error
	Close() error
}

// newStream is the stream of rows of cols to w, in any format but JSON.
func (s *Server) newStream(w io.Writer, f api.Format, cols []coltype.Column, asStrings bool) (stream, error) {
	switch f {
	case api.FormatCsv:
		return newCSV(w, cols)
	case api.FormatArrow:
		return newArrow(w, cols), nil
	case api.FormatParquet:
		p, err := s.opt.Parquet(w, coltype.Schema{Columns: cols})
		return &parquetStream{p, cols}, err
	}
	o, err := newObjects(cols, asStrings)
	return &lines{w: w, objects: o}, err
}

// lines is JSON Lines: one object a row.
type lines struct {
	*objects
	w   io.Writer
	buf []byte
}

func (l *lines) write(b arrow.RecordBatch) error {
	row := l.rows(b)
	for i := range int(b.NumRows()) {
		var err error
		if l.buf, err = row(l.buf[:0], i); err != nil {
			return err
		}
		if _, err := l.w.Write(append(l.buf, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func (l *lines) close() error { return nil }

// csvStream is CSV as RFC 4180 has it: a header line, CRLF, quotes where they are needed. NULL is an empty field, the empty text "".
type csvStream struct {
	*objects
	w   io.Writer
	buf []byte
}

func newCSV(w io.Writer, cols []coltype.Column) (stream, error) {
	o, err := newObjects(cols, false)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	head := csv.NewWriter(w)
	head.UseCRLF = true
	if err := head.Write(names); err != nil {
		return nil, err
	}
	head.Flush()
	return &csvStream{objects: o, w: w}, head.Error()
}

func (s *csvStream) write(b arrow.RecordBatch) error {
	cells := make([]cellFunc, len(s.cols))
	for j, c := range s.cols {
		cells[j] = cellsOf(c.Type, b.Column(j), false)
	}
	exact := exactOf(sideOf(b, s.cols))
	for i := range int(b.NumRows()) {
		s.buf = s.buf[:0]
		texts := exact(i)
		for j, c := range s.cols {
			if j > 0 {
				s.buf = append(s.buf, ',')
			}
			col := b.Column(j)
			if col.IsNull(i) {
				if text, ok := texts[c.Name]; ok {
					s.buf = appendField(s.buf, text)
				}
				continue
			}
			if text, ok := col.(*array.String); ok {
				s.buf = appendField(s.buf, text.Value(i))
				continue
			}
			from := len(s.buf)
			var err error
			if s.buf, err = cells[j](s.buf, i); err != nil {
				return err
			}
			s.buf = asField(s.buf, from, c.Type.Kind == coltype.List)
		}
		s.buf = append(s.buf, "\r\n"...)
		if _, err := s.w.Write(s.buf); err != nil {
			return err
		}
	}
	return nil
}

func (s *csvStream) close() error { return nil }

// asField turns the JSON of a cell that is no text, at the end of buf, into a field. Times, uuids, base64 and NaN hold nothing
// that JSON or CSV escapes: only the quotes go.
func asField(buf []byte, from int, list bool) []byte {
	switch cell := buf[from:]; {
	case list:
		return appendField(buf[:from], string(cell))
	case cell[0] != '"' || len(cell) == 2: // a number or a boolean; the empty text
		return buf
	default:
		copy(cell, cell[1:len(cell)-1])
		return buf[:len(buf)-2]
	}
}

// appendField appends one field that is not NULL.
func appendField(buf []byte, text string) []byte {
	if text != "" && !strings.ContainsAny(text, "\",\r\n") && text[0] != ' ' && text[len(text)-1] != ' ' {
		return append(buf, text...)
	}
	buf = append(buf, '"')
	buf = append(buf, strings.ReplaceAll(text, `"`, `""`)...)
	return append(buf, '"')
}

// arrowStream is the streaming format of Arrow IPC: the columns under PostgreSQL's names, and the side column where a
// column's type has values that stand there.
type arrowStream struct {
	w      *ipc.Writer
	schema *arrow.Schema
	cols   int
	side   bool
}

func newArrow(w io.Writer, cols []coltype.Column) *arrowStream {
	s := &arrowStream{cols: len(cols)}
	var fields []arrow.Field
	for _, c := range cols {
		f := c.ArrowField()
		f.Name = c.Name
		f.Metadata = arrow.NewMetadata([]string{"postgresql.type", "iceberg.type"}, []string{c.Type.Name, c.Type.Iceberg()})
		fields = append(fields, f)
		s.side = s.side || hasExact(c.Type)
	}
	if s.side {
		fields = append(fields, coltype.Schema{}.ExactField())
	}
	s.schema = arrow.NewSchema(fields, nil)
	s.w = ipc.NewWriter(w, ipc.WithSchema(s.schema))
	return s
}

// hasExact reports whether some values of t stand in the side column.
func hasExact(t coltype.Type) bool {
	switch t.Kind {
	case coltype.Decimal, coltype.Date, coltype.Time, coltype.Timestamp, coltype.TimestampTZ, coltype.List:
		return true
	}
	return false
}

func (s *arrowStream) write(b arrow.RecordBatch) error {
	out := withSide(b, s.schema, s.cols)
	defer out.Release()
	return s.w.Write(out)
}

func (s *arrowStream) close() error { return s.w.Close() }

// withSide is b under schema: its first n columns and, where schema has it, the side column. The caller releases it.
func withSide(b arrow.RecordBatch, schema *arrow.Schema, n int) arrow.RecordBatch {
	columns := append([]arrow.Array(nil), b.Columns()[:n]...)
	if schema.NumFields() > n {
		if int(b.NumCols()) > n {
			columns = append(columns, b.Column(n))
		} else {
			none := array.MakeArrayOfNull(memory.DefaultAllocator, schema.Field(n).Type, int(b.NumRows()))
			defer none.Release()
			columns = append(columns, none)
		}
	}
	return array.NewRecordBatch(schema, columns, b.NumRows())
}

// parquetStream is one Parquet file, laid out as the archive's own.
type parquetStream struct {
	w    ParquetWriter
	cols []coltype.Column
}

func (s *parquetStream) write(b arrow.RecordBatch) error {
	out := withSide(b, coltype.Schema{Columns: s.cols}.Arrow(), len(s.cols))
	defer out.Release()
	return s.w.Write(out)
}

func (s *parquetStream) close() error { return s.w.Close() }
