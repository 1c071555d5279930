package archive

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"frostline/coltype"
	"frostline/digest"
	"frostline/iceberg"
	"frostline/internal/progress"
	"frostline/parquetio"
	"frostline/pgcopy"
)

const cleanupTimeout = 30 * time.Second

// readBack is the digest of data files as the store has them, several files read at once.
type readBack struct {
	ctx    context.Context
	cancel context.CancelFunc
	slots  chan struct{} // one for each file that is read at once
	all    sync.WaitGroup
	mu     sync.Mutex
	sum    digest.Digest
	err    error // the first
}

func (r *readBack) begin(ctx context.Context, workers int) {
	r.ctx, r.cancel = context.WithCancel(ctx)
	r.slots = make(chan struct{}, max(workers, 1))
}

// file reads one file, beside its caller, who does not wait. Its rows are told to told.
func (r *readBack) file(a *Archiver, s coltype.Schema, f iceberg.RecordFile, told progress.Reporter) {
	r.all.Go(func() {
		var d digest.Digest
		var err error
		select {
		case r.slots <- struct{}{}:
			d, err = a.digestFile(r.ctx, s, f, told)
			<-r.slots
		case <-r.ctx.Done():
			err = r.ctx.Err()
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil && r.err == nil {
			r.err = err
			r.cancel()
		}
		r.sum.Add(d)
	})
}

// wait is the digest of all files.
func (r *readBack) wait() (digest.Digest, error) {
	r.all.Wait()
	r.cancel()
	return r.sum, r.err
}

// stop gives up what is not read yet.
func (r *readBack) stop() {
	r.cancel()
	r.all.Wait() // the run has failed already
}

// verify waits until every written file has been read back from the store and its rows encoded again, and compares the
// digest with the stream's.
func (a *Archiver) verify(p *plan, w *written) error {
	got, err := w.back.wait()
	if err != nil {
		return fmt.Errorf("verify %s: %w; nothing was committed", p.label(), err)
	}
	if err := same("verify "+p.label(), w.digest, got); err != nil {
		return fmt.Errorf("%w; nothing was committed", err)
	}
	return nil
}

// readFiles is the digest of data files, by key, as the store has them now.
func (a *Archiver) readFiles(ctx context.Context, s coltype.Schema, files []iceberg.RecordFile) (digest.Digest, error) {
	var rows int64
	for _, f := range files {
		rows += f.Rows
	}
	a.Progress.Begin("verify", rows)
	defer a.Progress.End()
	var r readBack
	r.begin(ctx, a.Workers)
	for _, f := range files {
		r.file(a, s, f, a.Progress)
	}
	return r.wait()
}

func (a *Archiver) digestFile(ctx context.Context, s coltype.Schema, rf iceberg.RecordFile, told progress.Reporter) (digest.Digest, error) {
	enc, err := pgcopy.NewEncoder(s)
	if err != nil {
		return digest.Digest{}, err
	}
	f, err := parquetio.Open(ctx, parquetio.StoreSource(a.Store, rf.Path, rf.Bytes), parquetio.ReadOptions{})
	if err != nil {
		return digest.Digest{}, err
	}
	for rg := range f.RowGroups() {
		if err := digestGroup(ctx, f, rg, s, a.BatchRows, enc, told); err != nil {
			return digest.Digest{}, fmt.Errorf("%s: %w", rf.Path, err)
		}
	}
	return enc.Digest(), nil
}

func digestGroup(ctx context.Context, f *parquetio.File, rg int, s coltype.Schema, rows int, enc *pgcopy.Encoder, told progress.Reporter) error {
	var turn sync.Locker = &longValues
	if f.RowGroupBytes(rg) >= wideGroup {
		turn.Lock()
		defer turn.Unlock()
		turn = nil
	}
	for b, err := range f.ScanHuge(ctx, rg, s, rows, turn) {
		if err == nil {
			err = enc.DigestBatch(b)
		}
		if err != nil {
			return err
		}
		told.Add(b.NumRows(), 0)
	}
	return nil
}

// prove shows that a partition that is archived already equals its source, or, when the source is gone, that the archive equals
// its record. It writes nothing but the published copy of the record, which a killed run may have missed.
func (a *Archiver) prove(ctx context.Context, p *plan, clock *progress.Clock) (Result, error) {
	record, err := a.record(ctx, p)
	if err != nil {
		return Result{}, err
	}
	archived, err := a.digestRecord(ctx, p, record)
	if err != nil {
		return Result{}, err
	}
	clock.Done("verify")
	p.schema, p.digest = record.Schema, archived
	if !p.gone {
		if err := a.compareSource(ctx, p, archived); err != nil {
			return Result{}, err
		}
		clock.Done("compare")
	}
	key := iceberg.TableKey(p.table.Name.Schema, p.table.Name.Table)
	if err := a.Catalog.PublishRecord(ctx, key, *p.existing); err != nil {
		return Result{}, fmt.Errorf("archive %s: %w", p.label(), err)
	}
	t, err := a.Catalog.Load(ctx, key)
	if err != nil {
		return Result{}, fmt.Errorf("archive %s: %w", p.label(), err)
	}
	return a.result(p, t, *p.existing, "unchanged"), nil
}

// digestRecord reads the archived files of the partition and compares with the record.
func (a *Archiver) digestRecord(ctx context.Context, p *plan, record *iceberg.Record) (digest.Digest, error) {
	want, err := digest.Parse(record.Digest)
	if err != nil {
		return digest.Digest{}, fmt.Errorf("verify %s: record %s: %w", p.label(), p.existing.Record, err)
	}
	tableKey := iceberg.TableKey(p.table.Name.Schema, p.table.Name.Table)
	files := make([]iceberg.RecordFile, len(record.Files))
	for i, f := range record.Files {
		files[i] = f
		files[i].Path = tableKey + "/" + f.Path
	}
	got, err := a.readFiles(ctx, record.Schema, files)
	if err != nil {
		return digest.Digest{}, fmt.Errorf("verify %s: %w", p.label(), err)
	}
	if err := same("verify "+p.label()+" against its record", want, got); err != nil {
		return digest.Digest{}, fmt.Errorf("%w; the archive is damaged, nothing was changed", err)
	}
	return got, nil
}

// compareSource digests the source rows as they are now.
func (a *Archiver) compareSource(ctx context.Context, p *plan, archived digest.Digest) error {
	if err := sameColumns(p.schema.Columns, p.table.Columns); err != nil {
		return fmt.Errorf("archive %s: %w since it was archived: %w; nothing was changed, use --replace to archive it anew", p.label(), err, ErrDiffers)
	}
	a.Progress.Begin("compare", archived.Rows)
	defer a.Progress.End()
	now, err := a.stream(p, func(w io.Writer) (int64, error) {
		return a.DB.CopyOut(ctx, p.query(p.schema, ""), w)
	}, nil)
	if err != nil {
		return fmt.Errorf("archive %s: %w", p.label(), err)
	}
	if now != archived {
		return fmt.Errorf("archive %s: source has %d rows (%s), the archive has %d (%s): %w; nothing was changed, use --replace to archive it anew",
			p.label(), now.Rows, now, archived.Rows, archived, ErrDiffers)
	}
	return nil
}

func sameColumns(archived, now []coltype.Column) error {
	if len(archived) != len(now) {
		return fmt.Errorf("the table had %d columns and has %d", len(archived), len(now))
	}
	for i, c := range archived {
		if c.Name != now[i].Name || c.Type.Name != now[i].Type.Name {
			return fmt.Errorf("column %d was %q %s and is %q %s", i+1, c.Name, c.Type.Name, now[i].Name, now[i].Type.Name)
		}
	}
	return nil
}

// record reads the record of the archived partition.
func (a *Archiver) record(ctx context.Context, p *plan) (*iceberg.Record, error) {
	t, err := a.Catalog.Load(ctx, iceberg.TableKey(p.table.Name.Schema, p.table.Name.Table))
	if err != nil {
		return nil, fmt.Errorf("archive %s: %w", p.label(), err)
	}
	r, err := a.Catalog.ReadRecord(ctx, t, *p.existing)
	if err != nil {
		return nil, fmt.Errorf("archive %s: %w", p.label(), err)
	}
	return r, nil
}
