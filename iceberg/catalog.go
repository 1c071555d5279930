package iceberg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"frostline/objstore"
)

// Catalog is the path catalog over one warehouse.
type Catalog struct {
	store objstore.Store

	mu     sync.Mutex
	loaded map[string]*Table // the version last loaded, by table key

	plans planCache
	turns turns // at loading a version and at making a plan
}

// NewCatalog is the catalog of the warehouse s.
func NewCatalog(s objstore.Store) *Catalog {
	return &Catalog{store: s, loaded: map[string]*Table{}, plans: newPlanCache()}
}

const (
	hintName      = "version-hint.text"
	metadataExt   = ".metadata.json"
	probeLimit    = 16 // versions above the hint that are probed one by one before metadata/ is listed
	publishTries  = 5  // puts of one version, and reads back of one, before giving up
	settleTimeout = 20 * time.Second
	raceLimit     = 200 // commits of others that one commit may lose to
)

// errLostRace means that another writer has made the version; nothing of ours is visible.
var errLostRace = errors.New("another writer made this version first")

func hintKey(key string) string { return key + "/metadata/" + hintName }

func versionKey(key string, n int) string {
	return key + "/metadata/v" + strconv.Itoa(n) + metadataExt
}

// Load loads the newest version of the table at key, or ErrNoTable. The version loaded last is kept: that it is still the
// newest is asked of the store every time, by a Stat of the version above it, which must not exist, and one of itself, which
// must be the same object. So a commit is seen at once, and a warm load reads nothing.
func (c *Catalog) Load(ctx context.Context, key string) (*Table, error) {
	t, newer, err := c.unchanged(ctx, key)
	if newer > 0 {
		if t, err = c.loadFrom(ctx, key, newer); errors.Is(err, objstore.ErrNotExist) { // removed just now
			t, err = nil, nil
		}
	}
	if t != nil || err != nil {
		return t, err
	}
	n, err := c.hint(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("load table %s: %w", key, err)
	}
	if n > 0 {
		t, err := c.loadFrom(ctx, key, n)
		if err == nil || !errors.Is(err, objstore.ErrNotExist) {
			return t, err
		}
	}
	// The hint is missing or wrong.
	if n, err = c.listVersions(ctx, key); err != nil {
		return nil, fmt.Errorf("load table %s: %w", key, err)
	}
	if n == 0 {
		return nil, fmt.Errorf("load table %s: %w", key, ErrNoTable)
	}
	return c.loadFrom(ctx, key, n)
}

// seen is the version of the table that was loaded last, nil for none.
func (c *Catalog) seen(key string) *Table {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loaded[key]
}

// unchanged is the version loaded last when it is still the newest; else newer is a version above it that is there, 0 when
// nothing is known any more.
func (c *Catalog) unchanged(ctx context.Context, key string) (t *Table, newer int, err error) {
	seen := c.seen(key)
	if seen == nil {
		return nil, 0, nil
	}
	var same bool
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		same, err = c.isSame(gctx, seen)
		return err
	})
	_, above := c.store.Stat(ctx, versionKey(key, seen.version+1))
	err = g.Wait()
	if above != nil && !errors.Is(above, objstore.ErrNotExist) {
		err = above
	}
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("load table %s: %w", key, err)
	case !same:
		return nil, 0, nil
	case above == nil:
		return nil, seen.version + 1, nil
	}
	return seen, 0, nil
}

// isSame reports whether the metadata file of t is the object that it was.
func (c *Catalog) isSame(ctx context.Context, t *Table) (bool, error) {
	o, err := c.store.Stat(ctx, versionKey(t.key, t.version))
	if errors.Is(err, objstore.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return o.Size == t.object.Size && o.ETag == t.object.ETag && o.Modified.Equal(t.object.Modified), nil
}

// loadFrom loads the newest version that is n or above; ErrNotExist when n is not there.
func (c *Catalog) loadFrom(ctx context.Context, key string, n int) (*Table, error) {
	for first := n; ; n++ {
		_, err := c.store.Stat(ctx, versionKey(key, n+1))
		if errors.Is(err, objstore.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("load table %s: %w", key, err)
		}
		if n-first >= probeLimit {
			m, err := c.listVersions(ctx, key)
			if err != nil {
				return nil, fmt.Errorf("load table %s: %w", key, err)
			}
			n, first = max(n, m-1), max(n, m-1)
		}
	}
	done, err := c.turns.take(ctx, versionKey(key, n)) // who comes second finds the table that the first has read
	if err != nil {
		return nil, fmt.Errorf("load table %s: %w", key, err)
	}
	defer done()
	if seen := c.seen(key); seen != nil && seen.version == n {
		same, err := c.isSame(ctx, seen)
		if err != nil {
			return nil, fmt.Errorf("load table %s: %w", key, err)
		}
		if same {
			return seen, nil
		}
	}
	data, o, err := readObject(ctx, c.store, versionKey(key, n))
	if err != nil {
		return nil, fmt.Errorf("load table %s: %w", key, err)
	}
	t, err := openTable(c.store, key, n, data)
	if err != nil {
		return nil, fmt.Errorf("load table %s: %w", key, err)
	}
	t.object = o
	c.mu.Lock()
	c.loaded[key] = t
	c.mu.Unlock()
	return t, nil
}

// hint is the number in version-hint.text, 0 when it is missing or not a number.
func (c *Catalog) hint(ctx context.Context, key string) (int, error) {
	data, _, err := readObject(ctx, c.store, hintKey(key))
	if errors.Is(err, objstore.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && n >= 1 {
		return n, nil
	}
	return 0, nil // a hint that is none
}

// writeHint is best effort: a wrong hint costs requests, never correctness. What was loaded of the table is older now.
func (c *Catalog) writeHint(ctx context.Context, key string, n int) {
	c.mu.Lock()
	delete(c.loaded, key)
	c.mu.Unlock()
	_, _ = c.store.Put(ctx, hintKey(key), strings.NewReader(strconv.Itoa(n)))
}

// listVersions is the newest version in a listing of metadata/, 0 for none.
func (c *Catalog) listVersions(ctx context.Context, key string) (int, error) {
	newest := 0
	prefix := key + "/metadata/v"
	for o, err := range c.store.List(ctx, prefix) {
		if err != nil {
			return 0, err
		}
		newest = max(newest, versionOf(strings.TrimPrefix(o.Key, key+"/metadata/")))
	}
	return newest, nil
}

// versionOf is N of "vN.metadata.json", 0 for any other name.
func versionOf(name string) int {
	digits, ok := strings.CutSuffix(name, metadataExt)
	if !ok || !strings.HasPrefix(digits, "v") {
		return 0
	}
	n, err := strconv.Atoi(digits[1:])
	if err != nil || n < 1 || strconv.Itoa(n) != digits[1:] {
		return 0
	}
	return n
}

// Tables are the keys of the warehouse's tables in byte order: the folders two levels down that hold
// metadata versions. It lists the whole warehouse, data files included.
func (c *Catalog) Tables(ctx context.Context) ([]string, error) {
	var keys []string
	for o, err := range c.store.List(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("list tables of %s: %w", c.store.Root(), err)
		}
		parts := strings.Split(o.Key, "/")
		if len(parts) != 4 || parts[2] != "metadata" || (parts[3] != hintName && versionOf(parts[3]) == 0) {
			continue
		}
		if key := parts[0] + "/" + parts[1]; len(keys) == 0 || keys[len(keys)-1] != key {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// publish makes version n of the table. It returns nil when the version is ours, errLostRace when another
// writer has made it, ErrUnknownOutcome when the put's answer was lost and the version cannot be read, and any other
// error when nothing was made. The version is immutable once made, so reading it back and comparing settles a lost
// answer; retries put the same bytes.
func (c *Catalog) publish(ctx context.Context, key string, n int, data []byte) error {
	vkey := versionKey(key, n)
	var last error
	for try := range publishTries {
		if err := ctx.Err(); err != nil && last == nil {
			return err
		}
		err := c.store.Create(ctx, vkey, data)
		if err == nil {
			return nil
		}
		last = err
		got, rerr := c.readBack(ctx, vkey)
		switch {
		case rerr == nil && bytes.Equal(got, data):
			return nil
		case rerr == nil:
			return errLostRace
		case !errors.Is(rerr, objstore.ErrNotExist):
			return fmt.Errorf("commit version %d of %s: %w: %w; reading it back: %w; run once more to settle it",
				n, key, ErrUnknownOutcome, err, rerr)
		case ctx.Err() != nil:
			// The put was cut off and may still arrive.
			return fmt.Errorf("commit version %d of %s: %w: %w; run once more to settle it", n, key, ErrUnknownOutcome, err)
		case errors.Is(err, objstore.ErrNoConditional):
			return err
		}
		pause(ctx, try, 0)
	}
	return fmt.Errorf("commit version %d of %s: nothing was committed: %w", n, key, last)
}

// readBack reads a version after a failed put. It outlives the caller's context for a while, since what it
// settles is whether the commit happened.
func (c *Catalog) readBack(ctx context.Context, vkey string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	var err error
	for try := range publishTries {
		var data []byte
		data, _, err = readObject(ctx, c.store, vkey)
		if err == nil || errors.Is(err, objstore.ErrNotExist) {
			return data, err
		}
		pause(ctx, try, 0)
	}
	return nil, err
}

// pause waits with jitter, longer with each try: after the first try, twice as long as unit on average.
func pause(ctx context.Context, try int, unit time.Duration) {
	ceiling := min(max(unit, 10*time.Millisecond)<<min(try+1, 8), 5*time.Second)
	wait := time.NewTimer(ceiling/2 + rand.N(ceiling))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
}
