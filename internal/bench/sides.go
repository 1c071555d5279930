package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// side is one way to do the work that is measured; it gives the seconds and, of a process, what else it took.
type side struct {
	name, what string
	run        func(round int) (process, error)
	after      func() error // makes room for the next run; may be nil
	peer       *side        // that it is compared with, nil none
	runs       []process
}

// seconds is 0 where the side did not run.
func (s *side) seconds() float64 { return s.of(func(p process) float64 { return p.seconds }) }

// of is the median of one figure of the side's runs, 0 where it did not run.
func (s *side) of(figure func(process) float64) float64 {
	if len(s.runs) == 0 {
		return 0
	}
	return of(s.runs, figure)
}

// rounds lets the sides that -only names, or all, take turns, and returns them.
func (b *bench) rounds(sides []*side) ([]*side, error) {
	chosen, err := b.choose(sides)
	if err != nil {
		return nil, err
	}
	for round := range b.runs {
		for _, s := range chosen {
			note("round %d of %d, %s", round+1, b.runs, s.name)
			runtime.GC()
			before := b.serverCPU()
			p, err := s.run(round)
			if err == nil {
				p.server = b.serverCPU() - before
				s.runs = append(s.runs, p)
				if s.after != nil {
					err = s.after()
				}
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return chosen, nil
}

// choose is the sides that -only names, or all.
func (b *bench) choose(sides []*side) ([]*side, error) {
	if b.only == "" {
		return sides, nil
	}
	var chosen []*side
	for _, name := range strings.Split(b.only, ",") {
		i := slices.IndexFunc(sides, func(s *side) bool { return s.name == name })
		if i < 0 {
			var names []string
			for _, s := range sides {
				names = append(names, s.name)
			}
			return nil, fmt.Errorf("-only: there is no side %q; there are %s", name, strings.Join(names, ", "))
		}
		chosen = append(chosen, sides[i])
	}
	return chosen, nil
}

// addMemory adds the peak memory of the sides that are processes of ours.
func (r *report) addMemory(sides []*side) {
	for _, s := range sides {
		if s.runs[0].rss > 0 {
			r.add(s.name+"_rss", "peak memory: "+s.what, "256 MiB", "bytes", s.of(func(p process) float64 { return float64(p.rss) }), 256<<20)
		}
	}
}
