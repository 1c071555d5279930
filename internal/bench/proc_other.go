//go:build !linux

package main

func watchRSS(int) (peak func() int64) { return func() int64 { return 0 } }

func (b *bench) serverCPU() float64 { return 0 }

func cpuOf(int) float64 { return 0 }

func resetPeak(int) {}

func highWater(string) int64 { return 0 }
