package faultstore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"frostline/objstore"
	"frostline/objstore/faultstore"
)

func newStore(t *testing.T, rules ...faultstore.Rule) (below objstore.Store, s *faultstore.Store) {
	t.Helper()
	below, err := objstore.Open(t.Context(), "file://"+t.TempDir(), objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a/1", "a/2", "b/3"} {
		if err := below.Create(t.Context(), key, []byte("content of "+key)); err != nil {
			t.Fatal(err)
		}
	}
	return below, faultstore.Wrap(below, rules...)
}

// do calls an operation on a key of its own and returns its error.
var do = map[faultstore.Op]func(ctx context.Context, s objstore.Store) error{
	faultstore.Put: func(ctx context.Context, s objstore.Store) error {
		_, err := s.Put(ctx, "new", bytes.NewReader(make([]byte, 5000)))
		return err
	},
	faultstore.Create: func(ctx context.Context, s objstore.Store) error { return s.Create(ctx, "new", []byte("x")) },
	faultstore.Get: func(ctx context.Context, s objstore.Store) error {
		body, _, err := s.Get(ctx, "a/1")
		if err != nil {
			return err
		}
		defer body.Close()
		got, err := io.ReadAll(body)
		if err != nil && string(got) != "content" {
			return errors.New("want half of the body before the error, not " + string(got))
		}
		return err
	},
	faultstore.ReadRanges: func(ctx context.Context, s objstore.Store) error {
		got, err := s.ReadRanges(ctx, "a/1", []objstore.Range{{Off: 0, Len: 3}})
		if err != nil && got != nil {
			return errors.New("data with an error")
		}
		return err
	},
	faultstore.Stat: func(ctx context.Context, s objstore.Store) error { _, err := s.Stat(ctx, "a/1"); return err },
	faultstore.List: func(ctx context.Context, s objstore.Store) error {
		for _, err := range s.List(ctx, "a/") {
			if err != nil {
				return err
			}
		}
		return nil
	},
	faultstore.Delete: func(ctx context.Context, s objstore.Store) error { return s.Delete(ctx, "a/2", "b/3") },
	faultstore.Probe:  func(ctx context.Context, s objstore.Store) error { return s.Probe(ctx) },
}

func keys(t *testing.T, s objstore.Store) string {
	t.Helper()
	var all []string
	for o, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o.Key)
	}
	return strings.Join(all, " ")
}

func TestKinds(t *testing.T) {
	const before = "a/1 a/2 b/3"
	took := map[faultstore.Op]string{faultstore.Put: "a/1 a/2 b/3 new", faultstore.Create: "a/1 a/2 b/3 new", faultstore.Delete: "a/1"}
	boom := errors.New("boom")
	for op, call := range do {
		for name, kind := range map[string]faultstore.Kind{"fail": faultstore.Fail, "lose": faultstore.Lose, "truncate": faultstore.Truncate} {
			below, s := newStore(t, faultstore.Rule{Op: op, Nth: 1, Kind: kind, Err: boom})
			if err := call(t.Context(), s); !errors.Is(err, boom) {
				t.Errorf("%s %s: %v, want %v", name, op, err, boom)
			}
			want := before
			if kind == faultstore.Lose && took[op] != "" {
				want = took[op]
			}
			if got := keys(t, below); got != want {
				t.Errorf("after %s %s the store has %q, want %q", name, op, got, want)
			}
			if kind == faultstore.Lose && op == faultstore.Create {
				if err := call(t.Context(), s); !errors.Is(err, objstore.ErrExist) {
					t.Errorf("create again after a lost answer: %v, want ErrExist", err)
				}
			} else if err := call(t.Context(), s); err != nil {
				t.Errorf("%s after its fault: %v", op, err)
			}
			if got := s.Count(op); op != faultstore.Delete && got != 2 || op == faultstore.Delete && got != 4 {
				t.Errorf("%d calls of %s counted", got, op)
			}
		}
	}
}

func TestSlow(t *testing.T) {
	for op, call := range do {
		_, s := newStore(t, faultstore.Rule{Op: op, Nth: 1, Kind: faultstore.Slow, Delay: time.Hour},
			faultstore.Rule{Op: op, Kind: faultstore.Slow, Delay: 20 * time.Millisecond})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if err := call(ctx, s); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s that takes an hour: %v, want %v", op, err, context.DeadlineExceeded)
		}
		cancel()
		start := time.Now()
		if err := call(t.Context(), s); err != nil {
			t.Errorf("slow %s: %v", op, err)
		}
		if took := time.Since(start); took < 20*time.Millisecond {
			t.Errorf("slow %s took %v, want at least 20ms", op, took)
		}
	}
}

func TestRules(t *testing.T) {
	_, s := newStore(t,
		faultstore.Rule{Op: faultstore.Stat, Match: faultstore.Prefix("a/"), Nth: 2},
		faultstore.Rule{Op: faultstore.Stat, Match: faultstore.Suffix("/3")},
	)
	stat := func(key string) bool {
		_, err := s.Stat(t.Context(), key)
		return errors.Is(err, faultstore.ErrInjected)
	}
	for i, test := range []struct {
		key    string
		failed bool
	}{{"b/3", true}, {"a/1", false}, {"b/3", true}, {"a/2", true}, {"a/2", false}} {
		if got := stat(test.key); got != test.failed {
			t.Errorf("call %d, of %s: failed is %v, want %v", i+1, test.key, got, test.failed)
		}
	}
	want := []faultstore.Call{{faultstore.Stat, "b/3"}, {faultstore.Stat, "a/1"}, {faultstore.Stat, "b/3"}, {faultstore.Stat, "a/2"}, {faultstore.Stat, "a/2"}}
	if got := s.Calls(); !slices.Equal(got, want) {
		t.Errorf("calls are %v, want %v", got, want)
	}
	s.Reset()
	if stat("b/3") || s.Count(faultstore.Any) != 1 {
		t.Errorf("after Reset: %d calls, want one without a fault", s.Count(faultstore.Any))
	}
	// Another writer steps in between: its object is there when ours is created.
	below, s := newStore(t)
	s.Add(faultstore.Rule{Op: faultstore.Create, Kind: faultstore.Slow, Do: func(key string) {
		if err := below.Create(t.Context(), key, []byte("theirs")); err != nil {
			t.Error(err)
		}
	}})
	if err := s.Create(t.Context(), "commit", []byte("ours")); !errors.Is(err, objstore.ErrExist) {
		t.Errorf("Create after another writer's: %v, want ErrExist", err)
	}
}

func TestTruncatedPutIsInvisible(t *testing.T) {
	below, s := newStore(t, faultstore.Rule{Op: faultstore.Put, Kind: faultstore.Truncate})
	_, err := s.Put(t.Context(), "a/1", strings.NewReader("other content"))
	if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, faultstore.ErrInjected) {
		t.Errorf("truncated Put: %v, want io.ErrUnexpectedEOF and ErrInjected", err)
	}
	got, err := below.ReadRanges(t.Context(), "a/1", []objstore.Range{{Off: 0, Len: 14}})
	if err != nil || string(got[0]) != "content of a/1" {
		t.Errorf("after it the object is %q, %v", got, err)
	}
}
