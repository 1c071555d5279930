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

// lineEvery is how often a log that is no terminal gets a line.
const lineEvery = 5 * time.Second

// To writes to f: a bar when it is a terminal, else lines.
func To(f *os.File) Reporter {
	if term.IsTerminal(int(f.Fd())) {
		return &bar{w: f}
	}
	return &lines{w: f}
}

type bar struct {
	mu    sync.Mutex
	w     io.Writer
	b     *progressbar.ProgressBar
	bytes int64
}

func (p *bar) Begin(step string, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes = 0
	p.b = progressbar.NewOptions64(total, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(fmt.Sprintf("%-8s", step)),
		progressbar.OptionShowIts(), progressbar.OptionSetItsString("rows"), progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetWidth(24))
}

func (p *bar) Add(rows, _ int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.b != nil {
		_ = p.b.Add64(rows) // a bar that cannot be drawn is no reason to stop
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
	mu          sync.Mutex
	w           io.Writer
	step        string
	total       int64
	rows, bytes int64
	began, told time.Time
}

func (p *lines) Begin(step string, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.step, p.total, p.rows, p.bytes, p.began, p.told = step, total, 0, 0, now, now
}

func (p *lines) Add(rows, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows += rows
	p.bytes += bytes
	if now := time.Now(); now.Sub(p.told) >= lineEvery {
		p.told = now
		p.line("")
	}
}

func (p *lines) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line(", done")
}

func (p *lines) line(end string) {
	took := time.Since(p.began).Seconds()
	of := ""
	if p.total > 0 {
		of = fmt.Sprintf(" of %d", p.total)
	}
	fmt.Fprintf(p.w, "%s: %d%s rows, %.0f rows/s, %.1f MB/s, %.1f s%s\n",
		p.step, p.rows, of, float64(p.rows)/max(took, 1e-3), float64(p.bytes)/1e6/max(took, 1e-3), took, end)
}
