package objstore

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
)

// partSize is the size of an uploaded part: with S3's 10 000 parts an object has up to 80 GB, and an upload
// holds Concurrency + 2 of them in memory.
const partSize = 8 << 20

// abortTimeout is what the abort of a failed upload may take, also after its context has ended.
const abortTimeout = 10 * time.Second

// An s3Store keeps objects in a bucket, below a prefix.
type s3Store struct {
	root     string // "s3://bucket/prefix"
	bucket   string
	prefix   string // "prefix/" or ""
	endpoint string // for messages, without a password
	o        Options
	client   *s3.Client
	uploads  *transfermanager.Client
}

// openS3 opens the store of rest, "bucket/prefix".
func openS3(ctx context.Context, location, rest string, o Options) (Store, error) {
	bucket, prefix, _ := strings.Cut(strings.TrimRight(rest, "/"), "/")
	if bucket == "" || strings.ContainsAny(bucket, "?#@: \\%") {
		return nil, fmt.Errorf("open warehouse %q: no bucket name in it; want s3://bucket/prefix", location)
	}
	s := &s3Store{root: "s3://" + bucket, bucket: bucket, endpoint: "AWS S3", o: o}
	if prefix != "" {
		if err := checkKey(prefix); err != nil {
			return nil, fmt.Errorf("open warehouse %q: %w", location, err)
		}
		s.root, s.prefix = s.root+"/"+prefix, prefix+"/"
	}
	load := []func(*config.LoadOptions) error{
		config.WithDefaultRegion("eu-west-1"),
		config.WithHTTPClient(httpClient(o.Timeout)),
		config.WithRetryer(func() aws.Retryer { return newRetryer(o.MaxAttempts) }),
		config.WithLogger(logging.Nop{}),
	}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("open warehouse %s: AWS configuration: %w", s.root, err)
	}
	s.client = s3.NewFromConfig(cfg, func(c *s3.Options) {
		c.APIOptions = append(c.APIOptions, watched(o.Observe))
		if o.Endpoint != "" {
			c.BaseEndpoint = aws.String(o.Endpoint)
		}
		if c.BaseEndpoint != nil {
			c.UsePathStyle = true // the buckets of another server seldom have names in DNS
			s.endpoint = *c.BaseEndpoint
		}
	})
	if s.endpoint != "AWS S3" {
		u, err := url.Parse(s.endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("open warehouse %s: the S3 endpoint is not a URL like https://host:port", s.root)
		}
		s.endpoint = u.Redacted()
	}
	s.uploads = transfermanager.New(s.client, func(t *transfermanager.Options) {
		t.PartSizeBytes = partSize
		t.MultipartUploadThreshold = partSize
		t.Concurrency = o.Concurrency
		t.FailTimeout = abortTimeout
	})
	return s, nil
}

// newRetryer retries what S3's guide says to, a conditional put that met another one included. It knows no
// bucket of tokens: with one, the failures of some calls take away the retries of others.
func newRetryer(attempts int) aws.Retryer {
	return retry.NewStandard(func(r *retry.StandardOptions) {
		r.MaxAttempts = attempts
		r.RateLimiter = ratelimit.None
		r.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return backoff(attempt), nil
		})
		r.Retryables = append([]retry.IsErrorRetryable{retry.RetryableErrorCode{
			Codes: map[string]struct{}{"ConditionalRequestConflict": {}},
		}}, r.Retryables...)
	})
}

func (s *s3Store) Root() string { return s.root }

func (s *s3Store) Probe(ctx context.Context) error {
	return probe(ctx, s, fmt.Sprintf("%s must honour If-None-Match, as AWS S3 does", s.endpoint))
}

// name is the bucket's name of key.
func (s *s3Store) name(op, key string) (*string, error) {
	if err := checkKey(key); err != nil {
		return nil, fmt.Errorf("%s %s: %w", op, s.root, err)
	}
	return aws.String(s.prefix + key), nil
}

func (s *s3Store) Put(ctx context.Context, key string, r io.Reader) (Object, error) {
	name, err := s.name("put", key)
	if err != nil {
		return Object{}, err
	}
	source := &sourceReader{contextReader: contextReader{ctx: ctx, r: r}, sum: crc32.NewIEEE()}
	in := &transfermanager.UploadObjectInput{
		Bucket:            &s.bucket,
		Key:               name,
		Body:              source,
		ChecksumAlgorithm: tmtypes.ChecksumAlgorithmCrc32,
		ChecksumType:      tmtypes.ChecksumTypeFullObject,
	}
	s.o.Storage.upload(key, in)
	out, err := s.uploads.UploadObject(ctx, in)
	if source.err != nil {
		return Object{}, sourceFailure(Location(s, key), source.err)
	}
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "NoSuchUpload" {
		// The parts were joined, the answer was lost, and the next attempt found the upload gone.
		if object, ok := s.completed(ctx, key, name, source); ok {
			return object, nil
		}
	}
	if err != nil {
		return Object{}, s.fail(ctx, "put", key, err)
	}
	// What the store computed over the whole object must be what went in here.
	want := encodeCRC(source.sum)
	if got := aws.ToString(out.ChecksumCRC32); fullCRC(got, string(out.ChecksumType)) && got != want {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
		defer cancel()
		removed := s.Delete(cleanup, key)
		return Object{}, &failure{op: "put", location: Location(s, key), kind: ErrCorrupt, cause: removed,
			why: fmt.Sprintf("the store has CRC32 %s, the data %s; the object was removed", got, want)}
	}
	return Object{Key: key, Size: source.size, ETag: aws.ToString(out.ETag)}, nil
}

// completed says whether the object at key is what was read from source.
func (s *s3Store) completed(ctx context.Context, key string, name *string, source *sourceReader) (Object, bool) {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: &s.bucket, Key: name, ChecksumMode: types.ChecksumModeEnabled,
	})
	if err != nil || aws.ToInt64(out.ContentLength) != source.size ||
		!fullCRC(aws.ToString(out.ChecksumCRC32), string(out.ChecksumType)) ||
		aws.ToString(out.ChecksumCRC32) != encodeCRC(source.sum) {
		return Object{}, false
	}
	return Object{Key: key, Size: source.size, ETag: aws.ToString(out.ETag)}, true
}

// sourceReader counts and sums what is read.
type sourceReader struct {
	contextReader
	sum  hash.Hash32
	size int64
}

func (c *sourceReader) Read(p []byte) (int, error) {
	n, err := c.contextReader.Read(p)
	c.size += int64(n)
	c.sum.Write(p[:n])
	return n, err
}

// encodeCRC is sum as S3 writes it.
func encodeCRC(sum hash.Hash32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum.Sum32()))
}

// fullCRC says whether value is a CRC32 over a whole object, not one over the sums of its parts.
func fullCRC(value, checksumType string) bool {
	return value != "" && checksumType != string(types.ChecksumTypeComposite) && !strings.Contains(value, "-")
}

func (s *s3Store) Create(ctx context.Context, key string, data []byte) error {
	name, err := s.name("create", key)
	if err != nil {
		return err
	}
	in := &s3.PutObjectInput{
		Bucket:            &s.bucket,
		Key:               name,
		Body:              bytes.NewReader(data),
		IfNoneMatch:       aws.String("*"),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = s.o.Storage.encryption()
	_, err = s.client.PutObject(ctx, in)
	return s.fail(ctx, "create", key, err)
}

func (s *s3Store) Stat(ctx context.Context, key string) (Object, error) {
	name, err := s.name("stat", key)
	if err != nil {
		return Object{}, err
	}
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: name})
	if err != nil {
		return Object{}, s.fail(ctx, "stat", key, err)
	}
	return Object{
		Key:      key,
		Size:     aws.ToInt64(out.ContentLength),
		ETag:     aws.ToString(out.ETag),
		Modified: aws.ToTime(out.LastModified),
		Class:    class(string(out.StorageClass)),
	}, nil
}

// class is the storage class as Object has it.
func class(name string) string {
	if name == string(types.StorageClassStandard) {
		return ""
	}
	return name
}

func (s *s3Store) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Object{}, fmt.Errorf("list %s: %w", s.root, err))
			return
		}
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{
			Bucket: &s.bucket,
			Prefix: aws.String(s.prefix + prefix),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(Object{}, s.fail(ctx, "list", prefix, err))
				return
			}
			for _, o := range page.Contents {
				key := strings.TrimPrefix(aws.ToString(o.Key), s.prefix)
				if checkKey(key) != nil {
					continue // what other tools put for a folder ends with a slash
				}
				object := Object{
					Key:      key,
					Size:     aws.ToInt64(o.Size),
					ETag:     aws.ToString(o.ETag),
					Modified: aws.ToTime(o.LastModified),
					Class:    class(string(o.StorageClass)),
				}
				if !yield(object, nil) {
					return
				}
			}
		}
	}
}

func (s *s3Store) Delete(ctx context.Context, keys ...string) error {
	var batch []types.ObjectIdentifier
	for _, key := range keys {
		name, err := s.name("delete", key)
		if err != nil {
			return err
		}
		batch = append(batch, types.ObjectIdentifier{Key: name})
	}
	const most = 1000 // of one request
	for len(batch) > 0 {
		n := min(len(batch), most)
		out, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: &s.bucket,
			Delete: &types.Delete{Objects: batch[:n], Quiet: aws.Bool(true)},
		})
		if err != nil {
			return s.fail(ctx, "delete", strings.TrimPrefix(*batch[0].Key, s.prefix), err)
		}
		for _, e := range out.Errors {
			if aws.ToString(e.Code) == "NoSuchKey" {
				continue
			}
			return s.fail(ctx, "delete", strings.TrimPrefix(aws.ToString(e.Key), s.prefix), &deleteError{e})
		}
		batch = batch[n:]
	}
	return nil
}
