package postgres

import (
	"net"
	"strings"
)

// Local says whether the server is reached by a socket or the loopback address: it runs on this machine, or is the end of a
// tunnel that does.
func (db *DB) Local() bool { return local(db.pool.Config().ConnConfig.Host) }

func local(host string) bool {
	return strings.HasPrefix(host, "/") || host == "localhost" || net.ParseIP(host).IsLoopback()
}
