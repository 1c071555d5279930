package main

import (
	"os"
	"runtime"

	"frostline/postgres"
)

// shareCores leaves half of the cores to a server on this machine, whose processes do more of the work than ours: threads of ours
// that look for work would only take turns with them. GOMAXPROCS in the environment wins. It returns how many streams are
// worth having: the number of cores, up to 8.
func shareCores(db *postgres.DB) (workers int) {
	cores := runtime.GOMAXPROCS(0)
	if db.Local() && os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, cores/2))
	}
	return min(cores, 8)
}
