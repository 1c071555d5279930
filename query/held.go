package query

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"frostline/objstore"
)

// maxHeld is the number of files that one query holds open.
const maxHeld = 64

// heldObjects are the objects that a query holds open, the last ones that it has opened.
type heldObjects struct {
	mu    sync.Mutex
	open  []objstore.Held
	ended bool
}

// add takes h over, unless the query has ended.
func (o *heldObjects) add(h objstore.Held) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return false
	}
	if len(o.open) == maxHeld {
		_ = o.open[0].Close() // nothing was written
		o.open = o.open[1:]
	}
	o.open = append(o.open, h)
	return true
}

// close ends all of them. What is read later is opened for each read.
func (o *heldObjects) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, h := range o.open {
		_ = h.Close()
	}
	o.open, o.ended = nil, true
}

// local is an object of a store that can hold it open.
type local struct {
	object
	from objstore.Holder
	all  *heldObjects

	mu   sync.Mutex
	held objstore.Held // nil: not opened yet
}

// ReadInto reads the ranges into bufs, of their lengths.
func (o *local) ReadInto(ctx context.Context, ranges []objstore.Range, bufs [][]byte) error {
	h, err := o.hold(ctx)
	if err != nil {
		return err
	}
	if h != nil {
		if err := h.ReadInto(ctx, ranges, bufs); !errors.Is(err, fs.ErrClosed) {
			return err
		}
	}
	if h, err = o.from.Hold(ctx, o.key); err != nil {
		return err
	}
	defer h.Close()
	return h.ReadInto(ctx, ranges, bufs)
}

// hold opens the object the first time. It gives nil when the query has ended.
func (o *local) hold(ctx context.Context) (objstore.Held, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.held != nil {
		return o.held, nil
	}
	h, err := o.from.Hold(ctx, o.key)
	if err != nil {
		return nil, err
	}
	if !o.all.add(h) {
		return nil, h.Close()
	}
	o.held = h
	return h, nil
}
