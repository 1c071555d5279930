//go:build race

package query_test

// raced is whether the race detector is on: it takes several times the memory and the time.
const raced = true
