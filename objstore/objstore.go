// Package objstore is the warehouse: one Store interface with the local file system and S3
// behind it.
//
// A Store is rooted at a warehouse ("s3://bucket/prefix" or "file:///dir"). Keys are relative to
// the root, with slashes, never empty and never with empty, "." or ".." segments; another key is
// ErrOutside. All methods may be called at once.
//
// A put is visible wholly or not at all. What a crash leaves behind is an unfinished multipart upload
// (S3: a lifecycle rule AbortIncompleteMultipartUpload removes it) or a file of the folder .tmp, which no
// listing shows and a write removes after a day (file).
//
// Uploads and whole reads from S3 are checked by CRC32. Ranged reads are checked for their length and
// version only: what reads them has to check their content.
package objstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
)

// Errors of every Store, found with errors.Is. Each is wrapped with the operation and the location.
var (
	ErrNotExist      = errors.New("object does not exist")
	ErrExist         = errors.New("object exists")           // Create found the key taken
	ErrOutside       = errors.New("outside the warehouse")   // a location that is not under the root
	ErrUnreachable   = errors.New("store cannot be reached") // endpoint, bucket or credentials
	ErrNoConditional = errors.New("store ignores conditional puts")
	ErrCorrupt       = errors.New("object is corrupt") // a checksum or a length does not fit
)

// Object describes a stored object.
type Object struct {
	Key      string
	Size     int64
	ETag     string // "" where the store has none
	Modified time.Time
	Class    string // storage class; "" is standard
}

// Range is a byte range.
type Range struct{ Off, Len int64 }

// Store is a warehouse.
type Store interface {
	// Root is the location of the warehouse, without a slash at its end.
	Root() string

	// Put streams r, of unknown length (S3: up to 80 GB), to key, replacing what was there. On an error
	// nothing new is visible, unless the answer was lost; r may then be unread in part. Modified is zero in
	// what it returns.
	Put(ctx context.Context, key string, r io.Reader) (Object, error)

	// Create writes data at key if and only if the key is free; ErrExist otherwise. After a lost
	// answer it may return ErrExist for our own object: the caller reads it back and compares.
	Create(ctx context.Context, key string, data []byte) error

	// Get opens the whole object. Reads resume after a broken connection and end in an error, never in a
	// short read.
	Get(ctx context.Context, key string) (io.ReadCloser, Object, error)

	// ReadRanges reads ranges of one object, coalescing neighbours into fewer requests, several at
	// once. The results are in the order asked. A range beyond the end is ErrCorrupt.
	// The slices may share memory; the caller owns them.
	ReadRanges(ctx context.Context, key string, ranges []Range) ([][]byte, error)

	// Stat describes key, or ErrNotExist.
	Stat(ctx context.Context, key string) (Object, error)

	// List yields the objects below prefix (a key prefix, not a folder) in key order.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]

	// Delete removes the keys; one that is not there is no error.
	Delete(ctx context.Context, keys ...string) error

	// Probe shows once that the store can be written, read and that a second conditional put is refused:
	// ErrUnreachable or ErrNoConditional otherwise.
	Probe(ctx context.Context) error
}

// Options choose and tune a store.
type Options struct {
	Region      string        // S3; "" takes the AWS chain's, and eu-west-1 where that has none
	Endpoint    string        // S3, a URL; "" takes AWS_ENDPOINT_URL_S3 or AWS
	Concurrency int           // part uploads and ranged reads at once, default 4
	Timeout     time.Duration // S3: of a connection without progress, default 60 s
	MaxAttempts int           // S3: of one request, default 5; about 3 s of waiting in all
	Storage     Storage       // S3: of new objects
	Observe     Observe       // S3: hears of every request; nil: nobody does
}

// Open opens the warehouse at location, "s3://bucket/prefix" or "file:///dir" (made by the first write; the
// path is taken as it stands, without percent decoding). Nothing is asked of the network yet.
func Open(ctx context.Context, location string, o Options) (Store, error) {
	if o.Concurrency <= 0 {
		o.Concurrency = 4
	}
	if o.Timeout <= 0 {
		o.Timeout = 60 * time.Second
	}
	if o.MaxAttempts <= 0 {
		o.MaxAttempts = 5
	}
	if err := o.Storage.Check(); err != nil {
		return nil, fmt.Errorf("open warehouse %q: %w", location, err)
	}
	scheme, rest, ok := strings.Cut(location, "://")
	switch {
	case ok && scheme == "file" && o.Storage != Storage{}:
		return nil, fmt.Errorf("open warehouse %q: %s", location, onlyS3)
	case ok && scheme == "file":
		return openFile(location, rest)
	case ok && scheme == "s3":
		return openS3(ctx, location, rest, o)
	}
	return nil, fmt.Errorf("open warehouse %q: want s3://bucket/prefix or file:///folder", location)
}
