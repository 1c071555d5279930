package objstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// open opens the file of key.
func (s *fileStore) open(op, key string) (*os.File, Object, error) {
	if err := s.check(op, key); err != nil {
		return nil, Object{}, err
	}
	fail := func(err error) (*os.File, Object, error) {
		if missing(err) {
			err = fs.ErrNotExist
		}
		return nil, Object{}, s.fail(op, key, err)
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return fail(err)
	}
	defer root.Close()
	f, err := root.Open(key)
	if err != nil {
		return fail(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist // a folder is no object
	}
	if err != nil {
		f.Close()
		return fail(err)
	}
	return f, describe(key, info), nil
}

func (s *fileStore) Stat(ctx context.Context, key string) (Object, error) {
	if err := ctx.Err(); err != nil {
		return Object{}, s.fail("stat", key, err)
	}
	f, obj, err := s.open("stat", key)
	if err != nil {
		return Object{}, err
	}
	f.Close()
	return obj, nil
}

func (s *fileStore) Get(ctx context.Context, key string) (io.ReadCloser, Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, Object{}, s.fail("get", key, err)
	}
	f, obj, err := s.open("get", key)
	if err != nil {
		return nil, Object{}, err
	}
	return &fileBody{ctx: ctx, s: s, f: f, key: key, left: obj.Size}, obj, nil
}

// fileBody reads the bytes that the file had when it was opened, and no fewer.
type fileBody struct {
	ctx  context.Context
	s    *fileStore
	f    *os.File
	key  string
	left int64
}

func (b *fileBody) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, b.s.fail("get", b.key, err)
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.f.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err == io.EOF {
		return n, &failure{op: "get", location: Location(b.s, b.key), kind: ErrCorrupt, cause: io.ErrUnexpectedEOF,
			why: fmt.Sprintf("the file ends %d bytes early", b.left)}
	}
	return n, b.s.fail("get", b.key, err)
}

func (b *fileBody) Close() error { return b.f.Close() }

func (s *fileStore) ReadRanges(ctx context.Context, key string, ranges []Range) ([][]byte, error) {
	f, obj, err := s.open("read", key)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := make([][]byte, len(ranges))
	for i, r := range ranges {
		if err := ctx.Err(); err != nil {
			return nil, s.fail("read", key, err)
		}
		if err := r.within(obj.Size); err != nil {
			return nil, &failure{op: "read", location: Location(s, key), kind: ErrCorrupt, why: err.Error()}
		}
		out[i] = make([]byte, r.Len)
		if _, err := f.ReadAt(out[i], r.Off); err != nil {
			if errors.Is(err, io.EOF) {
				return nil, &failure{op: "read", location: Location(s, key), kind: ErrCorrupt, cause: io.ErrUnexpectedEOF,
					why: "the file was cut while it was read"}
			}
			return nil, s.fail("read", key, err)
		}
	}
	return out, nil
}
