package objstore_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"frostline/internal/s3test"
	"frostline/objstore"
)

// proxy stands between a store and the S3 server and spoils what passes.
type proxy struct {
	url string

	mu       sync.Mutex
	requests []*http.Request // heads only
	// before may answer in the server's place, and then says so. n counts the requests, from 1.
	before func(n int, w http.ResponseWriter, r *http.Request) (answered bool)
	// after may change the server's answer.
	after func(n int, r *http.Response) error
}

// startProxy returns a proxy, and an empty store behind it.
func startProxy(t *testing.T, o objstore.Options) (*proxy, objstore.Store) {
	t.Helper()
	server := s3test.Start(t)
	location := server.Warehouse(t)
	target, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	// Each connection to the server is used once: what is cut off must not harm the next request.
	through := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		FlushInterval: -1, // what comes before a cut arrives
		Transport:     &http.Transport{DisableKeepAlives: true},
		ModifyResponse: func(r *http.Response) error {
			p.mu.Lock()
			n, after := r.Request.Context().Value(numberKey{}).(int), p.after
			p.mu.Unlock()
			if after != nil {
				return after(n, r)
			}
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     log.New(io.Discard, "", 0),
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.requests = append(p.requests, r.Clone(r.Context()))
		n, before := len(p.requests), p.before
		p.mu.Unlock()
		if before != nil && before(n, w, r) {
			return
		}
		through.ServeHTTP(w, r.WithContext(withNumber(r, n)))
	}))
	t.Cleanup(front.Close)
	p.url = front.URL
	o.Endpoint = front.URL
	return p, open(t, location, o)
}

type numberKey struct{}

func withNumber(r *http.Request, n int) context.Context {
	return context.WithValue(r.Context(), numberKey{}, n)
}

// set makes the proxy count from 1 again, with these faults.
func (p *proxy) set(before func(int, http.ResponseWriter, *http.Request) bool, after func(int, *http.Response) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests, p.before, p.after = nil, before, after
}

// seen are the heads of the requests since set.
func (p *proxy) seen() []*http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*http.Request(nil), p.requests...)
}

// cut lets only the first n bytes (at least one, or its head would be lost too) of an answer pass, then closes the connection.
func cut(r *http.Response, n int64) {
	r.Body = &cutBody{io.LimitReader(r.Body, n), r.Body}
}

type cutBody struct {
	io.Reader
	io.Closer
}

func (c *cutBody) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // the proxy aborts the connection
	}
	return n, err
}

// damage flips a bit of byte n of a body.
func damage(t *testing.T, body io.Reader, n int) io.ReadCloser {
	all, err := io.ReadAll(body)
	if err != nil {
		t.Error(err)
	}
	all[n] ^= 1
	return io.NopCloser(bytes.NewReader(all))
}

// answerError answers as S3 does.
func answerError(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	io.WriteString(w, "<?xml version=\"1.0\"?><Error><Code>"+code+"</Code><Message>the message</Message></Error>")
}
