package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ticks a second that /proc counts in: USER_HZ, 100 on all architectures that we run on.
const ticks = 100

// serverCPU is the user and system time so far of the server and its processes, those that have ended included, in seconds.
func (b *bench) serverCPU() float64 {
	first, _, _ := strings.Cut(readText(filepath.Join(b.pg.Dir, "data", "postmaster.pid")), "\n")
	if first == "" {
		return 0
	}
	var sum int64
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		// "pid (name) state ppid …": utime and stime are fields 14 and 15, those of ended children 16 and 17.
		_, rest, _ := bytes.Cut([]byte(readText(path)), []byte(") "))
		f := strings.Fields(string(rest))
		if len(f) < 15 {
			continue
		}
		n := 0
		switch {
		case path == fmt.Sprintf("/proc/%s/stat", first):
			n = 4
		case f[1] == first:
			n = 2
		}
		for _, v := range f[11 : 11+n] {
			t, _ := strconv.ParseInt(v, 10, 64)
			sum += t
		}
	}
	return float64(sum) / ticks
}

// readText is a file's text, "" where it is gone.
func readText(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}
