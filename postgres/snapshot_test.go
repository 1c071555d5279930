package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSnapshot(t *testing.T) {
	db, pg := start(t, `CREATE TABLE t (id int, pad text); INSERT INTO t SELECT i, repeat('x', 300) FROM generate_series(1, 5000) i`)
	s, err := db.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.Parallel || s.Message != "" || !strings.Contains(s.LSN, "/") || time.Since(s.Time) > time.Minute {
		t.Errorf("snapshot %+v", s)
	}
	oid := table(t, db, "public", "t").OID
	ranges, err := s.CtidRanges(t.Context(), oid, 4)
	want := 4
	if db.Version() < 140000 { // no TID range scan
		want = 1
	}
	if err != nil || len(ranges) != want {
		t.Fatalf("ranges %q, %v", ranges, err)
	}
	pg.Exec(t, `DELETE FROM t WHERE id % 2 = 0; INSERT INTO t SELECT i, repeat('y', 300) FROM generate_series(6001, 9000) i`) // later, so not seen

	seen := map[uint32]int{}
	var rows int64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, where := range ranges {
		wg.Go(func() {
			var b bytes.Buffer
			n, err := s.CopyOut(t.Context(), "SELECT id FROM public.t WHERE "+where, &b)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			rows += n
			if n == 0 {
				t.Errorf("range %s is empty", where)
			}
			for p := b.Bytes()[19:]; binary.BigEndian.Uint16(p) == 1; p = p[10:] {
				seen[binary.BigEndian.Uint32(p[6:])]++
			}
		})
	}
	wg.Wait()
	if rows != 5000 || len(seen) != 5000 {
		t.Errorf("%d rows, %d different ones, want 5000", rows, len(seen))
	}
	if n, err := db.CopyOut(t.Context(), "SELECT id FROM public.t", io.Discard); n != 5500 || err != nil {
		t.Errorf("outside of the snapshot %d rows, %v; want 5500", n, err)
	}
}

func TestSnapshotOneConnection(t *testing.T) {
	db, pg := start(t, `CREATE TABLE t AS SELECT generate_series(1, 100) AS id`)
	s, err := db.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Parallel = false // as where the export does not work
	pg.Exec(t, "DELETE FROM t")
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			if n, err := s.CopyOut(t.Context(), fmt.Sprintf("SELECT id FROM public.t WHERE id %% 3 = %d", i), io.Discard); err != nil || n < 33 {
				t.Errorf("%d rows, %v", n, err)
			}
		})
	}
	wg.Wait()
	s.Close()
	if _, err := s.CopyOut(t.Context(), "SELECT 1", io.Discard); err == nil {
		t.Error("a closed snapshot copies")
	}
}

type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestCopyOutErrors(t *testing.T) {
	db, _ := start(t, `CREATE TABLE t AS SELECT generate_series(1, 100) AS id`)
	s, err := db.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n, err := s.CopyOut(t.Context(), "SELECT id FROM public.t ORDER BY id", &failing{left: 7}); n != 7 || err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("%d rows, %v; want 7 and the writer's error", n, err)
	}
	if n, err := s.CopyOut(t.Context(), "SELECT 1 / (50 - id) FROM (SELECT id FROM public.t ORDER BY id OFFSET 0) x", io.Discard); n != 49 || !errors.Is(err, ErrBadValue) {
		t.Errorf("%d rows, %v; want 49 and division by zero", n, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.CopyOut(ctx, "SELECT pg_sleep(60)", io.Discard); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline", err)
	}
	if n, err := s.CopyOut(t.Context(), "SELECT id FROM public.t", io.Discard); n != 100 || err != nil {
		t.Errorf("afterwards %d rows, %v", n, err)
	}
}

func TestCutBlocks(t *testing.T) {
	tests := []struct {
		blocks, n int64
		want      []string
	}{
		{0, 4, []string{"true"}},
		{1, 4, []string{"true"}},
		{2, 4, []string{"ctid < '(1,0)'::tid", "ctid >= '(1,0)'::tid"}},
		{10, 3, []string{"ctid < '(3,0)'::tid", "ctid >= '(3,0)'::tid AND ctid < '(6,0)'::tid", "ctid >= '(6,0)'::tid"}},
		{1 << 32, 2, []string{"ctid < '(2147483648,0)'::tid", "ctid >= '(2147483648,0)'::tid"}},
	}
	for _, tt := range tests {
		if got := cutBlocks(tt.blocks, tt.n); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("cutBlocks(%d, %d) = %q, want %q", tt.blocks, tt.n, got, tt.want)
		}
	}
}

func TestCtidRangesOfOthers(t *testing.T) {
	db, _ := start(t, `CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE VIEW v AS SELECT 1 AS id`)
	s, err := db.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := s.CtidRanges(t.Context(), table(t, db, "public", "p").OID, 8); err != nil || !reflect.DeepEqual(got, []string{"true"}) {
		t.Errorf("a partitioned table: %q, %v", got, err)
	}
}

func TestCopyIn(t *testing.T) {
	db, pg := start(t, `CREATE TABLE "odd ""t" (id int CHECK (id < 100), "a b" text); CREATE TABLE checkpoint (n int)`)
	odd := Name{"public", `odd "t`}
	n, err := db.CopyIn(t.Context(), odd, `"a b", id`, "text", strings.NewReader("x\t1\n\\N\t2\n"), "INSERT INTO public.checkpoint VALUES (1)")
	if err != nil || n != 2 {
		t.Fatal(n, err)
	}
	bad := []struct{ name, data, after string }{
		{"a row that the table rejects", "x\t3\ny\t100\n", "INSERT INTO public.checkpoint VALUES (2)"},
		{"after fails", "x\t3\n", "INSERT INTO public.checkpoint VALUES (1/0)"},
		{"malformed", "x\n", ""},
	}
	for _, tt := range bad {
		if _, err := db.CopyIn(t.Context(), odd, `"a b", id`, "text", strings.NewReader(tt.data), tt.after); err == nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
	broken := io.MultiReader(strings.NewReader("x\t4\n"), readError{})
	if _, err := db.CopyIn(t.Context(), odd, `"a b", id`, "text", broken, ""); err == nil || !strings.Contains(err.Error(), "object store is gone") {
		t.Errorf("reader's error: %v", err)
	}
	if got := pg.Query(t, `SELECT (SELECT count(*) FROM "odd ""t"), (SELECT count(*) FROM checkpoint)`); !reflect.DeepEqual(got, [][]string{{"2", "1"}}) {
		t.Errorf("rows and checkpoints %q, want 2 and 1", got)
	}
}

type readError struct{}

func (readError) Read([]byte) (int, error) { return 0, errors.New("object store is gone") }
