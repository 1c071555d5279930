package progress

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestLines(t *testing.T) {
	type add struct {
		after       time.Duration
		rows, bytes int64
	}
	for _, c := range []struct {
		name  string
		total int64
		adds  []add
		want  string
	}{
		{"total known", 100_000, []add{{2 * time.Second, 10_000, 4e6}, {3 * time.Second, 10_000, 6e6}, {time.Second, 80_000, 20e6}},
			"copy: 20000 of 100000 rows, 4000 rows/s, 2.0 MB/s, 5.0 s, about 20s left\ncopy: 100000 rows, 16667 rows/s, 5.0 MB/s, 6.0 s, done\n"},
		{"total unknown", -1, []add{{10 * time.Second, 500, 1e6}},
			"copy: 500 rows, 50 rows/s, 0.1 MB/s, 10.0 s\ncopy: 500 rows, 50 rows/s, 0.1 MB/s, 10.0 s, done\n"},
		{"the estimate was too low", 100, []add{{5 * time.Second, 200, 0}},
			"copy: 200 rows, 40 rows/s, 0.0 MB/s, 5.0 s\ncopy: 200 rows, 40 rows/s, 0.0 MB/s, 5.0 s, done\n"},
		{"a line every five seconds, not more", 1000, []add{{4 * time.Second, 1, 0}, {time.Second, 1, 0}, {4 * time.Second, 1, 0}},
			"copy: 2 of 1000 rows, 0 rows/s, 0.0 MB/s, 5.0 s, about 41m35s left\ncopy: 3 rows, 0 rows/s, 0.0 MB/s, 9.0 s, done\n"},
		{"no rows yet: no time left is known", 1000, []add{{6 * time.Second, 0, 3e6}},
			"copy: 0 of 1000 rows, 0 rows/s, 0.5 MB/s, 6.0 s\ncopy: 0 rows, 0 rows/s, 0.5 MB/s, 6.0 s, done\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bytes.Buffer
				p := &lines{w: &b}
				p.Begin("verify", 7) // an earlier step leaves nothing behind
				p.Add(7, 7)
				p.Begin("copy", c.total)
				for _, a := range c.adds {
					time.Sleep(a.after)
					p.Add(a.rows, a.bytes)
				}
				p.End()
				if b.String() != c.want {
					t.Errorf("printed\n%swant\n%s", b.String(), c.want)
				}
			})
		})
	}
}

// The bar goes on beyond an estimate that was too low, and shows rows/s, MB/s and what is left.
func TestBar(t *testing.T) {
	var b bytes.Buffer
	p := &bar{w: &b}
	p.Begin("copy", 1000)
	time.Sleep(rateEvery + 50*time.Millisecond)
	p.Add(250, 1e6)
	time.Sleep(rateEvery + 50*time.Millisecond)
	p.Add(250, 1e6)
	half := b.String()
	for _, want := range []string{"copy", "MB/s", "rows/s", "500/1000", "50%"} {
		if !strings.Contains(half, want) {
			t.Errorf("half way the bar lacks %q: %q", want, half)
		}
	}
	time.Sleep(rateEvery)
	p.Add(1000, 0)
	p.End()
	if got := b.String()[len(half):]; !strings.Contains(got, "1500/1500") || !strings.HasSuffix(got, "\n") {
		t.Errorf("at the end the bar is %q", got)
	}
	p.Add(1, 1) // after the end: nothing
	p.End()
}

func TestAtOnce(t *testing.T) {
	for _, p := range []Reporter{&bar{w: &bytes.Buffer{}}, &lines{w: &bytes.Buffer{}}, Silent} {
		p.Begin("load", 100)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 100 {
					p.Add(1, 10)
				}
			})
		}
		wg.Wait()
		if l, ok := p.(*lines); ok && (l.m.rows != 400 || l.m.bytes != 4000) {
			t.Errorf("%d rows and %d bytes, want 400 and 4000", l.m.rows, l.m.bytes)
		}
		p.End()
	}
}

// A file is no terminal.
func TestTo(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := To(f)
	p.Begin("copy", -1)
	p.End()
	text, err := os.ReadFile(f.Name())
	if err != nil || !strings.HasPrefix(string(text), "copy: 0 rows, ") {
		t.Errorf("wrote %q, %v", text, err)
	}
}

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewClock()
		time.Sleep(2 * time.Second)
		c.Done("plan")
		time.Sleep(3 * time.Second)
		c.Done("copy")
		if len(c.Steps) != 2 || c.Steps[0] != (Step{"plan", 2}) || c.Steps[1] != (Step{"copy", 3}) || c.Seconds() != 5 {
			t.Errorf("steps %v, %v s", c.Steps, c.Seconds())
		}
	})
}
