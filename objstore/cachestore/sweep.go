package cachestore

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// After a sweep the folder holds at most keepShare/8 of its bound, and one is made before more than sweepShare of the bound has
// been written since: two processes on one folder stay within the bound together.
const (
	keepShare  = 7
	sweepShare = 16
	staleTemp  = time.Hour // after that an unfinished file is of a killed process
)

// write writes what is queued, one file after the other, and sweeps.
func (d *disk) write() {
	defer close(d.ended)
	d.sweep()
	var written int64 // since the sweep
	var rest time.Time
	for e := range d.queue {
		need := onDisk(int64(headBytes + len(d.name(e.key, e.index)) + len(e.about) + len(e.data) + sumBytes))
		if !d.wasRemoved(e) && need <= d.most/sweepShare && time.Now().After(rest) {
			if written+need > d.most/sweepShare {
				d.sweep()
				written = 0
			}
			err := d.place(e)
			switch {
			case err == nil:
				written += need
			case !missing(err): // a folder that another process has swept is no failure
				d.failures.Add(1)
				rest = time.Now().Add(restTime)
			}
			if d.wasRemoved(e) { // meanwhile
				os.Remove(d.file(e.key, e.index))
			}
		}
		d.done(e)
	}
}

// done takes an entry off the queue's account.
func (d *disk) done(e entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queued -= int64(len(e.data))
	if d.pending--; d.pending == 0 {
		clear(d.removed)
	}
}

// sweep removes the files that were used least recently until the rest is within the bound, and what killed processes left.
func (d *disk) sweep() {
	type file struct {
		path string
		size int64
		used time.Time
	}
	var files []file
	var total int64
	_ = filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil //nolint:nilerr // what another process removes meanwhile
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			return nil //nolint:nilerr // the same
		}
		if strings.HasPrefix(e.Name(), tempPrefix) && time.Since(info.ModTime()) > staleTemp {
			os.Remove(path)
			return nil
		}
		files = append(files, file{path, onDisk(info.Size()), info.ModTime()})
		total += onDisk(info.Size())
		return nil
	})
	if total <= d.most/8*keepShare {
		return
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path)) })
	for _, f := range files {
		if total <= d.most/8*keepShare {
			break
		}
		if err := os.Remove(f.path); err == nil || missing(err) {
			total -= f.size
			os.Remove(filepath.Dir(f.path)) // only when it is empty
		}
	}
}
