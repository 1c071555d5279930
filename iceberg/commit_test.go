package iceberg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	icego "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"frostline/objstore"
)

func TestCommitAndPlan(t *testing.T) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			store := s.open(t)
			c := NewCatalog(store)
			tbl := mustEnsure(t, c, payment())
			if got := mustPlan(t, c, tbl, 0); got != nil {
				t.Errorf("plan of a table without snapshots: %v", got)
			}
			var snapshots []int64
			for month := 1; month <= 3; month++ {
				tbl = mustCommit(t, c, tbl, monthCommit(t, tbl, fmt.Sprintf("run-%d", month), 2024, month, month))
				snapshots = append(snapshots, tbl.SnapshotID())
			}
			wantEqual(t, "version", tbl.Version(), 4)
			plan := mustPlan(t, c, tbl, 0)
			wantEqual(t, "plan", planned(plan), []string{"at=2024-01: 1", "at=2024-02: 2", "at=2024-03: 3"})
			wantEqual(t, "plan of the second snapshot", planned(mustPlan(t, c, tbl, snapshots[1])), []string{"at=2024-01: 1", "at=2024-02: 2"})
			if _, err := c.Plan(context.Background(), tbl, 42); !errors.Is(err, ErrNoSnapshot) {
				t.Errorf("plan of a snapshot that is not there: %v", err)
			}

			id := map[string]int{}
			for _, col := range tbl.Schema().Columns {
				id[col.Name] = col.FieldID
			}
			f := plan[1].Files[1]
			if !strings.HasSuffix(f.Location, "/public/payment/at=2024-02/data/run-2-0001.parquet") || f.Rows != 10 || f.Bytes != 4097 {
				t.Errorf("second file of February: %+v", f)
			}
			stats := fileBounds(tbl, f)
			b := stats[id["id"]]
			if b.Min.I != 2010 || b.Max.I != 2019 || b.Nulls != 0 || b.Rows != 10 || b.Exact != 0 || b.NaNs != 0 {
				t.Errorf("bounds of id: %+v", b)
			}
			b = stats[id["amount"]]
			if b.Min.Big.Int64() != -201000 || b.Max.Big.Int64() != 201000 || b.Min.Scale != 2 {
				t.Errorf("bounds of amount: %+v", b)
			}
			if b = stats[id["note"]]; b.Min != nil || b.Max != nil || b.Nulls != 3 {
				t.Errorf("bounds of note: %+v", b)
			}
			if _, ok := stats[id["rate"]]; ok {
				t.Error("a column without statistics has bounds")
			}
			implied := plan[1].Bounds[id["at"]]
			wantEqual(t, "first instant of the partition", *implied.Min, instant("2024-02-01T00:00:00Z"))
			wantEqual(t, "last instant of the partition", *implied.Max, instant("2024-02-29T23:59:59.999999Z"))
			if implied.Nulls != 0 || implied.Rows != 20 {
				t.Errorf("bounds of the partition: %+v", implied)
			}

			o := oracle(t, store, tbl)
			wantEqual(t, "files that iceberg-go plans", oracleFiles(t, o), planFiles(plan))
			// iceberg-go prunes by our partition values and by our bounds.
			at, err := icego.NewLiteral(icego.Timestamp(time.Date(2024, 2, 10, 0, 0, 0, 0, time.UTC).UnixMicro())).To(icego.PrimitiveTypes.TimestampTz)
			if err != nil {
				t.Fatal(err)
			}
			month := icego.LiteralPredicate(icego.OpLT, icego.Reference("at"), at)
			wantEqual(t, "files before 10 February", len(oracleFiles(t, o, table.WithRowFilter(month))), 3)
			wantEqual(t, "files with id 3025", oracleFiles(t, o, table.WithRowFilter(icego.EqualTo(icego.Reference("id"), int64(3025)))),
				[]string{plan[2].Files[2].Location})

			p, err := tbl.Partition("at=2024-02")
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "the partition as the table says it", p, Partition{Name: "at=2024-02", RunID: "run-2",
				Record: "at=2024-02/schema_snapshot-run-2.json", Rows: 20, Files: 2, Bytes: 4096 + 4097, Digest: "d-run-2",
				Leaf: "public.payment_2024-02", Bounds: "FOR VALUES FROM ('2024-02-01')", SnapshotID: snapshots[1],
				ArchivedAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)})
			if _, err := tbl.Partition("at=2024-09"); !errors.Is(err, ErrNoPartition) {
				t.Errorf("a partition that is not there: %v", err)
			}
			_, fresh := c, NewCatalog(store)
			again, err := fresh.Load(context.Background(), tbl.Key())
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "partitions of the table loaded anew", again.Partitions(), tbl.Partitions())
			wantEqual(t, "its plan", planFiles(mustPlan(t, fresh, again, 0)), planFiles(plan))
		})
	}
}

func TestSnapshotSummary(t *testing.T) {
	c := NewCatalog(fileStore(t))
	tbl := mustEnsure(t, c, payment())
	m := monthCommit(t, tbl, "run-1", 2024, 1, 2)
	m.Summary = map[string]string{"team": "billing", "added-records": "999", "operation": "delete", "frostline.run-id": "forged"}
	tbl = mustCommit(t, c, tbl, m)
	s := tbl.meta.CurrentSnapshot()
	wantEqual(t, "operation", string(s.Summary.Operation), "append")
	for k, want := range map[string]string{
		"added-records": "20", "added-data-files": "2", "total-records": "20", "team": "billing",
		"frostline.user.added-records": "999", "frostline.user.operation": "delete", "frostline.user.frostline.run-id": "forged",
		"frostline.run-id": "run-1", "frostline.partition": "at=2024-01", "source.partition_value": "2024-01",
		"archive.timestamp": "2026-01-02T03:04:05.000006Z", "archive.total_records": "20",
	} {
		if got := s.Summary.Properties[k]; got != want {
			t.Errorf("summary %s: got %q, want %q", k, got, want)
		}
	}
	manifests, err := s.Manifests(&storeIO{ctx: context.Background(), store: c.store})
	if err != nil || len(manifests) != 1 {
		t.Fatalf("a run of 2 files has %d manifests, want 1 (%v)", len(manifests), err)
	}
}

func TestCommitRefusals(t *testing.T) {
	c := NewCatalog(fileStore(t))
	tbl := mustEnsure(t, c, payment())
	good := func() Commit { return monthCommit(t, tbl, "run-1", 2024, 1, 2) }
	for _, tt := range []struct {
		name   string
		change func(*Commit)
		want   string
	}{
		{"rows do not add up", func(m *Commit) { m.Partition.Rows = 19 }, "the files have 20 rows, the partition 19"},
		{"a file outside the archive path", func(m *Commit) { m.Files[1].Location = tbl.Location() + "/at=2024-02/data/x.parquet" }, "not below"},
		{"a file named twice", func(m *Commit) { m.Files[1].Location = m.Files[0].Location }, "named twice"},
		{"no run id", func(m *Commit) { m.Partition.RunID = "" }, "run id"},
		{"no value in the name", func(m *Commit) { m.Partition.Name = "at" }, "column=value"},
		{"the record cannot be written", func(m *Commit) {
			m.Record = func(context.Context, int64, int) error { return errors.New("disk is full") }
		}, "disk is full"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := good()
			tt.change(&m)
			if _, err := c.Commit(context.Background(), tbl.Key(), m); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			after, err := c.Load(context.Background(), tbl.Key())
			if err != nil || after.Version() != 1 {
				t.Fatalf("version %d, %v; want 1", after.Version(), err)
			}
			wantEqual(t, "objects", keysOf(t, c.store, tbl.Key()), []string{"public/payment/metadata/v1.metadata.json", "public/payment/metadata/version-hint.text"})
		})
	}
	if _, err := c.Commit(context.Background(), "public/nothing", good()); err == nil {
		t.Fatal("a commit to no table succeeded")
	}
	m := good()
	for i := range m.Files {
		m.Files[i].Location = strings.Replace(m.Files[i].Location, "/payment/", "/nothing/", 1)
	}
	if _, err := c.Commit(context.Background(), "public/nothing", m); !errors.Is(err, ErrNoTable) {
		t.Fatalf("a commit to no table: %v", err)
	}
}

func keysOf(t *testing.T, s objstore.Store, prefix string) []string {
	t.Helper()
	var keys []string
	for o, err := range s.List(context.Background(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func TestPartitionTwice(t *testing.T) {
	store := fileStore(t)
	c := NewCatalog(store)
	tbl := mustEnsure(t, c, payment())
	for month := 1; month <= 3; month++ {
		tbl = mustCommit(t, c, tbl, monthCommit(t, tbl, fmt.Sprintf("run-%d", month), 2024, month, 2))
	}
	before := tbl.Version()

	if _, err := c.Commit(context.Background(), tbl.Key(), monthCommit(t, tbl, "run-9", 2024, 2, 1)); !errors.Is(err, ErrPartitionExists) {
		t.Fatalf("the same partition by another run: %v", err)
	}
	same, err := c.Commit(context.Background(), tbl.Key(), monthCommit(t, tbl, "run-2", 2024, 2, 2))
	if err != nil || same.Version() != before {
		t.Fatalf("the same run again: version %d, %v; want a no-op at %d", same.Version(), err, before)
	}

	m := monthCommit(t, tbl, "run-9", 2024, 2, 3)
	m.Replace = true
	old := tbl.SnapshotID()
	tbl = mustCommit(t, c, tbl, m)
	wantEqual(t, "plan after replacing February", planned(mustPlan(t, c, tbl, 0)), []string{"at=2024-01: 2", "at=2024-02: 3", "at=2024-03: 2"})
	for _, f := range mustPlan(t, c, tbl, 0)[1].Files {
		if !strings.Contains(f.Location, "run-9-") {
			t.Errorf("a file of the replaced run is still there: %s", f.Location)
		}
	}
	wantEqual(t, "the snapshot before", planned(mustPlan(t, c, tbl, old)), []string{"at=2024-01: 2", "at=2024-02: 2", "at=2024-03: 2"})
	wantEqual(t, "files that iceberg-go plans", oracleFiles(t, oracle(t, store, tbl)), planFiles(mustPlan(t, c, tbl, 0)))
	s := tbl.meta.CurrentSnapshot().Summary
	wantEqual(t, "summary", []string{string(s.Operation), s.Properties["added-records"], s.Properties["deleted-records"], s.Properties["total-records"]},
		[]string{"overwrite", "30", "20", "70"})

	// The run that was replaced is still known as committed: doing it again does not bring it back.
	if again := mustCommit(t, c, tbl, monthCommit(t, tbl, "run-2", 2024, 2, 2)); again.Version() != tbl.Version() {
		t.Errorf("a replaced run committed again")
	}
}

func TestEmptyPartition(t *testing.T) {
	store := fileStore(t)
	c := NewCatalog(store)
	tbl := mustEnsure(t, c, payment())
	empty := func(run string, month int) Commit {
		m := monthCommit(t, tbl, run, 2024, month, 0)
		return m
	}
	tbl = mustCommit(t, c, tbl, empty("run-1", 1))
	first := tbl.SnapshotID()
	if first == 0 {
		t.Fatal("a partition of no rows has no snapshot")
	}
	p, err := tbl.Partition("at=2024-01")
	if err != nil || p.SnapshotID != first || p.Files != 0 {
		t.Fatalf("the partition of no rows: %+v, %v", p, err)
	}
	tbl = mustCommit(t, c, tbl, monthCommit(t, tbl, "run-2", 2024, 2, 2))
	tbl = mustCommit(t, c, tbl, empty("run-3", 3))
	wantEqual(t, "plan", planned(mustPlan(t, c, tbl, 0)), []string{"at=2024-02: 2"})
	s := tbl.meta.CurrentSnapshot()
	wantEqual(t, "totals", []string{s.Summary.Properties["total-records"], s.Summary.Properties["total-data-files"]}, []string{"20", "2"})
	wantEqual(t, "sequence", s.SequenceNumber, 3)
	m := empty("run-4", 2)
	m.Replace = true
	tbl = mustCommit(t, c, tbl, m)
	wantEqual(t, "plan after replacing by nothing", planned(mustPlan(t, c, tbl, 0)), []string(nil))
	m = monthCommit(t, tbl, "run-5", 2024, 1, 1)
	m.Replace = true
	tbl = mustCommit(t, c, tbl, m)
	wantEqual(t, "plan after replacing nothing", planned(mustPlan(t, c, tbl, 0)), []string{"at=2024-01: 1"})
	wantEqual(t, "files that iceberg-go plans", oracleFiles(t, oracle(t, store, tbl)), planFiles(mustPlan(t, c, tbl, 0)))
	wantEqual(t, "partitions", len(tbl.Partitions()), 3)
}

// Eight writers with catalogs of their own, twenty partitions each, on one table: none is lost, none is doubled.
func TestConcurrentCommits(t *testing.T) {
	const writers, each = 8, 20
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			store := s.open(t)
			tbl := mustEnsure(t, NewCatalog(store), payment())
			start := time.Now()
			var wg sync.WaitGroup
			var tries atomic.Int64
			errs := make(chan error, writers*each)
			for w := range writers {
				wg.Go(func() {
					c := NewCatalog(store)
					for i := range each {
						m := monthCommit(t, tbl, fmt.Sprintf("run-%d-%d", w, i), 2000+w, 1, 1)
						name := PartitionName("at", fmt.Sprintf("%d-%02d", w, i))
						m.Files[0].Location = strings.Replace(m.Files[0].Location, objstore.Segment(m.Partition.Name), objstore.Segment(name), 1)
						m.Partition.Name = name
						m.Record = func(ctx context.Context, snapshot int64, schema int) error {
							tries.Add(1)
							return c.WriteRecord(ctx, tbl.Key(), &Record{RunID: m.Partition.RunID, Partition: name, Rows: 10,
								Digest: m.Partition.Digest, SnapshotID: snapshot, SchemaID: schema})
						}
						if _, err := c.Commit(context.Background(), tbl.Key(), m); err != nil {
							errs <- err
						}
					}
				})
			}
			wg.Wait()
			close(errs)
			for err := range errs {
				t.Error(err)
			}
			t.Logf("%d commits with %d tries in %v", writers*each, tries.Load(), time.Since(start).Round(time.Millisecond))
			c := NewCatalog(store)
			after, err := c.Load(context.Background(), tbl.Key())
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "version", after.Version(), 1+writers*each)
			wantEqual(t, "partitions", len(after.Partitions()), writers*each)
			plan := mustPlan(t, c, after, 0)
			wantEqual(t, "planned partitions", len(plan), writers*each)
			wantEqual(t, "snapshots", len(after.meta.Snapshots()), writers*each)
			for i, p := range after.Partitions() {
				if len(plan[i].Files) != 1 || plan[i].Name != p.Name {
					t.Errorf("partition %s has %d files in the plan", p.Name, len(plan[i].Files))
				}
				r, err := c.ReadRecord(context.Background(), after, p)
				if err != nil {
					t.Error(err)
				} else if r.SnapshotID != p.SnapshotID {
					t.Errorf("partition %s: its record names snapshot %d, the table %d", p.Name, r.SnapshotID, p.SnapshotID)
				}
			}
			manifests := 0
			for _, k := range keysOf(t, store, tbl.Key()+"/metadata/") {
				if strings.HasSuffix(k, "-m0.avro") {
					manifests++
				}
			}
			wantEqual(t, "manifests left in the store (lost races clean up)", manifests, writers*each)
			wantEqual(t, "files that iceberg-go plans", oracleFiles(t, oracle(t, store, after)), planFiles(plan))
		})
	}
}

// Writers of one partition: one wins, the others are told.
func TestOneWinnerPerPartition(t *testing.T) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			store := s.open(t)
			tbl := mustEnsure(t, NewCatalog(store), payment())
			const writers = 6
			errs := make([]error, writers)
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					_, errs[w] = NewCatalog(store).Commit(context.Background(), tbl.Key(), monthCommit(t, tbl, fmt.Sprintf("run-%d", w), 2024, 1, 1))
				})
			}
			wg.Wait()
			won := slices.IndexFunc(errs, func(err error) bool { return err == nil })
			for w, err := range errs {
				if w != won && !errors.Is(err, ErrPartitionExists) {
					t.Errorf("writer %d: %v, want ErrPartitionExists", w, err)
				}
			}
			after, err := NewCatalog(store).Load(context.Background(), tbl.Key())
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "version", after.Version(), 2)
			if p := after.Partitions(); len(p) != 1 || p[0].RunID != fmt.Sprintf("run-%d", won) {
				t.Errorf("partitions %+v, won by %d", p, won)
			}
		})
	}
}

// The metadata files are plain Iceberg v2: the log of earlier versions, the fields that the spec wants.
func TestMetadataJSON(t *testing.T) {
	store := fileStore(t)
	c := NewCatalog(store)
	tbl := mustEnsure(t, c, payment())
	tbl = mustCommit(t, c, tbl, monthCommit(t, tbl, "run-1", 2024, 1, 1))
	tbl = mustCommit(t, c, tbl, monthCommit(t, tbl, "run-2", 2024, 2, 1))
	data, _, err := readObject(context.Background(), store, versionKey(tbl.Key(), 3))
	if err != nil {
		t.Fatal(err)
	}
	var meta struct {
		FormatVersion int    `json:"format-version"`
		Location      string `json:"location"`
		LastSequence  int64  `json:"last-sequence-number"`
		Log           []struct {
			File string `json:"metadata-file"`
		} `json:"metadata-log"`
		Snapshots []struct {
			List string `json:"manifest-list"`
		} `json:"snapshots"`
		Specs []struct {
			Fields []struct {
				Name      string `json:"name"`
				Transform string `json:"transform"`
				SourceID  int    `json:"source-id"`
				FieldID   int    `json:"field-id"`
			} `json:"fields"`
		} `json:"partition-specs"`
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		t.Fatal(err)
	}
	if meta.FormatVersion != 2 || meta.Location != tbl.Location() || meta.LastSequence != 2 || len(meta.Snapshots) != 2 {
		t.Errorf("metadata %+v", meta)
	}
	if len(meta.Log) != 2 || meta.Log[1].File != store.Root()+"/public/payment/metadata/v2.metadata.json" {
		t.Errorf("metadata log %+v", meta.Log)
	}
	wantEqual(t, "partition spec", fmt.Sprint(meta.Specs), "[{[{at_month month 2 1000}]}]")
	for _, s := range meta.Snapshots {
		if !strings.HasPrefix(s.List, tbl.Location()+"/metadata/snap-") {
			t.Errorf("manifest list %s", s.List)
		}
	}
}
