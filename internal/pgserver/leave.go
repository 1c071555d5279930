package pgserver

import (
	"fmt"
	"io"
)

// Leave lets the server run on after this process has ended, and gives the command that stops it and removes its
// folder.
func (s *Server) Leave() (stop string) {
	_, _ = io.WriteString(s.pipe, "done\n") // without a watcher there is nobody to tell
	s.pipe.Close()
	s.watcher.Wait()
	s.watcher = nil
	return fmt.Sprintf("kill -INT %d; sleep 1; rm -rf %s", s.cmd.Process.Pid, s.Dir)
}
