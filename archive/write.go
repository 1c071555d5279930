package archive

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/internal/progress"
	"frostline/objstore"
	"frostline/parquetio"
)

// uploadBuffer collects the encoder's small writes before they cross to the upload.
const uploadBuffer = 256 << 10

var errStopped = errors.New("upload is broken off")

type batch = arrow.RecordBatch

// file is a finished data file in the store.
type file struct {
	key   string
	tuple iceberg.Tuple
	info  parquetio.Info
	etag  string // "" where the store has none
}

// fileSet is one worker's open files: one for each Iceberg partition value that it meets, cut by size.
type fileSet struct {
	a      *Archiver
	p      *plan
	out    *written
	worker int
	seq    int
	column int // index of the partition column, -1 without
	open   map[iceberg.Tuple]*upload
}

// upload is one file on its way into the store.
type upload struct {
	key    string
	writer *parquetio.Writer
	buf    *bufio.Writer
	pipe   *io.PipeWriter
	done   chan error
	etag   string // once done
}

func (a *Archiver) newFileSet(p *plan, out *written, worker int) *fileSet {
	s := &fileSet{a: a, p: p, out: out, worker: worker, column: -1, open: map[iceberg.Tuple]*upload{}}
	for i, c := range p.schema.Columns {
		if p.spec.Transform != "" && c.Name == p.spec.Column {
			s.column = i
		}
	}
	return s
}

// write routes the rows of b to the files of their partition values.
func (s *fileSet) write(b batch) error {
	if s.column < 0 {
		t, err := s.p.spec.Tuple(nil)
		if err != nil {
			return err
		}
		return s.writeTo(t, b)
	}
	runs, err := s.runs(b)
	if err != nil {
		return err
	}
	for _, r := range runs {
		part := b.NewSlice(r.from, r.to)
		err := s.writeTo(r.tuple, part)
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

type run struct {
	tuple    iceberg.Tuple
	from, to int64
}

// runs cuts b into runs of rows with one partition value. A partition of one month is one run a batch: when the batch's
// smallest and largest value have the same tuple, all between have it too (the transforms are monotonic).
func (s *fileSet) runs(b batch) ([]run, error) {
	arr, typ := b.Column(s.column), s.p.schema.Columns[s.column].Type
	n := int(b.NumRows())
	tuples := make([]iceberg.Tuple, n)
	if lo, hi, ok := minMax(arr); ok {
		first, err := s.tuple(arr, typ, lo)
		if err != nil {
			return nil, err
		}
		if last, err := s.tuple(arr, typ, hi); err != nil {
			return nil, err
		} else if first == last {
			return []run{{first, 0, int64(n)}}, nil
		}
	}
	var runs []run
	for i := range n {
		t, err := s.tuple(arr, typ, i)
		if err != nil {
			return nil, err
		}
		tuples[i] = t
		if i > 0 && tuples[i-1] == t {
			runs[len(runs)-1].to++
			continue
		}
		runs = append(runs, run{t, int64(i), int64(i + 1)})
	}
	return runs, nil
}

func (s *fileSet) tuple(arr arrow.Array, typ coltype.Type, i int) (iceberg.Tuple, error) {
	if arr.IsNull(i) {
		return s.p.spec.Tuple(nil)
	}
	v, err := coltype.ValueAt(typ, arr, i)
	if err != nil {
		return iceberg.Tuple{}, err
	}
	return s.p.spec.Tuple(&v)
}

// minMax are the rows of the smallest and the largest value of the kinds that partition by range; false with NULLs or for another kind.
func minMax(arr arrow.Array) (lo, hi int, ok bool) {
	if arr.Len() == 0 || arr.NullN() > 0 {
		return 0, 0, false
	}
	switch arr := arr.(type) {
	case *array.Date32:
		lo, hi = extremes(arr.Date32Values())
	case *array.Timestamp:
		lo, hi = extremes(arr.TimestampValues())
	case *array.Int32:
		lo, hi = extremes(arr.Int32Values())
	case *array.Int64:
		lo, hi = extremes(arr.Int64Values())
	default:
		return 0, 0, false
	}
	return lo, hi, true
}

func extremes[T cmp.Ordered](v []T) (lo, hi int) {
	for i := range v {
		if v[i] < v[lo] {
			lo = i
		}
		if v[i] > v[hi] {
			hi = i
		}
	}
	return lo, hi
}

func (s *fileSet) writeTo(t iceberg.Tuple, b batch) error {
	u := s.open[t]
	if u == nil {
		var err error
		if u, err = s.begin(); err != nil {
			return err
		}
		s.open[t] = u
	}
	if err := u.writer.Write(b); err != nil {
		return u.why(err)
	}
	if u.writer.Bytes() < s.a.FileBytes {
		return nil
	}
	delete(s.open, t)
	return s.finish(t, u)
}

// begin opens the next file; its upload runs beside the encoder.
func (s *fileSet) begin() (*upload, error) {
	name := s.p.table.Name
	key := fmt.Sprintf("%s/data/%s-%02d-%04d.parquet", iceberg.PartitionKey(name.Schema, name.Table, s.p.partition), s.p.runID, s.worker, s.seq)
	s.seq++
	s.out.mu.Lock()
	s.out.keys = append(s.out.keys, key)
	s.out.mu.Unlock()

	pr, pw := io.Pipe()
	u := &upload{key: key, pipe: pw, buf: bufio.NewWriterSize(pw, uploadBuffer), done: make(chan error, 1)}
	go func() {
		stored, err := s.a.Store.Put(context.Background(), key, pr)
		u.etag = stored.ETag
		pr.CloseWithError(cmp.Or(err, errStopped))
		u.done <- err
	}()
	var err error
	if u.writer, err = parquetio.NewWriter(u.buf, s.p.schema, s.a.Layout); err != nil {
		_ = u.stop(err)
		return nil, err
	}
	return u, nil
}

// finish writes the footer and waits for the store's answer.
func (s *fileSet) finish(t iceberg.Tuple, u *upload) error {
	info, err := u.writer.Close()
	if err == nil {
		err = u.buf.Flush()
	}
	if err != nil {
		return u.why(err)
	}
	u.pipe.Close()
	if err := <-u.done; err != nil {
		return err
	}
	s.out.mu.Lock()
	s.out.files = append(s.out.files, file{u.key, t, info, u.etag})
	s.out.mu.Unlock()
	if !s.a.SkipProof {
		s.out.back.file(s.a, s.p.schema, iceberg.RecordFile{Path: u.key, Rows: info.Rows, Bytes: info.Bytes}, progress.Silent)
	}
	return nil
}

// why ends the upload and tells why writing failed: the store's error when that is what broke the pipe.
func (u *upload) why(err error) error {
	if stored := u.stop(err); stored != nil && !errors.Is(stored, err) {
		return stored
	}
	return err
}

// stop breaks the upload off; the object does not become visible.
func (u *upload) stop(err error) error {
	if u.writer != nil {
		u.writer.Abort()
	}
	u.pipe.CloseWithError(err)
	return <-u.done
}

func (s *fileSet) close() error {
	var errs []error
	for t, u := range s.open {
		delete(s.open, t)
		if len(errs) > 0 {
			_ = u.stop(errs[0])
		} else if err := s.finish(t, u); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (s *fileSet) abort() {
	for t, u := range s.open {
		delete(s.open, t)
		_ = u.stop(errStopped)
	}
}

// discard removes the files of a run that did not come to its commit. What it cannot remove stays, unseen by every reader.
func (a *Archiver) discard(w *written) {
	w.back.stop()
	if len(w.keys) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	if err := a.Store.Delete(ctx, w.keys...); err != nil {
		a.Log.Warn("files of the failed run are left over; no reader sees them", "first", objstore.Location(a.Store, w.keys[0]), "count", len(w.keys), "error", err)
	}
}
