package iceberg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"frostline/objstore"
	"frostline/objstore/faultstore"
)

// Faults in the middle of a commit: whatever is answered, the table tells the same story.
func TestCommitFaults(t *testing.T) {
	version := faultstore.Suffix("/v2.metadata.json")
	unavailable := errors.New("503 slow down")
	for _, tt := range []struct {
		name      string
		rules     []faultstore.Rule
		wantErr   error // nil: success
		committed bool
	}{
		{"the answer of the conditional put is lost",
			[]faultstore.Rule{{Op: faultstore.Create, Match: version, Nth: 1, Kind: faultstore.Lose}}, nil, true},
		{"the answer is lost and the store's own retry meets our object",
			[]faultstore.Rule{{Op: faultstore.Create, Match: version, Nth: 1, Kind: faultstore.Lose, Err: objstore.ErrExist}}, nil, true},
		{"the put fails once",
			[]faultstore.Rule{{Op: faultstore.Create, Match: version, Nth: 1, Kind: faultstore.Fail, Err: unavailable}}, nil, true},
		{"the put fails always",
			[]faultstore.Rule{{Op: faultstore.Create, Match: version, Kind: faultstore.Fail, Err: unavailable}}, unavailable, false},
		{"the store has no conditional puts",
			[]faultstore.Rule{{Op: faultstore.Create, Match: version, Kind: faultstore.Fail, Err: objstore.ErrNoConditional}}, objstore.ErrNoConditional, false},
		{"the answer is lost and the version cannot be read, then it can",
			[]faultstore.Rule{{Op: faultstore.Create, Match: version, Nth: 1, Kind: faultstore.Lose},
				{Op: faultstore.Get, Match: version, Nth: 1, Kind: faultstore.Fail, Err: unavailable},
				{Op: faultstore.Get, Match: version, Nth: 2, Kind: faultstore.Truncate}}, nil, true},
		{"the answer is lost and the version cannot be read",
			[]faultstore.Rule{{Op: faultstore.Create, Match: version, Nth: 1, Kind: faultstore.Lose},
				{Op: faultstore.Get, Match: version, Kind: faultstore.Fail, Err: unavailable}}, ErrUnknownOutcome, true},
		{"the put fails and the version cannot be read",
			[]faultstore.Rule{{Op: faultstore.Create, Match: version, Nth: 1, Kind: faultstore.Fail},
				{Op: faultstore.Get, Match: version, Kind: faultstore.Fail, Err: unavailable}}, ErrUnknownOutcome, false},
		{"a manifest cannot be written",
			[]faultstore.Rule{{Op: faultstore.Put, Match: faultstore.Suffix("-m0.avro"), Kind: faultstore.Fail, Err: unavailable}}, unavailable, false},
		{"the manifest list cannot be written",
			[]faultstore.Rule{{Op: faultstore.Put, Match: func(k string) bool { return strings.Contains(k, "/snap-") }, Kind: faultstore.Truncate, Err: unavailable}}, unavailable, false},
		{"the hint cannot be written",
			[]faultstore.Rule{{Op: faultstore.Put, Match: faultstore.Suffix(hintName), Kind: faultstore.Fail}}, nil, true},
		{"everything is slow",
			[]faultstore.Rule{{Kind: faultstore.Slow, Delay: 5 * time.Millisecond}}, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			below := fileStore(t)
			tbl := mustEnsure(t, NewCatalog(below), payment())
			store := faultstore.Wrap(below, tt.rules...)
			records := 0
			m := monthCommit(t, tbl, "run-1", 2024, 1, 2)
			m.Record = func(context.Context, int64, int) error { records++; return nil }
			got, err := NewCatalog(store).Commit(context.Background(), tbl.Key(), m)
			if !errors.Is(err, tt.wantErr) || (tt.wantErr == nil) != (err == nil) {
				t.Fatalf("commit: %v, want %v", err, tt.wantErr)
			}
			if err == nil && got.SnapshotID() == 0 {
				t.Error("the table that came back has no snapshot")
			}

			after, err := NewCatalog(below).Load(context.Background(), tbl.Key())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := after.Partition("at=2024-01"); (err == nil) != tt.committed {
				t.Fatalf("the partition is there: %v, want %v", err == nil, tt.committed)
			}
			// Running once more settles it, once.
			c := NewCatalog(below)
			after = mustCommit(t, c, tbl, m)
			wantEqual(t, "version after running once more", after.Version(), 2)
			wantEqual(t, "plan after running once more", planned(mustPlan(t, c, after, 0)), []string{"at=2024-01: 2"})
		})
	}
}

// Another writer makes the version between our reading the table and our put.
func TestCommitLosesRaces(t *testing.T) {
	below := fileStore(t)
	tbl := mustEnsure(t, NewCatalog(below), payment())
	race := func(version, month int) faultstore.Rule {
		return faultstore.Rule{Op: faultstore.Create, Match: faultstore.Suffix(fmt.Sprintf("/v%d.metadata.json", version)), Nth: 1, Kind: faultstore.Slow,
			Do: func(string) {
				mustCommit(t, NewCatalog(below), tbl, monthCommit(t, tbl, fmt.Sprintf("other-%d", month), 2024, month, 1))
			}}
	}
	store := faultstore.Wrap(below, race(2, 2), race(3, 3))
	var recorded []int64
	m := monthCommit(t, tbl, "run-1", 2024, 1, 1)
	m.Record = func(_ context.Context, id int64, schema int) error { recorded = append(recorded, id); return nil }
	c := NewCatalog(store)
	got := mustCommit(t, c, tbl, m)
	wantEqual(t, "version", got.Version(), 4)
	wantEqual(t, "plan", planned(mustPlan(t, c, got, 0)), []string{"at=2024-01: 1", "at=2024-02: 1", "at=2024-03: 1"})
	p, _ := got.Partition("at=2024-01")
	if len(recorded) != 3 || recorded[2] != p.SnapshotID {
		t.Errorf("recorded for snapshots %v, committed as %d; want three tries, the last one committed", recorded, p.SnapshotID)
	}

	// The one who wins archives the same partition.
	store.Reset()
	store.Add(faultstore.Rule{Op: faultstore.Create, Match: faultstore.Suffix("/v5.metadata.json"), Nth: 1, Kind: faultstore.Slow,
		Do: func(string) {
			mustCommit(t, NewCatalog(below), tbl, monthCommit(t, tbl, "other-4", 2024, 4, 1))
		}})
	if _, err := c.Commit(context.Background(), tbl.Key(), monthCommit(t, tbl, "run-4", 2024, 4, 1)); !errors.Is(err, ErrPartitionExists) {
		t.Errorf("lost to a writer of the same partition: %v", err)
	}
}

// A commit after the answer of the put was lost, where a third writer has replaced the partition since.
func TestCommitFoundInHistory(t *testing.T) {
	below := fileStore(t)
	tbl := mustEnsure(t, NewCatalog(below), payment())
	m := monthCommit(t, tbl, "run-1", 2024, 1, 1)
	mustCommit(t, NewCatalog(below), tbl, m)
	other := monthCommit(t, tbl, "run-2", 2024, 1, 1)
	other.Replace = true
	mustCommit(t, NewCatalog(below), tbl, other)
	m.Replace = true
	got := mustCommit(t, NewCatalog(below), tbl, m)
	if p, _ := got.Partition("at=2024-01"); p.RunID != "run-2" || got.Version() != 3 {
		t.Errorf("version %d, run %s: run-1 was committed again over the later run", got.Version(), p.RunID)
	}
}

func TestCommitCancelled(t *testing.T) {
	below := fileStore(t)
	tbl := mustEnsure(t, NewCatalog(below), payment())
	ctx, cancel := context.WithCancel(context.Background())
	m := monthCommit(t, tbl, "run-1", 2024, 1, 1)
	m.Record = func(context.Context, int64, int) error { cancel(); return nil }
	if _, err := NewCatalog(below).Commit(ctx, tbl.Key(), m); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("cancelled before the put: %v", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	store := faultstore.Wrap(below, faultstore.Rule{Op: faultstore.Create, Kind: faultstore.Lose, Err: context.Canceled, Do: func(string) { cancel() }})
	m.Record = nil
	if _, err := NewCatalog(store).Commit(ctx, tbl.Key(), m); err != nil && !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("cancelled while the put is on its way: %v", err)
	}
	after, err := NewCatalog(below).Load(context.Background(), tbl.Key())
	if err != nil {
		t.Fatal(err)
	}
	again := mustCommit(t, NewCatalog(below), after, m)
	wantEqual(t, "version", again.Version(), 2)
}

// Ensure through the same faults.
func TestEnsureFaults(t *testing.T) {
	for _, kind := range []faultstore.Kind{faultstore.Fail, faultstore.Lose} {
		below := fileStore(t)
		store := faultstore.Wrap(below, faultstore.Rule{Op: faultstore.Create, Nth: 1, Kind: kind})
		tbl := mustEnsure(t, NewCatalog(store), payment())
		wantEqual(t, "version", tbl.Version(), 1)
		spec := payment()
		spec.Columns = append(spec.Columns, columns("x", typ(1, "bool"))...)
		spec.Columns[6].AttNum = 7
		store.Add(faultstore.Rule{Op: faultstore.Create, Match: faultstore.Suffix("/v2.metadata.json"), Nth: 1, Kind: kind})
		tbl = mustEnsure(t, NewCatalog(store), spec)
		wantEqual(t, "version", tbl.Version(), 2)
	}
}

func TestEnsureAtOnce(t *testing.T) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			store := s.open(t)
			errs := make(chan error, 8)
			for range 8 {
				go func() {
					_, err := NewCatalog(store).Ensure(context.Background(), payment())
					errs <- err
				}()
			}
			for range 8 {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
			tbl, err := NewCatalog(store).Load(context.Background(), "public/payment")
			if err != nil || tbl.Version() != 1 {
				t.Errorf("version %d, %v; want 1", tbl.Version(), err)
			}
		})
	}
}

// The requests of one commit and of one load, so that they do not creep up.
func TestRequests(t *testing.T) {
	store := faultstore.Wrap(fileStore(t))
	c := NewCatalog(store)
	tbl := mustEnsure(t, c, payment())
	tbl = mustCommit(t, c, tbl, monthCommit(t, tbl, "run-1", 2024, 1, 1))
	store.Reset()
	mustCommit(t, c, tbl, monthCommit(t, tbl, "run-2", 2024, 2, 1))
	wantEqual(t, "requests of a commit", store.Count(faultstore.Any), 8)
	if _, err := c.Load(context.Background(), tbl.Key()); err != nil {
		t.Fatal(err)
	}
	store.Reset()
	if _, err := c.Load(context.Background(), tbl.Key()); err != nil {
		t.Fatal(err)
	}
	asked := store.Calls() // at once
	slices.SortFunc(asked, func(a, b faultstore.Call) int { return cmp.Compare(a.Key, b.Key) })
	wantEqual(t, "requests of loading the same version", asked, []faultstore.Call{
		{Op: faultstore.Stat, Key: versionKey(tbl.Key(), 3)}, {Op: faultstore.Stat, Key: versionKey(tbl.Key(), 4)}})

	// Another process commits: seen by the very next load, which reads the new version and nothing else.
	other := NewCatalog(store)
	mustCommit(t, other, tbl, monthCommit(t, tbl, "run-3", 2024, 3, 1))
	store.Reset()
	next, err := c.Load(context.Background(), tbl.Key())
	if err != nil || next.Version() != 4 || len(next.Partitions()) != 3 {
		t.Fatalf("version %d with %d partitions, %v; want 4 with 3", next.Version(), len(next.Partitions()), err)
	}
	wantEqual(t, "reads after a commit of another process", store.Count(faultstore.Get), 1)
	wantEqual(t, "questions after it", store.Count(faultstore.Stat), 3)
}

// Many that load and plan a new version at once read it once.
func TestLoadAtOnce(t *testing.T) {
	store := faultstore.Wrap(fileStore(t))
	writer := NewCatalog(store)
	tbl := mustEnsure(t, writer, payment())
	for i := range 5 {
		tbl = mustCommit(t, writer, tbl, monthCommit(t, tbl, fmt.Sprint("run-", i), 2024, 1+i, 2))
	}
	store.Reset()
	store.Add(faultstore.Rule{Op: faultstore.Get, Kind: faultstore.Slow, Delay: 20 * time.Millisecond})
	c := NewCatalog(store)
	var all errgroup.Group
	for range 32 {
		all.Go(func() error {
			got, err := c.Load(t.Context(), tbl.Key())
			if err != nil {
				return err
			}
			plan, err := c.Plan(t.Context(), got, 0)
			if err == nil && len(plan) != 5 {
				err = fmt.Errorf("%d partitions are planned, want 5", len(plan))
			}
			return err
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	read := map[string]int{}
	for _, call := range store.Calls() {
		if call.Op == faultstore.Get && call.Key != hintKey(tbl.Key()) {
			read[call.Key]++
		}
	}
	if len(read) != 1+1+5 { // the version, the manifest list, the manifests
		t.Errorf("%d objects were read, want 7: %v", len(read), read)
	}
	for key, n := range read {
		if n != 1 {
			t.Errorf("%s was read %d times", key, n)
		}
	}
}

// Whoever waits for another's load ends with his own context, and goes on when the other's has ended.
func TestLoadEndsWithItsContext(t *testing.T) {
	store := faultstore.Wrap(fileStore(t))
	tbl := mustEnsure(t, NewCatalog(store), payment())
	blocked := make(chan struct{})
	store.Reset()
	store.Add(faultstore.Rule{Op: faultstore.Get, Match: faultstore.Suffix(".json"), Nth: 1, Kind: faultstore.Slow, Delay: time.Hour, Do: func(string) { close(blocked) }})
	c := NewCatalog(store)
	first, stop := context.WithCancel(t.Context())
	firstErr := make(chan error)
	go func() { _, err := c.Load(first, tbl.Key()); firstErr <- err }()
	<-blocked
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Load(short, tbl.Key()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a load that waits for another: %v, want its own deadline", err)
	}
	second := make(chan error)
	go func() { _, err := c.Load(t.Context(), tbl.Key()); second <- err }()
	time.Sleep(10 * time.Millisecond)
	stop()
	if err := <-firstErr; !errors.Is(err, context.Canceled) {
		t.Errorf("the load that was cancelled: %v", err)
	}
	if err := <-second; err != nil {
		t.Errorf("the load that waited for it: %v", err)
	}
	if n := len(c.turns.m); n != 0 {
		t.Errorf("%d turns are left over", n)
	}
}
