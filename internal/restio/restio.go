// Package restio gives package rest what a door does not import: a folder of a store for long queries, and files of Parquet.
package restio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	"frostline/coltype"
	"frostline/objstore"
	"frostline/parquetio"
	"frostline/rest"
)

// Warehouse is the prefix of results of long queries in a warehouse. No table stands there: below a schema's folder are tables, and
// no table's name is a query's id.
const Warehouse = "_queries/"

// Folder is the objects of a store below a prefix, which ends with a slash or is empty. It is a [rest.Folder].
type Folder struct {
	Store  objstore.Store
	Prefix string
}

var _ rest.Folder = Folder{}

// Put implements rest.Folder.
func (f Folder) Put(ctx context.Context, name string, r io.Reader) error {
	_, err := f.Store.Put(ctx, f.Prefix+name, r)
	return err
}

// Get implements rest.Folder.
func (f Folder) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	r, _, err := f.Store.Get(ctx, f.Prefix+name)
	if errors.Is(err, objstore.ErrNotExist) {
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return r, err
}

// List implements rest.Folder.
func (f Folder) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for o, err := range f.Store.List(ctx, f.Prefix+prefix) {
			if !yield(strings.TrimPrefix(o.Key, f.Prefix), err) {
				return
			}
		}
	}
}

// Delete implements rest.Folder.
func (f Folder) Delete(ctx context.Context, names ...string) error {
	keys := make([]string, len(names))
	for i, n := range names {
		keys[i] = f.Prefix + n
	}
	return f.Store.Delete(ctx, keys...)
}

// Parquet begins a file as the archive's own are written, for Options.Parquet.
func Parquet(w io.Writer, s coltype.Schema) (rest.ParquetWriter, error) {
	p, err := parquetio.NewWriter(w, s, parquetio.WriteOptions{})
	return parquet{p}, err
}

type parquet struct{ *parquetio.Writer }

// Close writes the footer.
func (p parquet) Close() error {
	_, err := p.Writer.Close()
	return err
}
