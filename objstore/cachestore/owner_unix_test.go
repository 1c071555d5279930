//go:build unix

package cachestore

import (
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// owned is a folder of that user.
type owned struct {
	fs.FileInfo
	uid int
}

func (o owned) Sys() any { return &syscall.Stat_t{Uid: uint32(o.uid)} }

func TestTrusted(t *testing.T) {
	for uid, want := range map[int]bool{0: true, os.Geteuid(): true, os.Geteuid() + 1: false} {
		if got := trusted(owned{uid: uid}); got != want {
			t.Errorf("a folder of user %d: %v, want %v", uid, got, want)
		}
	}
}
