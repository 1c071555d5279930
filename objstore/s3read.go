package objstore

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// progress is what a connection must bring before it breaks, to be no failed attempt.
const progress = 64 << 10

func (s *s3Store) Get(ctx context.Context, key string) (io.ReadCloser, Object, error) {
	name, err := s.name("get", key)
	if err != nil {
		return nil, Object{}, err
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: name, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return nil, Object{}, s.fail(ctx, "get", key, err)
	}
	if out.ContentLength == nil || *out.ContentLength < 0 {
		out.Body.Close()
		return nil, Object{}, &failure{op: "get", location: Location(s, key), kind: ErrCorrupt, why: "the store did not say its length"}
	}
	object := Object{
		Key:      key,
		Size:     *out.ContentLength,
		ETag:     aws.ToString(out.ETag),
		Modified: aws.ToTime(out.LastModified),
		Class:    class(string(out.StorageClass)),
	}
	body := &s3Body{ctx: ctx, s: s, key: key, name: name, object: object, body: out.Body, sum: crc32.NewIEEE()}
	if crc := aws.ToString(out.ChecksumCRC32); fullCRC(crc, string(out.ChecksumType)) {
		body.crc = crc
	}
	return body, object, nil
}

// s3Body reads an object to its last byte. A broken connection is followed by a request for the rest of the
// same version; MaxAttempts of them in a row that bring less than progress are an error. Where the store has a CRC32 of the
// whole object it is checked, also over several connections.
type s3Body struct {
	ctx    context.Context
	s      *s3Store
	key    string
	name   *string
	object Object

	body    io.ReadCloser // nil where a connection broke
	resumed bool
	off     int64
	sum     hash.Hash32
	crc     string // of the whole object; "" where the store has none
	got     int64  // bytes of this connection
	broken  int    // connections in a row that brought less than progress
	end     error  // what Read returns from now on
}

func (b *s3Body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for b.end == nil {
		if b.off == b.object.Size {
			b.end = b.finish()
			break
		}
		if b.body == nil {
			if b.end = b.resume(); b.end != nil {
				break
			}
		}
		n, err := b.body.Read(p[:min(int64(len(p)), b.object.Size-b.off)])
		b.off += int64(n)
		b.sum.Write(p[:n])
		b.got += int64(n)
		if err != nil && b.off < b.object.Size {
			b.lost(err)
		} else if err != nil && err != io.EOF {
			b.end = b.corrupt(err.Error(), err) // the SDK's own check of the whole
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, b.end
}

// lost closes a broken connection and ends the reading where it was one too many.
func (b *s3Body) lost(err error) {
	b.body.Close()
	b.body = nil
	if b.got >= progress {
		b.broken = 0
	}
	b.got = 0
	b.broken++
	if b.ctx.Err() == nil && b.broken < b.s.o.MaxAttempts {
		sleep(b.ctx, backoff(b.broken))
		if b.ctx.Err() == nil {
			return
		}
	}
	b.end = b.s.broken(b.ctx, "get", b.key, b.off, b.object.Size, b.broken, err)
}

// broken describes a body that ended at off of size.
func (s *s3Store) broken(ctx context.Context, op, key string, off, size int64, times int, err error) error {
	if ctx.Err() != nil {
		return s.fail(ctx, op, key, err)
	}
	return &failure{op: op, location: Location(s, key), kind: ErrUnreachable, cause: errors.Join(io.ErrUnexpectedEOF, err),
		why: fmt.Sprintf("the connection broke at byte %d of %d, %d times in a row", off, size, times)}
}

// resume asks for the rest.
func (b *s3Body) resume() error {
	in := &s3.GetObjectInput{Bucket: &b.s.bucket, Key: b.name, Range: aws.String(fmt.Sprintf("bytes=%d-", b.off))}
	if b.object.ETag != "" {
		in.IfMatch = aws.String(b.object.ETag)
	}
	out, err := b.s.client.GetObject(b.ctx, in)
	if err != nil {
		err = b.s.fail(b.ctx, "get", b.key, err)
		if errors.Is(err, ErrExist) {
			return b.corrupt("it was replaced while it was read", err)
		}
		return err
	}
	if err := checkPart(out, b.off, b.object.Size-b.off); err != nil {
		out.Body.Close()
		return b.corrupt(err.Error(), nil)
	}
	b.body, b.resumed = out.Body, true
	return nil
}

// finish checks a body that was read whole.
func (b *s3Body) finish() error {
	if b.body != nil && !b.resumed {
		// The end of a first body is where the SDK checks the sums that it knows.
		var one [1]byte
		if n, err := b.body.Read(one[:]); n > 0 || err != nil && err != io.EOF {
			return b.corrupt(fmt.Sprintf("what follows its last byte: %d bytes, %v", n, err), err)
		}
	}
	if got := encodeCRC(b.sum); b.crc != "" && got != b.crc {
		return b.corrupt(fmt.Sprintf("the store has CRC32 %s, the data %s", b.crc, got), nil)
	}
	return io.EOF
}

func (b *s3Body) corrupt(why string, cause error) error {
	return &failure{op: "get", location: Location(b.s, b.key), kind: ErrCorrupt, why: why, cause: cause}
}

func (b *s3Body) Close() error {
	if b.end == nil {
		b.end = errors.New("read of a closed object")
	}
	if b.body != nil {
		b.body.Close()
		b.body = nil
	}
	return nil
}

// checkPart returns an error unless out is length bytes from off on.
func checkPart(out *s3.GetObjectOutput, off, length int64) error {
	if got := aws.ToString(out.ContentRange); !strings.HasPrefix(got, fmt.Sprintf("bytes %d-%d/", off, off+length-1)) {
		return fmt.Errorf("%d bytes at %d were asked, the store gave %q", length, off, got)
	}
	return nil
}

// largeRange is what is asked of the store's word only: for a larger one memory is taken after the length of
// the object has been seen.
const largeRange = 64 << 20

func (s *s3Store) ReadRanges(ctx context.Context, key string, ranges []Range) ([][]byte, error) {
	name, err := s.name("read", key)
	if err != nil {
		return nil, err
	}
	corrupt := func(err error) error {
		return &failure{op: "read", location: Location(s, key), kind: ErrCorrupt, why: err.Error()}
	}
	large := false
	for _, r := range ranges {
		if err := r.within(math.MaxInt64); err != nil {
			return nil, corrupt(err)
		}
		large = large || r.Len > largeRange
	}
	if large {
		object, err := s.Stat(ctx, key)
		if err != nil {
			return nil, err
		}
		for _, r := range ranges {
			if err := r.within(object.Size); err != nil {
				return nil, corrupt(err)
			}
		}
	}
	out := make([][]byte, len(ranges))
	for i := range out {
		out[i] = []byte{} // what an empty range keeps
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(s.o.Concurrency)
	var version sameVersion
	for _, sp := range coalesce(ranges) {
		buf := make([]byte, sp.Len)
		for _, i := range sp.serves {
			from := ranges[i].Off - sp.Off
			to := from + ranges[i].Len
			out[i] = buf[from:to:to]
		}
		for from := int64(0); from < sp.Len; from += coalesceMax {
			piece := buf[from:min(from+coalesceMax, sp.Len)]
			group.Go(func() error { return s.readPiece(inner, key, name, sp.Off+from, piece, &version) })
		}
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, s.fail(ctx, "read", key, ctx.Err())
		}
		return nil, err
	}
	return out, nil
}

// readPiece fills buf from off on.
func (s *s3Store) readPiece(ctx context.Context, key string, name *string, off int64, buf []byte, version *sameVersion) error {
	done, broken := 0, 0
	for {
		want := int64(len(buf) - done)
		out, err := s.client.GetObject(ctx, &s3.GetObjectInput{
			Bucket: &s.bucket,
			Key:    name,
			Range:  aws.String(fmt.Sprintf("bytes=%d-%d", off+int64(done), off+int64(len(buf))-1)),
		})
		if err != nil {
			return s.fail(ctx, "read", key, err)
		}
		err = checkPart(out, off+int64(done), want)
		if err == nil {
			err = version.check(aws.ToString(out.ETag))
		}
		if err != nil {
			out.Body.Close()
			return &failure{op: "read", location: Location(s, key), kind: ErrCorrupt, why: err.Error()}
		}
		n, err := io.ReadFull(out.Body, buf[done:])
		out.Body.Close()
		done += n
		if done == len(buf) {
			return nil
		}
		if n >= progress {
			broken = 0
		}
		broken++
		if ctx.Err() != nil || broken >= s.o.MaxAttempts {
			return s.broken(ctx, "read", key, off+int64(done), off+int64(len(buf)), broken, err)
		}
		sleep(ctx, backoff(broken))
	}
}

// sameVersion sees to it that the answers of several requests are of one version of an object.
type sameVersion struct {
	mu   sync.Mutex
	etag string
}

func (v *sameVersion) check(etag string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.etag == "" {
		v.etag = etag
	}
	if v.etag != etag {
		return errors.New("it was replaced while it was read")
	}
	return nil
}
