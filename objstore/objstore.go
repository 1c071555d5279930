// Package objstore is the warehouse: one Store interface with the local file system and S3
// behind it.
//
// A Store is rooted at a warehouse ("s3://bucket/prefix" or "file:///dir"). Keys are relative to
// the root, with slashes, never empty and never with "." or ".." segments. All methods may be
// called at once. A put is visible wholly or not at all; what a crash leaves behind is an
// unfinished multipart upload (S3) or a temporary file that no listing shows (file).
package objstore

import (
	"context"
	"errors"
	"io"
	"iter"
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

	// Put streams r, of unknown length, to key, replacing what was there. On an error nothing new
	// is visible, unless the answer was lost.
	Put(ctx context.Context, key string, r io.Reader) (Object, error)

	// Create writes data at key if and only if the key is free; ErrExist otherwise. After a lost
	// answer it may return ErrExist for our own object: the caller reads it back and compares.
	Create(ctx context.Context, key string, data []byte) error

	// Get opens the whole object. Reads resume after a broken connection and end in an error, never in a
	// short read.
	Get(ctx context.Context, key string) (io.ReadCloser, Object, error)

	// ReadRanges reads ranges of one object, coalescing neighbours into fewer requests, several at
	// once. The results are in the order asked. A range beyond the end is ErrCorrupt.
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

// Location is the absolute location of key in s.
func Location(s Store, key string) string { return s.Root() + "/" + key }

// Key is the key of an absolute location in s; ErrOutside when it is not below the root or holds "." or ".." segments.
func Key(s Store, location string) (string, error) { panic("stub") }

// Segment encodes one name as a path segment of [A-Za-z0-9_-] and "=": every other byte, the dot
// included, becomes ".XX" (upper hex), so that different names never meet.
func Segment(name string) string { panic("stub") }

// Options choose and tune a store.
type Options struct {
	Region      string        // S3; "" takes the AWS chain's
	Endpoint    string        // S3; "" takes AWS_ENDPOINT_URL_S3 or AWS
	Concurrency int           // part uploads and ranged reads at once, default 4
	Timeout     time.Duration // of one request without progress, default 60 s
	MaxAttempts int           // default 5
}

// Open opens the warehouse at location, "s3://bucket/prefix" or "file:///dir" (made if absent).
// Nothing is asked of the network yet.
func Open(ctx context.Context, location string, o Options) (Store, error) { panic("stub") }
