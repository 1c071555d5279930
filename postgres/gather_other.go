//go:build !linux

package postgres

import "net"

// lowWater reports that reads do not gather here.
func lowWater(*net.TCPConn, int) bool { return false }
