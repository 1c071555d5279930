package load

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"frostline/objstore"
)

// liteTarget is where files go.
type liteTarget struct {
	store    objstore.Store
	table    string
	manifest string // its name
	state    string // of the source and of what is made of it: a rerun with another one is another export
	source   string
	files    []SQLiteFile
}

// liteManifest is <base>.json beside the files.
type liteManifest struct {
	Status    string       `json:"status"` // "writing", then "complete"
	Source    string       `json:"source"`
	State     string       `json:"state"`
	Table     string       `json:"table"`
	Files     []SQLiteFile `json:"files"`
	CreatedAt time.Time    `json:"created_at"`
}

// target names the files. Nothing is written yet.
func (s *SQLite) target(ctx context.Context, req SQLiteRequest, src *liteSource) (*liteTarget, error) {
	to := req.To
	if to == "" {
		return nil, fmt.Errorf("%w: --to is missing: a folder, s3://bucket/prefix or a file.sqlite; nothing was written", ErrBadInput)
	}
	if !strings.Contains(to, "://") {
		abs, err := filepath.Abs(to)
		if err != nil {
			return nil, err
		}
		to = "file://" + filepath.ToSlash(abs)
	}
	to = strings.TrimRight(to, "/")
	t := &liteTarget{table: cmp.Or(req.Table, src.name), source: src.location}
	if err := checkTable(t.table); err != nil {
		return nil, err
	}
	base, ending := src.base, ".sqlite"
	if ext := filepath.Ext(to); slices.Contains([]string{".sqlite", ".sqlite3", ".db"}, ext) {
		i := strings.LastIndexByte(to, '/')
		base, ending = strings.TrimSuffix(to[i+1:], ext), ext
		to = to[:i]
	}
	if base == "" {
		base = "rows"
	}
	if len(base) > 180 { // file names have 255 bytes
		sum := sha256.Sum256([]byte(base))
		base = strings.ToValidUTF8(base[:160], "") + "-" + hex.EncodeToString(sum[:6])
	}
	var err error
	if t.store, err = objstore.Open(ctx, to, objstore.Options{Region: s.Region}); err != nil {
		return nil, fmt.Errorf("%w: %w; nothing was written", ErrBadInput, err)
	}
	t.manifest = base + ".json"
	n := max(1, (src.rows+req.RowsPerFile-1)/req.RowsPerFile)
	for k := range n {
		f := SQLiteFile{File: base + ending, FirstRow: k*req.RowsPerFile + 1, Rows: min(req.RowsPerFile, src.rows-k*req.RowsPerFile)}
		if n > 1 {
			f.File = fmt.Sprintf("%s-%04d-of-%04d%s", base, k+1, n, ending)
		}
		t.files = append(t.files, f)
	}
	text, err := json.Marshal([]any{1, src.location, src.state, src.mapping(), t.table, req.RowsPerFile})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	t.state = hex.EncodeToString(sum[:])
	return t, nil
}

// planned are the files with what is known of them before they are written.
func (t *liteTarget) planned() []SQLiteFile { return slices.Clone(t.files) }

func (t *liteTarget) label() string { return objstore.Location(t.store, t.files[0].File) }

// claim takes the names by creating the manifest, or gives the complete one of the same state. Files of an incomplete one of
// the same state, which a killed run has left or another run is writing, are written again: they are the same.
func (t *liteTarget) claim(ctx context.Context, overwrite bool) (*liteManifest, error) {
	if err := t.store.Probe(ctx); err != nil {
		return nil, err
	}
	mine, err := json.Marshal(t.newManifest("writing", t.files))
	if err != nil {
		return nil, err
	}
	err = t.store.Create(ctx, t.manifest, mine)
	if err == nil {
		if overwrite {
			return nil, nil
		}
		if err = t.free(ctx); err != nil {
			err = errors.Join(err, t.store.Delete(context.WithoutCancel(ctx), t.manifest))
		}
		return nil, err
	}
	if !errors.Is(err, objstore.ErrExist) {
		return nil, err
	}
	old, err := t.readManifest(ctx)
	if err != nil && (!overwrite || errors.Is(err, objstore.ErrUnreachable)) {
		return nil, err
	}
	switch {
	case old != nil && old.State == t.state && old.Status == "complete" && !overwrite:
		if t.whole(ctx, old) {
			return old, nil
		}
	case old != nil && old.State != t.state && !overwrite:
		return nil, fmt.Errorf("%w: %s tells of another state, table or division of %s; nothing was written, name another target or say --overwrite",
			ErrExists, objstore.Location(t.store, t.manifest), old.Source)
	}
	if old != nil && old.State != t.state { // its files and ours shall not stand side by side
		var names []string
		for _, f := range old.Files {
			names = append(names, f.File)
		}
		if err := t.store.Delete(ctx, names...); err != nil {
			return nil, err
		}
	}
	_, err = t.store.Put(ctx, t.manifest, bytes.NewReader(mine))
	return nil, err
}

func (t *liteTarget) newManifest(status string, files []SQLiteFile) liteManifest {
	return liteManifest{Status: status, Source: t.source, State: t.state, Table: t.table, Files: files, CreatedAt: time.Now().UTC()}
}

// free says that none of the files stands there already.
func (t *liteTarget) free(ctx context.Context) error {
	for _, f := range t.files {
		switch _, err := t.store.Stat(ctx, f.File); {
		case err == nil:
			return fmt.Errorf("%w: %s, which no manifest tells of; nothing was written, name another target or say --overwrite", ErrExists, objstore.Location(t.store, f.File))
		case !errors.Is(err, objstore.ErrNotExist):
			return err
		}
	}
	return nil
}

// whole says whether all files are there with their sizes.
func (t *liteTarget) whole(ctx context.Context, m *liteManifest) bool {
	for _, f := range m.Files {
		if o, err := t.store.Stat(ctx, f.File); err != nil || o.Size != f.Bytes {
			return false
		}
	}
	return true
}

func (t *liteTarget) readManifest(ctx context.Context) (*liteManifest, error) {
	body, _, err := t.store.Get(ctx, t.manifest)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, 64<<20))
	if err != nil {
		return nil, err
	}
	m := &liteManifest{}
	if err := json.Unmarshal(text, m); err != nil || m.State == "" {
		return nil, fmt.Errorf("%w: %s, which is no manifest; nothing was written, name another target or say --overwrite", ErrExists, objstore.Location(t.store, t.manifest))
	}
	return m, nil
}

// complete writes the manifest that says so.
func (t *liteTarget) complete(ctx context.Context, files []SQLiteFile) (*liteManifest, error) {
	m := t.newManifest("complete", files)
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if _, err := t.store.Put(ctx, t.manifest, bytes.NewReader(append(text, '\n'))); err != nil {
		return nil, err
	}
	return &m, nil
}
