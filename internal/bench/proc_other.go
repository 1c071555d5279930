//go:build !linux

package main

func watchRSS(int) (peak func() int64) { return func() int64 { return 0 } }

func (b *bench) serverCPU() float64 { return 0 }
