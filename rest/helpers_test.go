package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"frostline/coltype"
	"frostline/objstore"
	"frostline/parquetio"
	"frostline/rest"
)

// folder keeps results in a store below _queries/, as queryd does.
type folder struct{ store objstore.Store }

func (f folder) Put(ctx context.Context, name string, r io.Reader) error {
	_, err := f.store.Put(ctx, "_queries/"+name, r)
	return err
}

func (f folder) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	r, _, err := f.store.Get(ctx, "_queries/"+name)
	if errors.Is(err, objstore.ErrNotExist) {
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return r, err
}

func (f folder) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for o, err := range f.store.List(ctx, "_queries/"+prefix) {
			if !yield(strings.TrimPrefix(o.Key, "_queries/"), err) {
				return
			}
		}
	}
}

func (f folder) Delete(ctx context.Context, names ...string) error {
	keys := make([]string, len(names))
	for i, n := range names {
		keys[i] = "_queries/" + n
	}
	return f.store.Delete(ctx, keys...)
}

// parquetFile writes Parquet as queryd does.
func parquetFile(w io.Writer, s coltype.Schema) (rest.ParquetWriter, error) {
	p, err := parquetio.NewWriter(w, s, parquetio.WriteOptions{})
	return parquetWriter{p}, err
}

type parquetWriter struct{ *parquetio.Writer }

func (w parquetWriter) Close() error {
	_, err := w.Writer.Close()
	return err
}

// newClient stands for a server at url that the test has started by itself.
func newClient(url string) *httptest.Server { return &httptest.Server{URL: url} }

// text is the body of an answer.
func text(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// member is a string of a JSON object.
func member(t *testing.T, object, name string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(object), &m); err != nil {
		t.Fatalf("%v: %s", err, object)
	}
	s, _ := m[name].(string)
	if s == "" {
		t.Fatalf("no %s in %s", name, object)
	}
	return s
}
