package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// shot is one request of a load: the n-th, built by the side that is asked.
type shot func(n int64) (*http.Request, error)

// volley is what a load was answered with.
type volley struct {
	took  []float64 // seconds of each answer, its body read to the end, ascending
	bytes int64
	wall  float64 // seconds
}

func (v volley) perSecond() float64 { return float64(len(v.took)) / v.wall }

// percentile is the nearest rank, in seconds.
func (v volley) percentile(p float64) float64 {
	if len(v.took) == 0 {
		return 0
	}
	return v.took[min(int(p*float64(len(v.took))), len(v.took)-1)]
}

// fire has clients ask over and over for a time, each on a connection of its own, and waits for the last answers. An answer that is
// not 200 is an error.
func fire(ctx context.Context, clients int, during time.Duration, from int64, next shot) (volley, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}
	defer transport.CloseIdleConnections()
	var (
		count, size atomic.Int64
		mu          sync.Mutex
		all         volley
		failed      error
		work        sync.WaitGroup
	)
	count.Store(from)
	begin := time.Now()
	for range clients {
		work.Go(func() {
			var took []float64
			var err error
			for time.Since(begin) < during && err == nil {
				start := time.Now()
				var n int64
				n, err = once(ctx, transport, next, count.Add(1), io.Discard)
				size.Add(n)
				took = append(took, time.Since(start).Seconds())
			}
			mu.Lock()
			defer mu.Unlock()
			all.took = append(all.took, took...)
			if failed == nil {
				failed = err
			}
		})
	}
	work.Wait()
	all.wall, all.bytes = time.Since(begin).Seconds(), size.Load()
	slices.Sort(all.took)
	return all, failed
}

// once asks for one answer and reads it to its end.
func once(ctx context.Context, transport http.RoundTripper, next shot, n int64, to io.Writer) (int64, error) {
	req, err := next(n)
	if err != nil {
		return 0, err
	}
	resp, err := transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return 0, fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(text))
	}
	return io.Copy(to, resp.Body)
}

// crawl is clients who read large answers slowly, until stop is called; that gives how many of them are reading, and how many
// requests were not answered with 200.
type crawl struct {
	cancel   context.CancelFunc
	work     sync.WaitGroup
	reading  atomic.Int64
	finished atomic.Int64
	refused  atomic.Int64
}

// A slow client reads slowPart bytes every slowPause: 128 KiB a second.
const (
	slowPart  = 16 << 10
	slowPause = 125 * time.Millisecond
)

// startCrawl begins with all of them and returns once each reads an answer, or after a time.
func startCrawl(ctx context.Context, clients int, next shot) *crawl {
	ctx, cancel := context.WithCancel(ctx)
	c := &crawl{cancel: cancel}
	for i := range clients {
		c.work.Go(func() { c.read(ctx, int64(i)*1000, next) })
	}
	for begin := time.Now(); c.reading.Load() < int64(clients) && time.Since(begin) < 20*time.Second; {
		time.Sleep(50 * time.Millisecond)
	}
	return c
}

func (c *crawl) read(ctx context.Context, n int64, next shot) {
	// A small buffer of the socket, so that what is not read stays with the server.
	dialer := &net.Dialer{}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true, ReadBufferSize: slowPart,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetReadBuffer(slowPart)
			}
			return conn, err
		}}
	for ; ctx.Err() == nil; n++ {
		if _, err := once(ctx, transport, next, n, &slowly{ctx: ctx, crawl: c}); err == nil {
			c.finished.Add(1)
		} else if ctx.Err() == nil {
			c.refused.Add(1)
			time.Sleep(time.Second)
		}
	}
}

// stop ends them all.
func (c *crawl) stop() {
	c.cancel()
	c.work.Wait()
}

// slowly takes what it is given part by part, with pauses.
type slowly struct {
	ctx   context.Context
	crawl *crawl
	begun bool
}

// Write implements io.Writer.
func (s *slowly) Write(p []byte) (int, error) {
	if !s.begun {
		s.begun = true
		s.crawl.reading.Add(1)
	}
	for rest := len(p); rest > 0; rest -= slowPart {
		select {
		case <-s.ctx.Done():
			return 0, s.ctx.Err()
		case <-time.After(slowPause):
		}
	}
	return len(p), nil
}

func (v *volley) sort() { slices.Sort(v.took) }
