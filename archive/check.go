package archive

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"frostline/digest"
	"frostline/iceberg"
	"frostline/internal/progress"
	"frostline/objstore"
	"frostline/parquetio"
	"frostline/pgcopy"
)

// checkStats is how many objects are looked at, not read, at once.
const checkStats = 16

// CheckRequest says what Check looks at.
type CheckRequest struct {
	Scope
	Quick  bool    // look at sizes and ETags, read no data
	Sample float64 // the share of the partitions, over 0 up to 1; 0 is all
	Seed   uint32  // of the sample; 0 draws one
	Thawed bool    // read objects of archival storage classes too: temporary copies have been restored
}

// Check is the JSON object of archive verify.
type Check struct {
	Status     string  `json:"status"` // "success", "damaged", or "incomplete" when something could not be read, but nothing is damaged
	Mode       string  `json:"mode"`   // "full" or "quick"
	Sample     float64 `json:"sample,omitempty"`
	Seed       uint32  `json:"seed,omitempty"` // gives the same sample again
	Tables     int     `json:"total_tables"`
	Of         int     `json:"archived_partitions"` // that the selection has
	Partitions int     `json:"total_partitions"`    // that were looked at
	Files      int     `json:"total_files"`
	Records    int64   `json:"total_records"`
	Bytes      int64   `json:"total_bytes"`
	Proven     int     `json:"proven_partitions"` // full mode: every file read, checksums and digest as recorded
	Damaged    []Flaw  `json:"damaged"`
	Unread     []Flaw  `json:"unread"` // not read: in an archival storage class, or the store refused
	Seconds    float64 `json:"seconds"`

	err     error
	mu      sync.Mutex // of the findings and sums
	objects bool       // an object is damaged, rather than a digest differing
	refused []error
}

// Err is the error that the result came with.
func (c *Check) Err() error { return c.err }

// Flaw is one object that is not as it should be, or could not be read.
type Flaw struct {
	Table     string `json:"table"`
	Partition string `json:"partition,omitempty"`
	Object    string `json:"object"` // location
	Class     string `json:"storage_class,omitempty"`
	Problem   string `json:"problem"`
}

// checked is one partition under check.
type checked struct {
	t      *iceberg.Table
	p      iceberg.Partition
	record *iceberg.Record

	mu    sync.Mutex
	sum   digest.Digest
	whole bool // nothing found so far: the digest means something
}

// Check compares archived partitions with their records, and goes on after what it finds. In full mode every data file is read:
// its SHA-256 and size must be those of the record, and the digest of the partition's rows that of the record and of the table.
// In quick mode the store is asked for each file's size and ETag only. Objects in storage classes that must be restored first are
// listed and not read. The result comes with an error when something is damaged: objstore.ErrCorrupt when it is an object, ErrProof
// when only a digest or an ETag differs. It needs the warehouse alone, and changes nothing.
func (a *Archiver) Check(ctx context.Context, req CheckRequest) (*Check, error) {
	a.defaults()
	clock := progress.NewClock()
	if req.Sample < 0 || req.Sample > 1 || math.IsNaN(req.Sample) {
		return nil, fmt.Errorf("verify %s: %w: the sample %v is not a share of 0 to 1", req, ErrBadInput, req.Sample)
	}
	c := &Check{Status: "success", Mode: "full", Sample: req.Sample, Damaged: []Flaw{}, Unread: []Flaw{}}
	if req.Quick {
		c.Mode = "quick"
	}
	parts, err := a.checkTables(ctx, req, c)
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", req, err)
	}
	if parts, err = c.sample(parts, req); err != nil {
		return nil, fmt.Errorf("verify %s: %w", req, err)
	}
	if err := a.checkObjects(ctx, req, c, parts); err != nil {
		return nil, fmt.Errorf("verify %s: %w", req, err)
	}
	if !req.Quick {
		if err := a.checkRows(ctx, c, parts); err != nil {
			return nil, fmt.Errorf("verify %s: %w", req, err)
		}
	}
	clock.Done("verify")
	c.Seconds = clock.Seconds()
	c.err = c.verdict(req)
	return c, c.err
}

// checkTables loads the selected tables; one that cannot be read is a finding.
func (a *Archiver) checkTables(ctx context.Context, req CheckRequest, c *Check) (parts []*checked, err error) {
	keys, err := a.tableKeys(ctx, req.Scope)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		t, err := a.load(ctx, key)
		if err == nil {
			c.Tables++
			var ps []iceberg.Partition
			if ps, err = selected(t, req.Scope); err != nil {
				return nil, err
			}
			for _, p := range ps {
				parts = append(parts, &checked{t: t, p: p, whole: true})
			}
			continue
		}
		if !damaged(err) {
			return nil, err
		}
		c.found(Flaw{Table: key, Object: objstore.Location(a.Store, key), Problem: err.Error()}, true)
	}
	return parts, nil
}

// sample keeps a share of the partitions, at least one. The same seed and names give the same partitions.
func (c *Check) sample(parts []*checked, req CheckRequest) ([]*checked, error) {
	c.Of = len(parts)
	if req.Sample == 0 || req.Sample == 1 || len(parts) == 0 {
		c.Sample, c.Partitions = 0, len(parts)
		return parts, nil
	}
	for c.Seed = req.Seed; c.Seed == 0; {
		if err := binary.Read(rand.Reader, binary.BigEndian, &c.Seed); err != nil {
			return nil, err
		}
	}
	rank := func(k *checked) [32]byte {
		return sha256.Sum256(fmt.Appendf(nil, "%d\x00%s\x00%s", c.Seed, k.t.Key(), k.p.Name))
	}
	slices.SortFunc(parts, func(x, y *checked) int { rx, ry := rank(x), rank(y); return slices.Compare(rx[:], ry[:]) })
	parts = parts[:max(1, int(math.Ceil(req.Sample*float64(len(parts)))))]
	slices.SortFunc(parts, func(x, y *checked) int {
		return cmp.Or(cmp.Compare(x.t.Key(), y.t.Key()), cmp.Compare(x.p.Name, y.p.Name))
	})
	c.Partitions = len(parts)
	return parts, nil
}

// checkObjects reads the records, compares them with what the snapshots name, and looks at every object without reading data.
func (a *Archiver) checkObjects(ctx context.Context, req CheckRequest, c *Check, parts []*checked) error {
	a.Progress.Begin("look", -1)
	defer a.Progress.End()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(checkStats)
	for _, k := range parts {
		g.Go(func() (err error) {
			k.record, err = a.Catalog.ReadRecord(gctx, k.t, k.p)
			if err == nil {
				err = a.checkPublished(gctx, k)
			}
			return c.judge(gctx, k, k.t.Location()+"/"+k.p.Record, err)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	g, gctx = errgroup.WithContext(ctx)
	g.SetLimit(checkStats)
	for _, k := range parts {
		if k.record == nil {
			continue
		}
		if err := c.judge(ctx, k, k.t.Location(), a.checkNamed(ctx, k)); err != nil {
			return err
		}
		for _, f := range k.record.Files {
			g.Go(func() error { return a.checkObject(gctx, req, c, k, f) })
		}
	}
	return g.Wait()
}

// checkPublished compares schema_snapshot.json, which is for people and other tools, with the record.
func (a *Archiver) checkPublished(ctx context.Context, k *checked) error {
	published := k.p
	published.Record = objstore.Segment(k.p.Name) + "/schema_snapshot.json"
	if _, err := a.Catalog.ReadRecord(ctx, k.t, published); err != nil {
		return fmt.Errorf("schema_snapshot.json, a copy of the record: %w; archive the partition again to write it anew", err)
	}
	return nil
}

// checkNamed compares the files of the record with those that readers of the table see.
func (a *Archiver) checkNamed(ctx context.Context, k *checked) error {
	plan, err := a.Catalog.Plan(ctx, k.t, 0)
	if err != nil {
		return err
	}
	named := map[string]int64{}
	for _, p := range plan {
		if p.Name == k.p.Name {
			for _, f := range p.Files {
				named[f.Location] = f.Rows
			}
		}
	}
	for _, f := range k.record.Files {
		location := k.t.Location() + "/" + f.Path
		if rows, ok := named[location]; !ok || rows != f.Rows {
			return fmt.Errorf("%w: the record has %s with %d rows, the table's snapshot has not", iceberg.ErrCorrupt, f.Path, f.Rows)
		}
		delete(named, location)
	}
	for location := range named {
		return fmt.Errorf("%w: the table's snapshot names %s, the record does not", iceberg.ErrCorrupt, location)
	}
	return nil
}

// checkObject looks at one data file.
func (a *Archiver) checkObject(ctx context.Context, req CheckRequest, c *Check, k *checked, f iceberg.RecordFile) error {
	location := k.t.Location() + "/" + f.Path
	o, err := a.Store.Stat(ctx, k.t.Key()+"/"+f.Path)
	if err == nil && o.Size != f.Bytes {
		err = fmt.Errorf("%w: it has %d bytes, the record says %d", objstore.ErrCorrupt, o.Size, f.Bytes)
	}
	if err != nil {
		return c.judge(ctx, k, location, err)
	}
	c.mu.Lock()
	c.Files, c.Records, c.Bytes = c.Files+1, c.Records+f.Rows, c.Bytes+f.Bytes
	c.mu.Unlock()
	switch {
	case req.Quick && f.ETag != "" && o.ETag != "" && f.ETag != o.ETag:
		c.found(k.flaw(location, fmt.Sprintf("its ETag is %s, the record says %s: it was written anew; run without --quick to read it", o.ETag, f.ETag)), false)
	case frozen(o.Class) && !req.Thawed && !req.Quick:
		k.fail()
		found := k.flaw(location, "in an archival storage class: restore it in S3 first, then verify with --thawed")
		found.Class = o.Class
		c.mu.Lock()
		c.Unread = append(c.Unread, found)
		c.mu.Unlock()
	}
	return nil
}

// frozen says that objects of a storage class cannot be read before they are restored. GLACIER_IR can.
func frozen(class string) bool { return class == "GLACIER" || class == "DEEP_ARCHIVE" }

// checkRows reads the files of all partitions that are whole so far.
func (a *Archiver) checkRows(ctx context.Context, c *Check, parts []*checked) error {
	var rows int64
	whole := slices.DeleteFunc(slices.Clone(parts), func(k *checked) bool { return !k.whole })
	for _, k := range whole {
		rows += k.record.Rows
	}
	a.Progress.Begin("verify", rows)
	defer a.Progress.End()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(a.Workers)
	for _, k := range whole {
		for _, f := range k.record.Files {
			g.Go(func() error {
				return c.judge(gctx, k, k.t.Location()+"/"+f.Path, a.checkFile(gctx, k, f))
			})
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, k := range whole {
		if !k.whole {
			continue
		}
		want, err := digest.Parse(k.record.Digest)
		if err == nil {
			err = same("its rows against the record", want, k.sum)
		}
		if err != nil {
			c.found(k.flaw(k.t.Location()+"/"+objstore.Segment(k.p.Name), err.Error()), false)
			continue
		}
		c.Proven++
	}
	return nil
}

// checkFile reads a file twice: as bytes for its SHA-256, and as rows for the digest.
func (a *Archiver) checkFile(ctx context.Context, k *checked, f iceberg.RecordFile) error {
	f.Path = k.t.Key() + "/" + f.Path
	body, _, err := a.Store.Get(ctx, f.Path)
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, body)
	body.Close()
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.SHA256 {
		return fmt.Errorf("%w: the SHA-256 of its %d bytes is %s, the record says %s", objstore.ErrCorrupt, n, got, f.SHA256)
	}
	d, err := a.digestFile(ctx, k.record.Schema, f, a.Progress)
	if err != nil {
		return err
	}
	if d.Rows != f.Rows {
		return fmt.Errorf("%w: it has %d rows, the record says %d", objstore.ErrCorrupt, d.Rows, f.Rows)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sum.Add(d)
	return nil
}

// judge turns err of an object into a finding: nil when checking can go on, else what ends it.
func (c *Check) judge(ctx context.Context, k *checked, location string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil || errors.Is(err, objstore.ErrUnreachable):
		return err
	}
	k.fail()
	if damaged(err) || errors.Is(err, parquetio.ErrCorrupt) || errors.Is(err, pgcopy.ErrCorrupt) {
		c.found(k.flaw(location, err.Error()), true)
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Unread = append(c.Unread, k.flaw(location, err.Error()))
	c.refused = append(c.refused, err)
	return nil
}

func (k *checked) fail() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.whole = false
}

func (k *checked) flaw(location, problem string) Flaw {
	return Flaw{Table: tableName(k.t), Partition: k.p.Name, Object: location, Problem: problem}
}

func (c *Check) found(f Flaw, object bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Damaged = append(c.Damaged, f)
	c.objects = c.objects || object
}

// verdict sets the status, orders the findings, and is the error of what was found.
func (c *Check) verdict(req CheckRequest) error {
	byObject := func(x, y Flaw) int { return strings.Compare(x.Object, y.Object) }
	slices.SortStableFunc(c.Damaged, byObject)
	slices.SortStableFunc(c.Unread, byObject)
	kind := ErrProof
	if c.objects {
		kind = objstore.ErrCorrupt
	}
	switch {
	case len(c.Damaged) > 0:
		c.Status = "damaged"
		return fmt.Errorf("verify %s: %w: %d findings, the first is %s: %s; nothing was changed", req, kind, len(c.Damaged), c.Damaged[0].Object, c.Damaged[0].Problem)
	case len(c.refused) > 0:
		c.Status = "incomplete"
		return fmt.Errorf("verify %s: %d objects could not be read: %w", req, len(c.refused), c.refused[0])
	case len(c.Unread) > 0:
		c.Status = "incomplete"
	}
	return nil
}
