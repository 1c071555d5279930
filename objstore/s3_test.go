package objstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"frostline/internal/s3test"
	"frostline/objstore"
)

func TestS3WithoutPrefix(t *testing.T) {
	server := s3test.Start(t)
	server.Setenv(t)
	bucket := server.Bucket(t)
	s := open(t, "s3://"+bucket+"/", objstore.Options{})
	if s.Root() != "s3://"+bucket {
		t.Errorf("Root is %q", s.Root())
	}
	mustPut(t, s, "k", []byte("x"))
	// What is beside a prefix is not in it.
	inside := open(t, "s3://"+bucket+"/pre", objstore.Options{})
	mustPut(t, s, "prefix", []byte("x"))
	mustPut(t, inside, "mine", []byte("x"))
	for o, err := range inside.List(t.Context(), "") {
		if err != nil || o.Key != "mine" {
			t.Errorf("List below the prefix gives %q, %v", o.Key, err)
		}
	}
}

// TestS3DefaultRegion: the server takes requests for eu-west-1 only.
func TestS3DefaultRegion(t *testing.T) {
	location := s3test.Start(t).Warehouse(t)
	t.Setenv("AWS_REGION", "")
	if err := open(t, location, objstore.Options{}).Probe(t.Context()); err != nil {
		t.Errorf("without a region: %v", err)
	}
	t.Setenv("AWS_REGION", "us-east-2")
	if err := open(t, location, objstore.Options{Region: "eu-west-1"}).Probe(t.Context()); err != nil {
		t.Errorf("with the region of the options: %v", err)
	}
}

// TestS3LostServer stops the server in the middle of a put.
func TestS3LostServer(t *testing.T) {
	server := s3test.StartOwn(t)
	s := open(t, server.Warehouse(t), objstore.Options{MaxAttempts: 2})
	r := io.MultiReader(bytes.NewReader(make([]byte, 20<<20)), readerFunc(func([]byte) (int, error) {
		server.Stop()
		return 0, io.EOF
	}), bytes.NewReader(make([]byte, 20<<20)))
	start := time.Now()
	if _, err := s.Put(t.Context(), "k", r); !errors.Is(err, objstore.ErrUnreachable) {
		t.Errorf("Put: %v, want ErrUnreachable", err)
	}
	for _, err := range s.List(t.Context(), "") {
		if !errors.Is(err, objstore.ErrUnreachable) {
			t.Errorf("List: %v, want ErrUnreachable", err)
		}
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it took %v to give up", took)
	}
}

func TestS3ManyKeys(t *testing.T) {
	s := openS3Store(t)
	const n = 1050 // a page of a listing and a request to delete have 1000
	var keys []string
	var all sync.WaitGroup
	work := make(chan string)
	for range 8 {
		all.Go(func() {
			for key := range work {
				if err := s.Create(t.Context(), key, nil); err != nil {
					t.Errorf("Create: %v", err)
				}
			}
		})
	}
	for i := range n {
		keys = append(keys, fmt.Sprintf("many/%04d", i))
		work <- keys[i]
	}
	close(work)
	all.Wait()
	i := 0
	for o, err := range s.List(t.Context(), "many/") {
		if err != nil || i >= n || o.Key != keys[i] {
			t.Fatalf("object %d of the listing is %q, %v", i, o.Key, err)
		}
		i++
	}
	if i != n {
		t.Errorf("%d objects listed, want %d", i, n)
	}
	if err := s.Delete(t.Context(), keys...); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	for o := range s.List(t.Context(), "") {
		t.Fatalf("%q is still there", o.Key)
	}
}

// stream is n bytes that are made as they are read; each samples the heap now and then.
type stream struct {
	left   int64
	block  [64 << 10]byte
	reads  int
	peak   uint64
	digest interface{ Write([]byte) (int, error) }
}

func (s *stream) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if s.reads++; s.reads%64 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		s.peak = max(s.peak, m.HeapInuse)
	}
	s.block[s.reads%len(s.block)]++
	n := copy(p[:min(int64(len(p)), s.left)], s.block[:])
	s.left -= int64(n)
	s.digest.Write(p[:n])
	return n, nil
}

func TestS3LargeStream(t *testing.T) {
	s := openS3Store(t)
	runtime.GC()
	const size = 160<<20 + 12345
	wrote := sha256.New()
	in := &stream{left: size, digest: wrote}
	o, err := s.Put(t.Context(), "large", in)
	if err != nil {
		t.Fatal(err)
	}
	if o.Size != size {
		t.Errorf("Put of %d bytes reports %d", size, o.Size)
	}
	body, _, err := s.Get(t.Context(), "large")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	read := sha256.New()
	if n, err := io.Copy(read, body); n != size || err != nil {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	if !bytes.Equal(read.Sum(nil), wrote.Sum(nil)) {
		t.Error("the content differs")
	}
	// Six parts of 8 MiB, garbage of the first part's growth, and what the other tests left.
	t.Logf("heap at most %d MiB", in.peak>>20)
	if in.peak > 130<<20 {
		t.Errorf("a stream of %d MiB took %d MiB of heap, want at most 130", size>>20, in.peak>>20)
	}
}

func TestS3FailedPutsLeaveNoUpload(t *testing.T) {
	server := s3test.Start(t)
	location := server.Warehouse(t)
	s := open(t, location, objstore.Options{})
	boom := errors.New("boom")
	r := io.MultiReader(bytes.NewReader(make([]byte, 30<<20)), readerFunc(func([]byte) (int, error) { return 0, boom }))
	if _, err := s.Put(t.Context(), "k", r); !errors.Is(err, boom) {
		t.Errorf("Put whose data breaks: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r = io.MultiReader(bytes.NewReader(make([]byte, 30<<20)), readerFunc(func([]byte) (int, error) {
		cancel()
		<-ctx.Done()
		return 0, ctx.Err()
	}))
	if _, err := s.Put(ctx, "k", r); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled Put: %v", err)
	}
	bucket := strings.Split(location, "/")[2]
	uploads, err := s3Client(t).ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uploads.Uploads {
		t.Errorf("the upload of %s is left", *u.Key)
	}
	for o := range s.List(t.Context(), "") {
		t.Errorf("%q is visible", o.Key)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// s3Client is a client of the server that the environment names.
func s3Client(t *testing.T) *s3.Client {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
}

// TestS3SkipsFolderMarkers: consoles make a key that ends with a slash for a folder.
func TestS3SkipsFolderMarkers(t *testing.T) {
	location := s3test.Start(t).Warehouse(t)
	s := open(t, location, objstore.Options{})
	bucket, key := strings.Split(location, "/")[2], "warehouse/folder/"
	if _, err := s3Client(t).PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key}); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "folder/k", nil)
	for o, err := range s.List(t.Context(), "") {
		if err != nil || o.Key != "folder/k" {
			t.Errorf("List gives %q, %v; want only folder/k", o.Key, err)
		}
	}
}

func TestS3Unreachable(t *testing.T) {
	server := s3test.Start(t)
	stopped := s3test.StartOwn(t)
	stopped.Stop()
	for _, test := range []struct {
		name     string
		set      map[string]string // environment
		location string            // "": a good one
		o        objstore.Options
		want     string // with E for the endpoint, B for the bucket
	}{
		{name: "no bucket", location: "s3://no-such-bucket/w",
			want: "bucket no-such-bucket does not exist at E; make it or correct the warehouse"},
		{name: "wrong secret", set: map[string]string{"AWS_SECRET_ACCESS_KEY": "wrong-secret-value"},
			want: "E refused the credentials (SignatureDoesNotMatch); check the access key and its secret"},
		{name: "unknown key", set: map[string]string{"AWS_ACCESS_KEY_ID": "NOSUCHKEY"},
			want: "E refused the credentials (XAdminUserNotFound); check the access key and its secret"},
		{name: "wrong region", o: objstore.Options{Region: "us-west-2"},
			want: "bucket B is in another region (AuthorizationHeaderMalformed); set AWS_REGION to it"},
		{name: "no credentials", set: map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
			want: "no AWS credentials were found in the environment, a profile or a role"},
		{name: "server gone", o: objstore.Options{Endpoint: stopped.Endpoint, MaxAttempts: 3},
			want: stopped.Endpoint + " refused the connection; is it running?"},
		{name: "no such host", o: objstore.Options{Endpoint: "http://user:hidden-password@no-such-host.invalid:7070", MaxAttempts: 1},
			want: "no address for host no-such-host.invalid (endpoint http://user:xxxxx@no-such-host.invalid:7070)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server.Setenv(t)
			for name, value := range test.set {
				t.Setenv(name, value)
			}
			location := test.location
			if location == "" {
				location = "s3://" + server.Bucket(t) + "/w"
			}
			s := open(t, location, test.o)
			bucket := strings.Split(location, "/")[2]
			want := strings.NewReplacer("E ", server.Endpoint+" ", "E;", server.Endpoint+";", " B ", " "+bucket+" ").Replace(test.want)
			want = s.Root() + "/k: store cannot be reached: " + want
			start := time.Now()
			err := s.Create(t.Context(), "k", []byte("x"))
			if !errors.Is(err, objstore.ErrUnreachable) || err.Error() != "create "+want {
				t.Errorf("Create: %v, want\n%q", err, "create "+want)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
			err = s.Probe(t.Context())
			if !errors.Is(err, objstore.ErrUnreachable) || !strings.HasPrefix(err.Error(), "probe: create "+s.Root()) {
				t.Errorf("Probe: %v, want ErrUnreachable", err)
			}
			for _, secret := range []string{server.SecretKey, "wrong-secret-value", "hidden-password", "Signature="} {
				if strings.Contains(err.Error(), secret) || strings.Contains(errors.Unwrap(err).Error(), secret) {
					t.Errorf("%q stands in %q", secret, err)
				}
			}
		})
	}
}

// TestS3ErrorAnswers shows how answers of AWS that the test server never gives are sorted.
func TestS3ErrorAnswers(t *testing.T) {
	for _, test := range []struct {
		status int
		code   string
		kind   error
		want   string
	}{
		{403, "AccessDenied", objstore.ErrUnreachable, "access denied at E; the credentials need this permission on bucket b"},
		{400, "ExpiredToken", objstore.ErrUnreachable, "the credentials have expired (ExpiredToken); renew them"},
		{403, "InvalidAccessKeyId", objstore.ErrUnreachable, "E refused the credentials (InvalidAccessKeyId); check the access key and its secret"},
		{403, "RequestTimeTooSkewed", objstore.ErrUnreachable, "the clock of this machine is wrong; set it"},
		{301, "PermanentRedirect", objstore.ErrUnreachable, "bucket b is in another region (PermanentRedirect); set AWS_REGION to it"},
		{403, "InvalidObjectState", nil, "the object is in an archival storage class; restore it in S3 first"},
		{200, "PreconditionFailed", nil, "E answered 200 and nothing that S3 would"},
		{400, "KeyTooLongError", nil, "E answered 400 KeyTooLongError the message"},
		{404, "NoSuchKey", objstore.ErrNotExist, ""},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answerError(w, test.status, test.code)
		}))
		s3test.Start(t).Setenv(t)
		s := open(t, "s3://b/w", objstore.Options{Endpoint: server.URL, MaxAttempts: 1})
		_, err := s.ReadRanges(t.Context(), "k", []objstore.Range{{Off: 0, Len: 1}})
		want := "read s3://b/w/k: "
		if test.kind != nil {
			want += test.kind.Error()
		}
		if test.want != "" {
			want = strings.TrimSuffix(want, ": ") + ": " + strings.ReplaceAll(test.want, "E ", server.URL+" ")
			want = strings.ReplaceAll(want, "E;", server.URL+";")
		}
		if test.status == 200 { // no error to the SDK; the answer is not the range asked
			if !errors.Is(err, objstore.ErrCorrupt) {
				t.Errorf("%d %s: %v, want ErrCorrupt", test.status, test.code, err)
			}
		} else if err == nil || err.Error() != want || test.kind != nil && !errors.Is(err, test.kind) {
			t.Errorf("%d %s:\n%v, want\n%s", test.status, test.code, err, want)
		}
		// A HEAD has no body and so no code: the status has to do.
		if test.status == 403 {
			if _, err := s.Stat(t.Context(), "k"); !errors.Is(err, objstore.ErrUnreachable) {
				t.Errorf("%d to a HEAD: %v, want ErrUnreachable", test.status, err)
			}
		}
		server.Close()
	}
}

// TestProbeRefusesUnconditionalStore: some stores ignore If-None-Match; one of them answers 200 to anything.
func TestProbeRefusesUnconditionalStore(t *testing.T) {
	objects := map[string][]byte{}
	var mu sync.Mutex
	ignoring := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch r.Method {
		case http.MethodPut:
			objects[r.URL.Path], _ = io.ReadAll(r.Body)
		case http.MethodGet:
			w.Write(objects[r.URL.Path])
		case http.MethodPost: // the only batch is of the probe's key
			clear(objects)
			io.WriteString(w, "<DeleteResult></DeleteResult>")
		}
	})
	for name, handler := range map[string]http.Handler{
		"ignores conditions":      ignoring,
		"answers 200 to anything": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
	} {
		server := httptest.NewServer(handler)
		s3test.Start(t).Setenv(t)
		s := open(t, "s3://b/w", objstore.Options{Endpoint: server.URL})
		err := s.Probe(t.Context())
		want := "probe s3://b/w: store ignores conditional puts: it took the same key twice, so two writers could overwrite " +
			"each other's commits; " + server.URL + " must honour If-None-Match, as AWS S3 does"
		if !errors.Is(err, objstore.ErrNoConditional) || err.Error() != want {
			t.Errorf("%s: %v, want\n%s", name, err, want)
		}
		server.Close()
	}
	if len(objects) != 0 {
		t.Errorf("the probe left %d objects", len(objects))
	}
}
