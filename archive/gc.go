package archive

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"frostline/iceberg"
	"frostline/objstore"
)

// MinAge is the least age that GC accepts: a run's files are not in any snapshot until it commits.
const MinAge = time.Hour

// gcBatch is how many objects are removed before the table is looked at again.
const gcBatch = 500

// GCRequest says what GC removes.
type GCRequest struct {
	Scope                // a table, a schema or all; Partition is not used
	MinAge time.Duration // of every file of a run, default 24 h, at least MinAge
	// Expire takes away snapshots older than that, but for a table's current one, and then what only they named: the files of
	// replaced archives. 0 keeps them all. At least MinAge.
	Expire time.Duration
	Delete bool      // remove; otherwise only the plan is made
	Now    time.Time // default time.Now
}

// GC is the JSON object of archive gc.
type GC struct {
	Status    string     `json:"status"` // "planned", "deleted", or "damaged" when a table was left alone because it cannot be read
	MinAge    string     `json:"min_age"`
	Tables    int        `json:"total_tables"`
	Files     int        `json:"total_files"` // leftovers
	Bytes     int64      `json:"total_bytes"`
	Deleted   int        `json:"deleted_files"`
	Young     int        `json:"young_files"` // not named by any snapshot, but of runs that may still be at work
	Expired   []Expired  `json:"expired_snapshots"`
	Leftovers []Leftover `json:"leftovers"`
	Skipped   []Skipped  `json:"skipped"`

	err error
}

// Err is the error that the result came with.
func (g *GC) Err() error { return g.err }

// Expired is a snapshot that is too old.
type Expired struct {
	Table     string    `json:"table"` // key
	Snapshot  int64     `json:"snapshot_id,string"`
	Time      time.Time `json:"time"`
	Partition string    `json:"partition,omitempty"` // that its run archived
}

// Leftover is an object that nothing names.
type Leftover struct {
	Table    string    `json:"table,omitempty"` // key
	Object   string    `json:"object"`          // location
	Kind     string    `json:"kind"`            // "data", "record", "manifest" or "probe"
	RunID    string    `json:"run_id,omitempty"`
	Bytes    int64     `json:"bytes"`
	Modified time.Time `json:"modified"`

	key string
}

// Skipped is a table that was left alone.
type Skipped struct {
	Table  string `json:"table"`
	Reason string `json:"reason"`
}

// What may be removed has a name that this program gives. Table metadata (vN.metadata.json) never may: the unbroken chain of versions
// is what refuses a second writer, and so is the lock of the table.
var (
	runPattern = `([0-9]{8}T[0-9]{6}Z-[0-9a-f]{8})`
	leftKinds  = []struct {
		kind string
		name *regexp.Regexp // below the table; the first group is the run id
	}{
		{"data", regexp.MustCompile(`^[^/]*=[^/]*/data/` + runPattern + `-[^/]*\.parquet$`)},
		{"record", regexp.MustCompile(`^[^/]*=[^/]*/schema_snapshot-` + runPattern + `\.json$`)},
		{"manifest", regexp.MustCompile(`^metadata/()(?:snap-[0-9]+-1-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:-m[0-9]+)?\.avro$`)},
	}
	ownVersion = regexp.MustCompile(`^v[1-9][0-9]*\.metadata\.json$`)
	probeName  = regexp.MustCompile(`^_probe-[A-Z2-7]+$`)
)

// GC finds, and with Delete removes, what runs that were killed or failed have left: data files, records and manifests that no
// snapshot of the table names, old snapshots included. A run's files are kept together: while the youngest of them, or the start that
// the run id tells, is not MinAge ago, the run may be at work and nothing of it is touched. A table whose metadata cannot be read, or
// that another catalog writes as well, is left alone. With Expire also what only old snapshots name. It needs the warehouse alone.
func (a *Archiver) GC(ctx context.Context, req GCRequest) (*GC, error) {
	a.defaults()
	if req.MinAge == 0 {
		req.MinAge = 24 * time.Hour
	}
	if req.Now.IsZero() {
		req.Now = time.Now()
	}
	if req.MinAge < MinAge {
		return nil, fmt.Errorf("gc %s: %w: --min-age %s is less than %s, and files of a run at work could be removed; nothing was done", req, ErrBadInput, req.MinAge, MinAge)
	}
	if req.Expire != 0 && req.Expire < req.MinAge {
		return nil, fmt.Errorf("gc %s: %w: snapshots would expire after %s, which is less than --min-age %s; nothing was done", req, ErrBadInput, req.Expire, req.MinAge)
	}
	g := &GC{Status: "planned", MinAge: req.MinAge.String(), Expired: []Expired{}, Leftovers: []Leftover{}, Skipped: []Skipped{}}
	if req.Delete {
		g.Status = "deleted"
	}
	keys, err := a.tableKeys(ctx, req.Scope)
	if err != nil {
		return nil, fmt.Errorf("gc %s: %w", req, err)
	}
	var damage []error
	for _, key := range keys {
		if err := a.gcTable(ctx, req, key, g); err != nil {
			if !damaged(err) && !errors.Is(err, objstore.ErrOutside) {
				g.err = fmt.Errorf("gc %s: %w", req, err)
				return g, g.err
			}
			g.Status = "damaged"
			g.Skipped = append(g.Skipped, Skipped{key, err.Error()})
			damage = append(damage, err)
		}
	}
	if req.Scope == (Scope{}) {
		if err := a.gcProbes(ctx, req, g); err != nil {
			g.err = fmt.Errorf("gc %s: %w", req, err)
			return g, g.err
		}
	}
	if damage != nil {
		g.err = fmt.Errorf("gc %s: nothing was removed of %d tables: %w", req, len(damage), errors.Join(damage...))
	}
	return g, g.err
}

// gcTable lists the objects first and reads the metadata after: what a commit names in between is seen.
func (a *Archiver) gcTable(ctx context.Context, req GCRequest, key string, g *GC) error {
	found, foreign, err := a.candidates(ctx, key)
	if err != nil {
		return err
	}
	t, err := a.load(ctx, key)
	if err != nil {
		return err
	}
	if foreign != "" {
		g.Skipped = append(g.Skipped, Skipped{key, "another catalog writes this table too: " + foreign})
		return nil
	}
	old, t, err := a.expire(ctx, req, t)
	if err != nil {
		return err
	}
	named, err := a.Catalog.References(ctx, t, old...)
	if err != nil {
		return err
	}
	for _, s := range old {
		g.Expired = append(g.Expired, Expired{key, s.ID, s.Time, s.Partition})
	}
	g.Tables++
	last := lastSeen(found)
	var gone []Leftover
	for _, l := range found {
		switch {
		case named[l.key]:
		case req.Now.Sub(last[l.run()]) < req.MinAge:
			g.Young++
		default:
			gone = append(gone, l)
		}
	}
	if !req.Delete {
		g.add(gone)
		return nil
	}
	for len(gone) > 0 {
		n := min(len(gone), gcBatch)
		if err := a.gcDelete(ctx, t, gone[:n], g); err != nil {
			return err
		}
		gone = gone[n:]
	}
	return nil
}

// expire gives the snapshots that are too old, and with Delete the table without them: the version that names them no more is
// there before the first file goes.
func (a *Archiver) expire(ctx context.Context, req GCRequest, t *iceberg.Table) ([]iceberg.Snapshot, *iceberg.Table, error) {
	if req.Expire == 0 {
		return nil, t, nil
	}
	before := req.Now.Add(-req.Expire)
	if !req.Delete {
		return t.Old(before), t, nil
	}
	old, err := a.Catalog.Expire(ctx, t.Key(), before)
	if err != nil {
		return nil, nil, err
	}
	t, err = a.Catalog.Load(ctx, t.Key())
	return old, t, err
}

// gcDelete removes a batch, less what the table has come to name since it was loaded.
func (a *Archiver) gcDelete(ctx context.Context, t *iceberg.Table, batch []Leftover, g *GC) error {
	now, err := a.Catalog.Load(ctx, t.Key())
	if err != nil {
		return err
	}
	if now.Version() != t.Version() {
		named, err := a.Catalog.References(ctx, now)
		if err != nil {
			return err
		}
		var still []Leftover
		for _, l := range batch {
			if !named[l.key] {
				still = append(still, l)
			}
		}
		batch = still
	}
	return a.remove(ctx, batch, g)
}

func (a *Archiver) remove(ctx context.Context, batch []Leftover, g *GC) error {
	keys := make([]string, len(batch))
	for i, l := range batch {
		keys[i] = l.key
	}
	if len(keys) > 0 {
		if err := a.Store.Delete(ctx, keys...); err != nil {
			return err
		}
	}
	g.add(batch)
	g.Deleted += len(batch)
	return nil
}

func (g *GC) add(leftovers []Leftover) {
	for _, l := range leftovers {
		g.Files++
		g.Bytes += l.Bytes
	}
	g.Leftovers = append(g.Leftovers, leftovers...)
}

// candidates are the objects of a table whose names this program gives to files of a run; foreign is a metadata file that it has not named.
func (a *Archiver) candidates(ctx context.Context, key string) (found []Leftover, foreign string, err error) {
	for o, err := range a.Store.List(ctx, key+"/") {
		if err != nil {
			return nil, "", err
		}
		name := strings.TrimPrefix(o.Key, key+"/")
		if file, ok := strings.CutPrefix(name, "metadata/"); ok && strings.HasSuffix(file, ".metadata.json") && !ownVersion.MatchString(file) {
			foreign = objstore.Location(a.Store, o.Key)
		}
		for _, k := range leftKinds {
			if m := k.name.FindStringSubmatch(name); m != nil {
				found = append(found, Leftover{
					Table: key, Object: objstore.Location(a.Store, o.Key), Kind: k.kind, RunID: m[1], Bytes: o.Size, Modified: o.Modified.UTC(), key: o.Key,
				})
				break
			}
		}
	}
	return found, foreign, nil
}

// run is what a file is kept with: its run, or itself where its name does not tell one.
func (l Leftover) run() string {
	if l.RunID != "" {
		return l.RunID
	}
	return l.key
}

// lastSeen is, by run, the latest sign of life: the youngest file, or the start.
func lastSeen(found []Leftover) map[string]time.Time {
	last := map[string]time.Time{}
	for _, l := range found {
		seen := l.Modified
		if start, err := time.Parse("20060102T150405Z", strings.SplitN(l.RunID, "-", 2)[0]); err == nil && start.After(seen) {
			seen = start
		}
		if seen.After(last[l.run()]) {
			last[l.run()] = seen
		}
	}
	return last
}

// gcProbes removes what a killed probe of the store has left.
func (a *Archiver) gcProbes(ctx context.Context, req GCRequest, g *GC) error {
	var old []Leftover
	for o, err := range a.Store.List(ctx, "_probe-") {
		if err != nil {
			return err
		}
		switch {
		case !probeName.MatchString(o.Key):
		case req.Now.Sub(o.Modified) < req.MinAge:
			g.Young++
		default:
			old = append(old, Leftover{Object: objstore.Location(a.Store, o.Key), Kind: "probe", Bytes: o.Size, Modified: o.Modified.UTC(), key: o.Key})
		}
	}
	if req.Delete {
		return a.remove(ctx, old, g)
	}
	g.add(old)
	return nil
}
