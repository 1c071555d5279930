//go:build !unix

package pgserver

import (
	"errors"
	"syscall"
)

type account struct{}

func serverUser() (*account, error) {
	return nil, errors.New("start PostgreSQL: private servers are supported on Unix systems only")
}

func (a *account) own(string) error           { return nil }
func (a *account) attr() *syscall.SysProcAttr { return nil }
func ownGroup() *syscall.SysProcAttr          { return nil }
