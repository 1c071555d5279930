package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// cpuOf is the user and system time of a process so far, in seconds.
func cpuOf(pid int) float64 {
	_, rest, _ := strings.Cut(readText(fmt.Sprintf("/proc/%d/stat", pid)), ") ")
	f := strings.Fields(rest)
	if len(f) < 15 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return float64(user+system) / ticks
}

// resetPeak lets a process's peak resident size begin anew.
func resetPeak(pid int) { _ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) }
