package objstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A fileStore keeps each object in a file of the folder. Every path is resolved through os.Root, so that no
// symbolic link leads out of the folder.
//
// Writes go to a file of tempDir first. It is synced, then renamed (Put) or linked (Create, which fails where
// the name is taken) to its place, and the folder is synced.
type fileStore struct {
	root string // "file:///dir"
	dir  string
}

// tempDir holds unfinished writes; it is no key and in no listing. Files that a crash left there for staleTemp
// go at the next write.
const (
	tempDir   = ".tmp"
	staleTemp = 24 * time.Hour
)

func openFile(location, dir string) (Store, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("open warehouse %q: want three slashes and an absolute path, file:///folder", location)
	}
	if strings.ContainsRune(dir, 0) {
		return nil, fmt.Errorf("open warehouse %q: the path has a zero byte", location)
	}
	dir = filepath.Clean(dir)
	if dir == "/" {
		return nil, fmt.Errorf("open warehouse %q: the root of the file system is no warehouse", location)
	}
	return &fileStore{root: "file://" + filepath.ToSlash(dir), dir: dir}, nil
}

func (s *fileStore) Root() string { return s.root }

func (s *fileStore) Probe(ctx context.Context) error {
	return probe(ctx, s, "use a folder of a local file system")
}

// check refuses keys that the store keeps for itself.
func (s *fileStore) check(op, key string) error {
	err := checkKey(key)
	if err == nil && (key == tempDir || strings.HasPrefix(key, tempDir+"/")) {
		err = fmt.Errorf("key %q: %w: %s/ is kept for unfinished writes", key, ErrOutside, tempDir)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, s.root, err)
	}
	return nil
}

// fail describes err, of op on key.
func (s *fileStore) fail(op, key string, err error) error {
	if err == nil || classified(err) {
		return err
	}
	f := &failure{op: op, location: Location(s, key), cause: err, why: reason(err)}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.kind, f.why = ErrNotExist, ""
	case errors.Is(err, fs.ErrExist):
		f.kind, f.why = ErrExist, ""
	case op == "create" && (errors.Is(err, syscall.EPERM) || errors.Is(err, errors.ErrUnsupported)):
		f.kind, f.why = ErrNoConditional, reason(err)+"; the file system must have hard links"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		f.kind, f.why = ErrUnreachable, reason(err)+"; the folder must be open to this user"
	}
	return f
}

// reason is err without the paths that file errors repeat.
func reason(err error) string {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Op + ": " + p.Err.Error()
	case errors.As(err, &l):
		return l.Op + ": " + l.Err.Error()
	}
	return err.Error()
}

func (s *fileStore) Put(ctx context.Context, key string, r io.Reader) (Object, error) {
	size, err := s.write(ctx, "put", key, r, func(root *os.Root, temp string) error {
		return root.Rename(temp, key)
	})
	if err != nil {
		return Object{}, err
	}
	return Object{Key: key, Size: size}, nil
}

func (s *fileStore) Create(ctx context.Context, key string, data []byte) error {
	_, err := s.write(ctx, "create", key, bytes.NewReader(data), func(root *os.Root, temp string) error {
		return root.Link(temp, key)
	})
	return err
}

// write fills a temporary file from r, syncs it and lets place give it its name.
func (s *fileStore) write(ctx context.Context, op, key string, r io.Reader, place func(*os.Root, string) error) (int64, error) {
	if err := s.check(op, key); err != nil {
		return 0, err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return 0, s.failRoot(op, key, err)
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return 0, s.failRoot(op, key, err)
	}
	defer root.Close()
	source := &contextReader{ctx: ctx, r: r}
	temp, size, err := writeTemp(ctx, root, source)
	if source.err != nil {
		return 0, sourceFailure(Location(s, key), source.err)
	}
	if err != nil {
		return 0, s.fail(op, key, err)
	}
	defer root.Remove(temp)
	// A Delete at the same time may remove the folder again that was just made: once more, then.
	for range 100 {
		if err = place(root, temp); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err = makeFolders(root, path.Dir(key)); err != nil {
			break
		}
	}
	if err == nil {
		err = syncFolder(root, path.Dir(key))
		if errors.Is(err, fs.ErrNotExist) { // deleted again already
			err = nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return 0, &failure{op: op, location: Location(s, key), cause: err, why: reason(err)}
	}
	return size, s.fail(op, key, err)
}

// failRoot describes a folder that cannot be made or opened.
func (s *fileStore) failRoot(op, key string, err error) error {
	return &failure{op: op, location: Location(s, key), kind: ErrUnreachable, cause: err,
		why: fmt.Sprintf("folder %s: %s; nothing was written", s.dir, reason(err))}
}

// writeTemp writes r to a new file of tempDir, synced, and returns its path and size.
func writeTemp(ctx context.Context, root *os.Root, r io.Reader) (temp string, size int64, err error) {
	temp = tempDir + "/" + rand.Text()
	if err := root.Mkdir(tempDir, 0o755); err == nil {
		if err := syncFolder(root, "."); err != nil {
			return "", 0, err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return "", 0, err
	}
	removeStale(root)
	f, err := root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return "", 0, err
	}
	size, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		root.Remove(temp)
		return "", 0, err
	}
	return temp, size, nil
}

// removeStale removes what crashed writers left in tempDir long ago.
func removeStale(root *os.Root) {
	entries, err := fs.ReadDir(root.FS(), tempDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > staleTemp {
			root.Remove(tempDir + "/" + e.Name())
		}
	}
}

// makeFolders makes dir and its parents, each entry synced.
func makeFolders(root *os.Root, dir string) error {
	if dir == "." {
		return nil
	}
	if info, err := root.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := makeFolders(root, path.Dir(dir)); err != nil {
		return err
	}
	if err := root.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := syncFolder(root, path.Dir(dir)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncFolder makes the entries of dir durable.
func syncFolder(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// contextReader ends with the error of ctx, and keeps that of r.
type contextReader struct {
	ctx context.Context
	r   io.Reader
	err error // of r
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	if err != nil && err != io.EOF && c.ctx.Err() == nil {
		c.err = err
	}
	return n, err
}

func (s *fileStore) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := s.check("delete", key); err != nil {
			return err
		}
	}
	root, err := os.OpenRoot(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &failure{op: "delete", location: s.root, kind: ErrUnreachable, cause: err, why: reason(err)}
	}
	defer root.Close()
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return s.fail("delete", key, err)
		}
		info, err := root.Lstat(key)
		if err == nil && info.IsDir() { // a folder is no object
			continue
		}
		if err == nil {
			err = root.Remove(key)
		}
		if err != nil && !missing(err) {
			return s.fail("delete", key, err)
		}
		// Emptied folders go too; one that is not empty ends the walk.
		for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
			if root.Remove(dir) != nil {
				break
			}
		}
	}
	return nil
}

// missing says whether err means that no file is at the path: also where a parent is a file.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func (s *fileStore) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Object{}, fmt.Errorf("list %s: %w", s.root, err))
			return
		}
		root, err := os.OpenRoot(s.dir)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(Object{}, &failure{op: "list", location: s.root, kind: ErrUnreachable, cause: err, why: reason(err)})
			return
		}
		defer root.Close()
		dir := "."
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			dir = prefix[:i]
		}
		if dir != tempDir {
			s.walk(ctx, root, dir, prefix, yield)
		}
	}
}

// walk yields the objects of dir whose key starts with prefix, in key order, and says whether to go on.
func (s *fileStore) walk(ctx context.Context, root *os.Root, dir, prefix string, yield func(Object, error) bool) bool {
	fail := func(err error) bool { yield(Object{}, s.fail("list", prefix, err)); return false }
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	entries, err := fs.ReadDir(root.FS(), dir)
	if missing(err) {
		return true
	}
	if err != nil {
		return fail(err)
	}
	// In key order a folder's name counts with its slash: "a-b" comes before "a/b".
	sortName := func(e fs.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(sortName(a), sortName(b)) })
	for _, e := range entries {
		key := path.Join(dir, e.Name())
		switch {
		case key == tempDir:
		case e.IsDir():
			if folder := key + "/"; strings.HasPrefix(folder, prefix) || strings.HasPrefix(prefix, folder) {
				if !s.walk(ctx, root, key, prefix, yield) {
					return false
				}
			}
		case strings.HasPrefix(key, prefix):
			info, err := root.Stat(key)
			if missing(err) || err != nil && e.Type()&fs.ModeSymlink != 0 {
				continue // removed meanwhile, or a link that leads out of the warehouse
			}
			if err != nil {
				return fail(err)
			}
			if info.Mode().IsRegular() && !yield(describe(key, info), nil) {
				return false
			}
		}
	}
	return true
}

func describe(key string, info fs.FileInfo) Object {
	return Object{Key: key, Size: info.Size(), Modified: info.ModTime()}
}
