package objstore

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// httpClient ends a connection on which nothing moved for timeout, in neither direction. The SDK's own read
// timeout would also end a large part that is still being sent.
func httpClient(timeout time.Duration) *awshttp.BuildableClient {
	dialer := &net.Dialer{Timeout: min(timeout, 10*time.Second), KeepAlive: 30 * time.Second}
	return awshttp.NewBuildableClient().
		WithReadTimeout(0).
		WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = 64
			t.ReadBufferSize, t.WriteBufferSize = 64<<10, 64<<10 // fewer system calls than with 4 KiB
			t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dialer.DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return &movingConn{Conn: conn, timeout: timeout}, nil
			}
		})
}

// movingConn moves its deadline on with each read and write, for both directions.
type movingConn struct {
	net.Conn
	timeout time.Duration
}

func (c *movingConn) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *movingConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// backoff is the wait after the failed attempt of that number, from 1: 100 to 200 ms, doubled each time, at
// most 10 s.
func backoff(attempt int) time.Duration {
	most := min(200*time.Millisecond<<min(max(attempt-1, 0), 6), 10*time.Second)
	return most/2 + rand.N(most/2)
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
