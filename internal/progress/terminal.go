package progress

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

const (
	lineEvery = 5 * time.Second        // how often a log that is no terminal gets a line
	rateEvery = 250 * time.Millisecond // how often the bar's MB/s change
)

// To writes to f: a bar when it is a terminal, else lines.
func To(f *os.File) Reporter {
	if term.IsTerminal(int(f.Fd())) {
		return &bar{w: f}
	}
	return &lines{w: f}
}

// meter counts the work of one step.
type meter struct {
	step        string
	total       int64 // rows, -1 or 0 when unknown; an estimate may turn out too low
	rows, bytes int64
	began, told time.Time
}

func newMeter(step string, total int64) meter {
	now := time.Now()
	return meter{step: step, total: total, began: now, told: now}
}

// add counts, and says whether it is time to tell.
func (m *meter) add(rows, bytes int64, every time.Duration) bool {
	m.rows += rows
	m.bytes += bytes
	now := time.Now()
	if now.Sub(m.told) < every {
		return false
	}
	m.told = now
	return true
}

func (m *meter) seconds() float64 { return max(time.Since(m.began).Seconds(), 1e-3) }

// rate is in MB a second.
func (m *meter) rate() float64 { return float64(m.bytes) / 1e6 / m.seconds() }

// left is how long the rest takes at the speed so far, false when nobody knows.
func (m *meter) left() (time.Duration, bool) {
	if m.rows <= 0 || m.rows >= m.total {
		return 0, false
	}
	left := m.seconds() * float64(m.total-m.rows) / float64(m.rows)
	return time.Duration(left * float64(time.Second)).Round(time.Second), true
}

// bar shows rows, rows/s and the time left by itself, and MB/s behind the step's name.
type bar struct {
	mu sync.Mutex
	w  io.Writer
	b  *progressbar.ProgressBar
	m  meter
}

func (p *bar) Begin(step string, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if total == 0 {
		total = -1
	}
	p.m = newMeter(step, total)
	p.b = progressbar.NewOptions64(total, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(fmt.Sprintf("%-8s", step)),
		progressbar.OptionShowIts(), progressbar.OptionSetItsString("rows"), progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetWidth(24))
}

func (p *bar) Add(rows, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.b == nil {
		return
	}
	tell := p.m.add(rows, bytes, rateEvery)
	if p.m.total > 0 && p.m.rows > p.m.total { // it was an estimate; beyond its end the bar would stop
		p.m.total = p.m.rows
		p.b.ChangeMax64(p.m.rows)
	}
	_ = p.b.Add64(rows) // a bar that cannot be drawn is no reason to stop
	if tell && p.m.bytes > 0 {
		p.b.Describe(fmt.Sprintf("%-8s %.1f MB/s", p.m.step, p.m.rate()))
	}
}

func (p *bar) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.b != nil {
		_ = p.b.Exit()
		fmt.Fprintln(p.w)
		p.b = nil
	}
}

type lines struct {
	mu sync.Mutex
	w  io.Writer
	m  meter
}

func (p *lines) Begin(step string, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.m = newMeter(step, total)
}

func (p *lines) Add(rows, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m.add(rows, bytes, lineEvery) {
		end := ""
		if left, ok := p.m.left(); ok {
			end = fmt.Sprintf(", about %s left", left)
		}
		p.line(end)
	}
}

func (p *lines) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.m.total = 0
	p.line(", done")
}

func (p *lines) line(end string) {
	m, of := &p.m, ""
	if m.total > m.rows {
		of = fmt.Sprintf(" of %d", m.total)
	}
	fmt.Fprintf(p.w, "%s: %d%s rows, %.0f rows/s, %.1f MB/s, %.1f s%s\n", m.step, m.rows, of, float64(m.rows)/m.seconds(), m.rate(), m.seconds(), end)
}
