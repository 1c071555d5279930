// Package faultstore wraps a Store with faults that a test chooses, and counts the calls.
//
//	s := faultstore.Wrap(store,
//		faultstore.Rule{Op: faultstore.Create, Match: faultstore.Suffix(".metadata.json"), Nth: 1, Kind: faultstore.Lose},
//	)
//
// The first rule that fits a call is applied, no other. Without rules it is the store that it wraps. All
// methods may be called at once.
package faultstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"frostline/objstore"
)

// Op is an operation of a Store.
type Op string

// The operations. Any is every one of them.
const (
	Any        Op = ""
	Put        Op = "put"
	Create     Op = "create"
	Get        Op = "get"
	ReadRanges Op = "read"
	Stat       Op = "stat"
	List       Op = "list"
	Delete     Op = "delete"
	Probe      Op = "probe"
)

// Kind is what happens to a call.
type Kind int

const (
	// Fail returns the error; the store is not called and nothing is read of a Put's data.
	Fail Kind = iota
	// Lose does the work and then returns the error: an answer that was lost.
	Lose
	// Slow waits for Delay, or the end of the context, and does the work.
	Slow
	// Truncate breaks the transfer in the middle: the body of a Get ends in the error after half its bytes, a
	// List after half its objects, the data of a Put after its first bytes (the store below sees that error), and
	// ReadRanges reads and returns nothing but the error. It is Fail for the rest.
	Truncate
)

// ErrInjected is the error of a rule that names none. That of Truncate is io.ErrUnexpectedEOF with it.
var ErrInjected = errors.New("injected fault")

// Rule is one fault.
type Rule struct {
	Op    Op                    // Any: every operation
	Match func(key string) bool // nil: every key; the prefix for List, any of the keys for Delete, "" for Probe
	Nth   int                   // the call among those that fit, from 1; 0: all of them
	Kind  Kind
	Err   error            // nil: ErrInjected
	Delay time.Duration    // of Slow
	Do    func(key string) // called when the rule is applied, before anything else; may use the store below
}

// Suffix matches keys that end so.
func Suffix(suffix string) func(string) bool {
	return func(key string) bool { return strings.HasSuffix(key, suffix) }
}

// Prefix matches keys that begin so.
func Prefix(prefix string) func(string) bool {
	return func(key string) bool { return strings.HasPrefix(key, prefix) }
}

// Call is one call that was made. Keys of a Delete are one call each.
type Call struct {
	Op  Op
	Key string
}

// Store is an objstore.Store with faults.
type Store struct {
	below objstore.Store

	mu    sync.Mutex
	rules []*rule
	calls []Call
}

type rule struct {
	Rule
	seen int // calls that fit
}

var _ objstore.Store = (*Store)(nil)

// Wrap returns s with the faults of rules.
func Wrap(s objstore.Store, rules ...Rule) *Store {
	w := &Store{below: s}
	w.Add(rules...)
	return w
}

// Add adds rules after those that are there.
func (s *Store) Add(rules ...Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rules {
		s.rules = append(s.rules, &rule{Rule: r})
	}
}

// Reset removes all rules and forgets the calls.
func (s *Store) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules, s.calls = nil, nil
}

// Count is the number of calls of op so far, those that failed included; Any counts all.
func (s *Store) Count(op Op) int {
	n := 0
	for _, c := range s.Calls() {
		if op == Any || c.Op == op {
			n++
		}
	}
	return n
}

// Calls are the calls so far, in order.
func (s *Store) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// fault notes a call and returns the rule to apply, of kind Slow with no delay where none fits.
func (s *Store) fault(ctx context.Context, op Op, keys ...string) (Rule, error) {
	r := s.pick(op, keys)
	if r.Do != nil {
		r.Do(keys[0])
	}
	if r.Err == nil {
		r.Err = ErrInjected
		if r.Kind == Truncate {
			r.Err = errors.Join(io.ErrUnexpectedEOF, ErrInjected)
		}
	}
	r.Err = fmt.Errorf("%s %s: %w", op, objstore.Location(s.below, keys[0]), r.Err)
	if r.Kind == Slow && r.Delay > 0 {
		select {
		case <-time.After(r.Delay):
		case <-ctx.Done():
			return r, fmt.Errorf("%s %s: %w", op, objstore.Location(s.below, keys[0]), ctx.Err())
		}
	}
	if r.Kind == Fail || r.Kind == Truncate && (op == Create || op == Stat || op == Delete || op == Probe) {
		return r, r.Err
	}
	return r, nil
}

func (s *Store) pick(op Op, keys []string) Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		s.calls = append(s.calls, Call{op, key})
	}
	var found *rule
	for _, r := range s.rules {
		if r.Op != Any && r.Op != op || r.Match != nil && !slices.ContainsFunc(keys, r.Match) {
			continue
		}
		r.seen++
		if found == nil && (r.Nth == 0 || r.Nth == r.seen) {
			found = r
		}
	}
	if found == nil {
		return Rule{Kind: Slow}
	}
	return found.Rule
}

// lost returns the error of r where its answer is to be lost, and err otherwise.
func (r Rule) lost(err error) error {
	if err == nil && r.Kind == Lose {
		return r.Err
	}
	return err
}

func (s *Store) Root() string { return s.below.Root() }

func (s *Store) Put(ctx context.Context, key string, data io.Reader) (objstore.Object, error) {
	r, err := s.fault(ctx, Put, key)
	if err != nil {
		return objstore.Object{}, err
	}
	if r.Kind == Truncate {
		data = io.MultiReader(io.LimitReader(data, 1<<10), errorReader{r.Err})
	}
	object, err := s.below.Put(ctx, key, data)
	if err := r.lost(err); err != nil {
		return objstore.Object{}, err
	}
	return object, nil
}

// errorReader has no data but its error.
type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }

func (s *Store) Create(ctx context.Context, key string, data []byte) error {
	r, err := s.fault(ctx, Create, key)
	if err != nil {
		return err
	}
	return r.lost(s.below.Create(ctx, key, data))
}

func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, objstore.Object, error) {
	r, err := s.fault(ctx, Get, key)
	if err != nil {
		return nil, objstore.Object{}, err
	}
	body, object, err := s.below.Get(ctx, key)
	if err != nil {
		return nil, objstore.Object{}, err
	}
	switch r.Kind {
	case Lose:
		body.Close()
		return nil, objstore.Object{}, r.Err
	case Truncate:
		half := io.MultiReader(io.LimitReader(body, object.Size/2), errorReader{r.Err})
		return struct {
			io.Reader
			io.Closer
		}{half, body}, object, nil
	}
	return body, object, nil
}

func (s *Store) ReadRanges(ctx context.Context, key string, ranges []objstore.Range) ([][]byte, error) {
	r, err := s.fault(ctx, ReadRanges, key)
	if err != nil {
		return nil, err
	}
	got, err := s.below.ReadRanges(ctx, key, ranges)
	if err == nil && r.Kind == Truncate {
		err = r.Err
	}
	if err := r.lost(err); err != nil {
		return nil, err
	}
	return got, nil
}

func (s *Store) Stat(ctx context.Context, key string) (objstore.Object, error) {
	r, err := s.fault(ctx, Stat, key)
	if err != nil {
		return objstore.Object{}, err
	}
	object, err := s.below.Stat(ctx, key)
	if err := r.lost(err); err != nil {
		return objstore.Object{}, err
	}
	return object, nil
}

func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Object, error] {
	return func(yield func(objstore.Object, error) bool) {
		r, err := s.fault(ctx, List, prefix)
		if err != nil {
			yield(objstore.Object{}, err)
			return
		}
		if r.Kind == Slow {
			s.below.List(ctx, prefix)(yield)
			return
		}
		var all []objstore.Object
		for object, err := range s.below.List(ctx, prefix) {
			if err != nil {
				yield(objstore.Object{}, err)
				return
			}
			all = append(all, object)
		}
		if r.Kind == Truncate {
			all = all[:len(all)/2]
		}
		for _, object := range all {
			if !yield(object, nil) {
				return
			}
		}
		yield(objstore.Object{}, r.Err)
	}
}

func (s *Store) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return s.below.Delete(ctx)
	}
	r, err := s.fault(ctx, Delete, keys...)
	if err != nil {
		return err
	}
	return r.lost(s.below.Delete(ctx, keys...))
}

func (s *Store) Probe(ctx context.Context) error {
	r, err := s.fault(ctx, Probe, "")
	if err != nil {
		return err
	}
	return r.lost(s.below.Probe(ctx))
}
