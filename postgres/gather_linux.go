package postgres

import (
	"net"
	"syscall"
)

// lowWater sets how many bytes wake a reader of c. It reports whether it could.
func lowWater(c *net.TCPConn, bytes int) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes)
	})
	return err == nil && failed == nil
}
