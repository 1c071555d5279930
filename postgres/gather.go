package postgres

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// gathered bytes wake the reader of a COPY: the server sends 8 KiB at a time, and to be woken for each costs more on both
	// sides than to read it.
	gathered = readAhead

	// gatherFor is how long fewer bytes wait to be read.
	gatherFor = 2 * time.Millisecond
)

// gatherConn is a TCP connection whose Read can wait for many bytes at once (SO_RCVLOWAT, manual page socket(7)).
type gatherConn struct {
	*net.TCPConn
	timer *time.Timer

	mu       sync.Mutex
	on       bool      // Read gathers
	reading  bool      // a Read is at work; the driver may have left one in the background
	waiting  bool      // it waits for many bytes
	woken    bool      // it was, before there was enough
	deadline time.Time // of reads, as the driver has set it
}

// gatherDial gives the connections that dial makes the means to gather.
func gatherDial(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if t, ok := c.(*net.TCPConn); ok && err == nil {
			return &gatherConn{TCPConn: t}, nil
		}
		return c, err
	}
}

// gather lets the reads of conn gather until stop is called. It is for one that has much to read, such as a COPY.
func gather(conn *pgx.Conn) (stop func()) {
	raw := conn.PgConn().Conn()
	if safe, ok := raw.(interface{ NetConn() net.Conn }); ok { // TLS
		raw = safe.NetConn()
	}
	c, ok := raw.(*gatherConn)
	if !ok || !c.start() {
		return func() {}
	}
	return c.stop
}

// start is false where reads cannot gather: one that has begun without would wait for as many bytes, and nothing would wake it.
func (c *gatherConn) start() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on = !c.reading && lowWater(c.TCPConn, gathered)
	return c.on
}

func (c *gatherConn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on = false
	lowWater(c.TCPConn, 1)
}

func (c *gatherConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	c.reading, c.waiting = true, c.on
	gathers := c.on
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.reading = false
		c.mu.Unlock()
	}()
	if !gathers {
		return c.TCPConn.Read(p)
	}
	if c.timer == nil {
		c.timer = time.AfterFunc(gatherFor, c.wake)
	} else {
		c.timer.Reset(gatherFor)
	}
	n, err := c.TCPConn.Read(p)
	c.timer.Stop()

	c.mu.Lock()
	woken := c.woken
	c.waiting, c.woken = false, false
	if woken {
		_ = c.TCPConn.SetReadDeadline(c.deadline) // an error is the next Read's too
	}
	c.mu.Unlock()
	if !woken {
		return n, err
	}
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		n, err = c.TCPConn.Read(p) // what is there, or the next that comes
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.on { // it may have been stopped meanwhile
		lowWater(c.TCPConn, gathered)
	}
	return n, err
}

// wake ends the wait of a Read. The deadline wakes it, since a lower mark alone does not on every kernel.
func (c *gatherConn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting {
		c.woken = true
		lowWater(c.TCPConn, 1)
		_ = c.TCPConn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (c *gatherConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *gatherConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if c.woken {
		return nil // Read sets it
	}
	return c.TCPConn.SetReadDeadline(t)
}
