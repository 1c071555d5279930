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
	err = s.readEach(ctx, f, obj, ranges, func(i int) []byte {
		out[i] = make([]byte, ranges[i].Len)
		return out[i]
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Holder is a Store that holds an object open, so that it is looked up once for many reads: one of a folder.
type Holder interface {
	Hold(ctx context.Context, key string) (Held, error)
}

// Held is an open object. Reads may run at once, and fail with fs.ErrClosed after Close.
type Held interface {
	// ReadInto is ReadRanges into bufs; bufs[i] has the length of ranges[i]. What stands there after an error is anything.
	ReadInto(ctx context.Context, ranges []Range, bufs [][]byte) error
	Close() error
}

type heldFile struct {
	s   *fileStore
	f   *os.File
	obj Object
}

func (s *fileStore) Hold(ctx context.Context, key string) (Held, error) {
	if err := ctx.Err(); err != nil {
		return nil, s.fail("read", key, err)
	}
	f, obj, err := s.open("read", key)
	if err != nil {
		return nil, err
	}
	return &heldFile{s, f, obj}, nil
}

func (h *heldFile) ReadInto(ctx context.Context, ranges []Range, bufs [][]byte) error {
	return h.s.readEach(ctx, h.f, h.obj, ranges, func(i int) []byte { return bufs[i][:ranges[i].Len] })
}

func (h *heldFile) Close() error { return h.f.Close() }

// readEach reads each range into what buf gives for it, once the range is known to be there.
func (s *fileStore) readEach(ctx context.Context, f *os.File, obj Object, ranges []Range, buf func(i int) []byte) error {
	for i, r := range ranges {
		if err := ctx.Err(); err != nil {
			return s.fail("read", obj.Key, err)
		}
		if err := r.within(obj.Size); err != nil {
			return &failure{op: "read", location: Location(s, obj.Key), kind: ErrCorrupt, why: err.Error()}
		}
		if _, err := f.ReadAt(buf(i), r.Off); err != nil {
			if errors.Is(err, io.EOF) {
				return &failure{op: "read", location: Location(s, obj.Key), kind: ErrCorrupt, cause: io.ErrUnexpectedEOF,
					why: "the file was cut while it was read"}
			}
			return s.fail("read", obj.Key, err)
		}
	}
	return nil
}
