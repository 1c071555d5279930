package cli

import (
	"os"
	"runtime/debug"
)

// Memory is the flag of a command whose memory does not grow with the data.
type Memory struct {
	MiB int `name:"memory" help:"MiB of memory to stay within: the collector works harder near it. A value of more than 100 MB needs what it is longer." default:"256" placeholder:"MIB"`
}

// Limit sets the runtime's limit, and keeps a quarter for what the runtime does not count. GOMEMLIMIT wins.
func (m Memory) Limit() {
	if m.MiB > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(m.MiB) << 20 / 4 * 3)
	}
}
