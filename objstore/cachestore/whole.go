package cachestore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"frostline/objstore"
)

// wholeBytes is the largest object that is kept as a whole; wholeIndex stands for the index of a block in its name.
const (
	wholeBytes = 32 << 20
	wholeIndex = -1
)

// Get implements objstore.Store.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, objstore.Object, error) {
	kind := s.class(key)
	if s.disk == nil || kind != whole && kind != version || ctx.Err() != nil {
		return s.below.Get(ctx, key)
	}
	s.mu.Lock()
	writes := s.writes
	s.mu.Unlock()
	if kept, about, ok := s.disk.get(key, wholeIndex); ok {
		o, err := s.described(ctx, key, kind, about)
		if err != nil {
			return nil, objstore.Object{}, err
		}
		if o.Key == key && o.Size == int64(len(kept)) {
			s.diskHits.Add(1)
			return s.body(ctx, key, kept), o, nil
		}
	}
	body, o, err := s.below.Get(ctx, key)
	if err != nil || o.Size > wholeBytes {
		return body, o, err
	}
	defer body.Close()
	s.misses.Add(1)
	content, err := io.ReadAll(body)
	if err != nil {
		return nil, objstore.Object{}, err
	}
	if about, err := json.Marshal(o); err == nil {
		s.mu.Lock()
		if s.writes == writes {
			s.disk.put(key, wholeIndex, string(about), content)
		}
		s.mu.Unlock()
	}
	return s.body(ctx, key, content), o, nil
}

// described is the object that about describes, of no key where it is not that object any more.
func (s *Store) described(ctx context.Context, key string, kind class, about string) (o objstore.Object, err error) {
	if err := json.Unmarshal([]byte(about), &o); err != nil {
		return objstore.Object{}, nil //nolint:nilerr // then the store below is asked
	}
	if kind != version {
		return o, nil
	}
	now, err := s.below.Stat(ctx, key)
	if err != nil {
		return objstore.Object{}, err
	}
	if now.Size != o.Size || now.ETag != o.ETag || !now.Modified.Equal(o.Modified) {
		return objstore.Object{}, nil
	}
	return now, nil
}

func (s *Store) body(ctx context.Context, key string, content []byte) io.ReadCloser {
	return &wholeBody{ctx: ctx, location: objstore.Location(s, key), r: bytes.NewReader(content)}
}

// wholeBody reads an object in memory as the stores' bodies are read.
type wholeBody struct {
	ctx      context.Context
	location string
	r        *bytes.Reader // nil when closed
}

// Read implements io.Reader.
func (b *wholeBody) Read(p []byte) (int, error) {
	if b.r == nil {
		return 0, errors.New("read of a closed object")
	}
	if err := b.ctx.Err(); err != nil {
		return 0, fmt.Errorf("get %s: %w", b.location, err)
	}
	return b.r.Read(p)
}

// Close implements io.Closer.
func (b *wholeBody) Close() error {
	b.r = nil
	return nil
}
