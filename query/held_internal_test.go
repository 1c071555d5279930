package query

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"frostline/objstore"
	"frostline/parquetio"
	"frostline/query/querytest"
)

// openFiles counts what of dir this process holds open.
func openFiles(t *testing.T, dir string) (n int) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("open files are counted in /proc")
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, dir) {
			n++
		}
	}
	return n
}

func TestHeldObjects(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	store, err := objstore.Open(ctx, "file://"+dir, objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all heldObjects
	var objects []*local
	for i := range maxHeld + 10 {
		key := fmt.Sprintf("o/%d", i)
		if _, err := store.Put(ctx, key, strings.NewReader(fmt.Sprintf("object %03d", i))); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, &local{object: object{store: store, key: key, size: 10}, from: store.(objstore.Holder), all: &all})
	}
	read := func() {
		t.Helper()
		for i, o := range objects {
			buf := make([]byte, 3)
			if err := o.ReadInto(ctx, []objstore.Range{{Off: 7, Len: 3}}, [][]byte{buf}); err != nil || string(buf) != fmt.Sprintf("%03d", i) {
				t.Fatalf("object %d is %q, %v", i, buf, err)
			}
		}
	}
	read()
	read() // also those that were closed for others
	if n := openFiles(t, dir); n != maxHeld {
		t.Errorf("%d files are open, want %d", n, maxHeld)
	}
	all.close()
	if n := openFiles(t, dir); n != 0 {
		t.Errorf("%d files are open at the end", n)
	}
	read()
	if n := openFiles(t, dir); n != 0 {
		t.Errorf("%d files are open after a read behind the end", n)
	}
}

// A kept footer does not keep the query that has read it.
func TestKeptFooterLetsQueryGo(t *testing.T) {
	ctx, w := context.Background(), querytest.Events(t)
	e := New(w.Catalog, w.Store, Options{})
	at, err := e.open(ctx, w.Store.Root()+"/public/events", 0)
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.plan(ctx, at, Request{})
	if err != nil {
		t.Fatal(err)
	}
	pf := p.parts[0].Files[0]
	gone := make(chan struct{})
	func() {
		held, st := &heldObjects{}, &parquetio.Stats{}
		runtime.SetFinalizer(held, func(*heldObjects) { close(gone) })
		if _, err := e.openFile(ctx, pf.Location, pf.Bytes, held, st); err != nil {
			t.Fatal(err)
		}
		held.close()
	}()
	for range 100 {
		runtime.GC()
		select {
		case <-gone:
			if e.footers.Len() != 1 {
				t.Errorf("%d footers are kept, want 1", e.footers.Len())
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the cache holds the objects of the query that has read the footer")
}
