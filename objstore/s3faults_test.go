package objstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"frostline/objstore"
)

func content(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

func mustPut(t *testing.T, s objstore.Store, key string, b []byte) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
}

func readAll(t *testing.T, s objstore.Store, key string) ([]byte, error) {
	t.Helper()
	body, _, err := s.Get(t.Context(), key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

func TestGetResumesBrokenBodies(t *testing.T) {
	p, s := startProxy(t, objstore.Options{MaxAttempts: 3})
	want := content(5 << 20)
	mustPut(t, s, "k", want)
	p.set(nil, func(n int, r *http.Response) error {
		if n <= 4 { // more breaks than attempts, but each brought bytes
			cut(r, 1<<20)
		}
		return nil
	})
	got, err := readAll(t, s, "k")
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d of %d bytes, %v", len(got), len(want), err)
	}
	requests := p.seen()
	if len(requests) != 5 {
		t.Fatalf("%d requests, want 5", len(requests))
	}
	for i, r := range requests[1:] {
		if r.Header.Get("If-Match") == "" || !strings.HasPrefix(r.Header.Get("Range"), "bytes=") {
			t.Errorf("request %d resumes with Range %q and If-Match %q", i+2, r.Header.Get("Range"), r.Header.Get("If-Match"))
		}
	}
}

func TestGetGivesUp(t *testing.T) {
	p, s := startProxy(t, objstore.Options{MaxAttempts: 3})
	mustPut(t, s, "k", content(1<<20))
	p.set(nil, func(n int, r *http.Response) error {
		cut(r, map[bool]int64{true: 1000, false: 1}[n == 1])
		return nil
	})
	got, err := readAll(t, s, "k")
	if !errors.Is(err, objstore.ErrUnreachable) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a body that never comes whole: %v, want ErrUnreachable and io.ErrUnexpectedEOF", err)
	}
	if len(got) != 1002 {
		t.Errorf("%d bytes were read, want 1002", len(got))
	}
	want := "get " + s.Root() + "/k: store cannot be reached: the connection broke at byte 1002 of 1048576, 3 times in a row"
	if err != nil && err.Error() != want {
		t.Errorf("error is\n%q, want\n%q", err, want)
	}
}

func TestGetOfReplacedObject(t *testing.T) {
	p, s := startProxy(t, objstore.Options{})
	mustPut(t, s, "k", content(1<<20))
	p.set(nil, func(n int, r *http.Response) error {
		if n == 1 {
			cut(r, 1000)
		}
		return nil
	})
	body, _, err := s.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	p.set(nil, nil)
	mustPut(t, s, "k", make([]byte, 1<<20))
	if _, err := io.ReadAll(body); !errors.Is(err, objstore.ErrCorrupt) || !strings.HasSuffix(err.Error(), "it was replaced while it was read") {
		t.Errorf("reading on in another object: %v, want ErrCorrupt", err)
	}
}

func TestDamagedBodies(t *testing.T) {
	p, s := startProxy(t, objstore.Options{})
	small, large := content(1000), content(20<<20)
	mustPut(t, s, "small", small)
	mustPut(t, s, "large", large) // in several parts, with one sum over the whole
	for _, test := range []struct {
		name, key string
		after     func(int, *http.Response) error
	}{
		{"one part", "small", func(_ int, r *http.Response) error { r.Body = damage(t, r.Body, 500); return nil }},
		{"several parts", "large", func(_ int, r *http.Response) error { r.Body = damage(t, r.Body, 9<<20); return nil }},
		{"in the part resumed", "large", func(n int, r *http.Response) error {
			if n == 1 {
				cut(r, 1<<20)
			} else {
				r.Body = damage(t, r.Body, 1000)
			}
			return nil
		}},
		{"before the break", "large", func(n int, r *http.Response) error {
			if n == 1 {
				r.Body = damage(t, r.Body, 1000)
				cut(r, 1<<20)
			}
			return nil
		}},
	} {
		p.set(nil, test.after)
		if _, err := readAll(t, s, test.key); !errors.Is(err, objstore.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", test.name, err)
		}
	}
}

func TestDamagedUploads(t *testing.T) {
	p, s := startProxy(t, objstore.Options{MaxAttempts: 2})
	spoil := func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && r.ContentLength > 500 {
			r.Body = damage(t, r.Body, 500)
		}
		return false
	}
	for _, size := range []int{1000, 20 << 20} {
		p.set(spoil, nil)
		if _, err := s.Put(t.Context(), "k", bytes.NewReader(content(size))); !errors.Is(err, objstore.ErrCorrupt) {
			t.Errorf("Put of %d bytes, damaged on the way: %v, want ErrCorrupt", size, err)
		}
	}
	if err := s.Create(t.Context(), "k", content(1000)); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("Create, damaged on the way: %v, want ErrCorrupt", err)
	}
	// A store that kept something else says so by the sum that it returns.
	p.set(nil, func(_ int, r *http.Response) error {
		if r.Header.Get("X-Amz-Checksum-Crc32") != "" {
			r.Header.Set("X-Amz-Checksum-Crc32", "AAAAAA==")
		}
		return nil
	})
	if _, err := s.Put(t.Context(), "k", bytes.NewReader(content(1000))); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("Put of which the store has another sum: %v, want ErrCorrupt", err)
	}
	p.set(nil, nil)
	for o := range s.List(t.Context(), "") {
		t.Errorf("damaged %q of %d bytes is visible", o.Key, o.Size)
	}
}

func TestReadRangesRequests(t *testing.T) {
	p, s := startProxy(t, objstore.Options{MaxAttempts: 3})
	want := content(20 << 20)
	mustPut(t, s, "k", want)
	ranges := []objstore.Range{
		{Off: 19 << 20, Len: 100}, {Off: 0, Len: 4000}, {Off: 5000, Len: 100}, {Off: 260 << 10, Len: 1000}, // near the second
		{Off: 5 << 20, Len: 9 << 20}, // longer than one request
	}
	check := func(wantRequests int) {
		t.Helper()
		got, err := s.ReadRanges(t.Context(), "k", ranges)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range ranges {
			if !bytes.Equal(got[i], want[r.Off:r.Off+r.Len]) {
				t.Errorf("range %d differs", i)
			}
		}
		if n := len(p.seen()); n != wantRequests {
			t.Errorf("%d requests, want %d", n, wantRequests)
		}
	}
	p.set(nil, nil)
	check(4)
	var heads []string
	for _, r := range p.seen() {
		heads = append(heads, r.Header.Get("Range"))
	}
	slices.Sort(heads)
	if wantHeads := []string{"bytes=0-267239", "bytes=13631488-14680063", "bytes=19922944-19923043",
		"bytes=5242880-13631487"}; !slices.Equal(heads, wantHeads) {
		t.Errorf("the requests are %q, want %q", heads, wantHeads)
	}
	p.set(nil, func(_ int, r *http.Response) error {
		from := r.Header.Get("Content-Range")
		if strings.HasPrefix(from, "bytes 5242880-") || strings.HasPrefix(from, "bytes 5243880-") {
			cut(r, 1000)
		}
		return nil
	})
	check(6)
	p.set(nil, func(_ int, r *http.Response) error { cut(r, 1); return nil })
	if _, err := s.ReadRanges(t.Context(), "k", ranges); !errors.Is(err, objstore.ErrUnreachable) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("bodies that never come: %v, want ErrUnreachable and io.ErrUnexpectedEOF", err)
	}
	// A store that does not know ranges must not have its first bytes taken for others.
	p.set(nil, func(_ int, r *http.Response) error { r.Header.Del("Content-Range"); r.StatusCode = 200; return nil })
	if _, err := s.ReadRanges(t.Context(), "k", ranges); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("a store that ignores Range: %v, want ErrCorrupt", err)
	}
	// Two versions of an object are not mixed.
	p.set(nil, func(n int, r *http.Response) error {
		r.Header.Set("ETag", fmt.Sprintf("%q", fmt.Sprint(n)))
		return nil
	})
	if _, err := s.ReadRanges(t.Context(), "k", ranges); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("an object that is replaced between two requests: %v, want ErrCorrupt", err)
	}
}

func TestRetriesOfBusyStore(t *testing.T) {
	create := func(s objstore.Store) error { return s.Create(t.Context(), "k", []byte("x")) }
	put := func(s objstore.Store) error { _, err := s.Put(t.Context(), "k", strings.NewReader("y")); return err }
	get := func(s objstore.Store) error { _, err := readAll(t, s, "other"); return err }
	for _, test := range []struct {
		name   string
		status int
		code   string
		do     func(objstore.Store) error
	}{
		{"slow down", 503, "SlowDown", create},
		{"slow down", 503, "SlowDown", put},
		{"internal error", 500, "InternalError", get},
		{"conditional conflict", 409, "ConditionalRequestConflict", create},
		{"broken connection", 0, "", create},
	} {
		p, s := startProxy(t, objstore.Options{MaxAttempts: 3})
		mustPut(t, s, "other", []byte("z"))
		p.set(func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n > 2 {
				return false
			}
			if test.status == 0 {
				panic(http.ErrAbortHandler)
			}
			answerError(w, test.status, test.code)
			return true
		}, nil)
		if err := test.do(s); err != nil {
			t.Errorf("%s, twice: %v", test.name, err)
		}
		if n := len(p.seen()); n != 3 {
			t.Errorf("%s, twice: %d requests, want 3", test.name, n)
		}
	}
	p, s := startProxy(t, objstore.Options{MaxAttempts: 3})
	p.set(func(_ int, w http.ResponseWriter, _ *http.Request) bool { answerError(w, 503, "SlowDown"); return true }, nil)
	err := s.Create(t.Context(), "k", nil)
	want := "create " + s.Root() + "/k: store cannot be reached: " + p.url + " answered 503 SlowDown, 3 times"
	if !errors.Is(err, objstore.ErrUnreachable) || err.Error() != want {
		t.Errorf("a store that stays busy: %v, want %q", err, want)
	}
	if n := len(p.seen()); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
}

func TestCreateWithLostAnswer(t *testing.T) {
	p, s := startProxy(t, objstore.Options{})
	p.set(nil, func(n int, r *http.Response) error {
		if n == 1 {
			return errors.New("the answer is lost")
		}
		return nil
	})
	if err := s.Create(t.Context(), "k", []byte("ours")); !errors.Is(err, objstore.ErrExist) {
		t.Errorf("Create whose first answer was lost: %v, want ErrExist", err)
	}
	if got, err := readAll(t, s, "k"); err != nil || string(got) != "ours" {
		t.Errorf("read back: %q, %v; want our own object", got, err)
	}
	// The probe is not fooled by it.
	p.set(nil, func(n int, r *http.Response) error {
		if n == 1 {
			return errors.New("the answer is lost")
		}
		return nil
	})
	if err := s.Probe(t.Context()); err != nil {
		t.Errorf("Probe whose first answer was lost: %v", err)
	}
}

func TestPutWithLostAnswer(t *testing.T) {
	p, s := startProxy(t, objstore.Options{})
	want := content(20 << 20)
	completion := func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") }
	for _, test := range []struct {
		name string
		gone bool // the store has forgotten the upload by the next attempt
	}{{"upload still known", false}, {"upload gone", true}} {
		attempts := 0
		p.set(func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if !completion(r) {
				return false
			}
			if attempts++; attempts == 1 || !test.gone {
				return false
			}
			answerError(w, http.StatusNotFound, "NoSuchUpload")
			return true
		}, func(_ int, r *http.Response) error {
			if completion(r.Request) && attempts == 1 {
				io.Copy(io.Discard, r.Body) // by then the parts are joined
				return errors.New("the answer is lost")
			}
			return nil
		})
		o, err := s.Put(t.Context(), "k", bytes.NewReader(want))
		if err != nil || o.Size != int64(len(want)) || o.ETag == "" {
			t.Errorf("%s: Put whose last answer was lost: %+v, %v", test.name, o, err)
		}
		if attempts != 2 {
			t.Errorf("%s: %d completions were asked, want 2", test.name, attempts)
		}
	}
	// Where the object is not there, the upload is gone for another reason.
	p.set(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if completion(r) {
			answerError(w, http.StatusNotFound, "NoSuchUpload")
		}
		return completion(r)
	}, nil)
	if _, err := s.Put(t.Context(), "k", bytes.NewReader(make([]byte, 9<<20))); err == nil || errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("Put whose upload was aborted by another: %v, want an error that is not ErrNotExist", err)
	}
	p.set(nil, nil)
	if got, err := readAll(t, s, "k"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read back %d bytes, %v", len(got), err)
	}
}

func TestRequestHeads(t *testing.T) {
	p, s := startProxy(t, objstore.Options{})
	head := func(do func() error) http.Header {
		t.Helper()
		p.set(nil, nil)
		if err := do(); err != nil {
			t.Fatal(err)
		}
		return p.seen()[0].Header
	}
	create := head(func() error { return s.Create(t.Context(), "k", []byte("x")) })
	if create.Get("If-None-Match") != "*" || create.Get("X-Amz-Checksum-Crc32") == "" {
		t.Errorf("Create sends %v, want If-None-Match: * and a CRC32", create)
	}
	put := head(func() error { _, err := s.Put(t.Context(), "k", bytes.NewReader(make([]byte, 9<<20))); return err })
	if put.Get("X-Amz-Checksum-Type") != "FULL_OBJECT" || put.Get("X-Amz-Checksum-Algorithm") != "CRC32" {
		t.Errorf("Put in parts starts with %v, want a CRC32 of the full object", put)
	}
}

func TestSilentStore(t *testing.T) {
	p, s := startProxy(t, objstore.Options{Timeout: time.Second, MaxAttempts: 2})
	p.set(func(_ int, _ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }, nil)
	start := time.Now()
	_, err := s.Stat(t.Context(), "k")
	want := "stat " + s.Root() + "/k: store cannot be reached: " + p.url + " gave no answer in time"
	if !errors.Is(err, objstore.ErrUnreachable) || err.Error() != want {
		t.Errorf("a store that never answers: %v, want %q", err, want)
	}
	if took := time.Since(start); took > 30*time.Second { // the default is two minutes and more
		t.Errorf("it took %v to give up", took)
	}
	// Slow but moving data is no reason to give up: here it takes longer than the time-out.
	p, s = startProxy(t, objstore.Options{Timeout: 2 * time.Second, MaxAttempts: 2})
	p.set(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		r.Body = struct {
			io.Reader
			io.Closer
		}{&slowReader{r: r.Body}, r.Body}
		return false
	}, nil)
	if err := s.Create(t.Context(), "slow", make([]byte, 32<<20)); err != nil {
		t.Errorf("a slow upload: %v", err)
	}
}

// slowReader takes at least 2.5 s for 32 MiB.
type slowReader struct {
	r    io.Reader
	read int
}

func (s *slowReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	for s.read += n; s.read > 256<<10; s.read -= 256 << 10 {
		time.Sleep(20 * time.Millisecond)
	}
	return n, err
}
