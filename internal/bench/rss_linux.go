package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// watchRSS follows a process; peak ends that and gives its peak resident size in bytes. The kernel's own figure at the end
// of a process (ru_maxrss) is no use: it starts with the peak of the process that started it.
func watchRSS(pid int) (peak func() int64) {
	status := fmt.Sprintf("/proc/%d/status", pid)
	stop, high := make(chan struct{}), make(chan int64)
	go func() {
		var last int64
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			if now := highWater(status); now > 0 {
				last = now
			}
			select {
			case <-tick.C:
			case <-stop:
				tick.Stop()
				high <- last
				return
			}
		}
	}()
	return func() int64 { close(stop); return <-high }
}

// highWater is VmHWM, 0 when the process has ended.
func highWater(status string) int64 {
	text, _ := os.ReadFile(status)
	_, after, _ := bytes.Cut(text, []byte("VmHWM:"))
	number, _, _ := bytes.Cut(bytes.TrimLeft(after, " \t"), []byte(" "))
	kb, _ := strconv.ParseInt(string(number), 10, 64)
	return kb << 10
}
