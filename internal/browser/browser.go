// Package browser drives a headless Chromium in tests, by the DevTools protocol over a pipe.
//
// One browser serves a test binary's package level test; each [Page] has a profile of its own, so that nothing is shared
// between pages. All methods fail the test on error. A test is skipped only where no browser is installed and
// FROSTLINE_REQUIRE_CHROMIUM is not set; FROSTLINE_CHROMIUM names the program. A page is for one goroutine.
package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// timeout is of one command, and of each wait of a page. The machine may be busy.
const timeout = 30 * time.Second

// Browser is a running Chromium.
type Browser struct {
	send io.WriteCloser
	mu   sync.Mutex
	next int
	wait map[int]chan answer
	page map[string]*Page // by session
	gone chan struct{}
}

type answer struct {
	result json.RawMessage
	err    error
}

// program finds the browser.
func program() string {
	for _, name := range []string{os.Getenv("FROSTLINE_CHROMIUM"), "chromium", "chromium-browser", "google-chrome",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	return ""
}

// Start starts a browser that ends with the test.
func Start(tb testing.TB) *Browser {
	tb.Helper()
	path := program()
	if path == "" && os.Getenv("FROSTLINE_REQUIRE_CHROMIUM") == "" {
		tb.Skip("no Chromium is installed: scripts/need chromium")
	}
	if path == "" {
		tb.Fatal("no Chromium is installed: scripts/need chromium")
	}
	in, send, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	receive, out, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	profile, err := os.MkdirTemp("", "browser") // not TempDir, whose removal fails where a process still writes
	if err != nil {
		tb.Fatal(err)
	}
	args := []string{"--headless=new", "--remote-debugging-pipe", "--user-data-dir=" + profile, "--no-first-run", "--disable-gpu",
		"--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--lang=en-US", "about:blank"}
	if os.Geteuid() == 0 { // the sandbox refuses root
		args = append([]string{"--no-sandbox"}, args...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.ExtraFiles = []*os.File{in, out} // 3 and 4
	if err := cmd.Start(); err != nil {
		cancel()
		os.RemoveAll(profile)
		tb.Fatal(err)
	}
	in.Close()
	out.Close()
	b := &Browser{send: send, wait: map[int]chan answer{}, page: map[string]*Page{}, gone: make(chan struct{})}
	go b.read(receive)
	tb.Cleanup(func() {
		_, _ = b.call("", "Browser.close", nil)
		kill := time.AfterFunc(timeout, cancel)
		_ = cmd.Wait() // ended, or killed
		kill.Stop()
		cancel()
		send.Close()
		receive.Close()
		for until := time.Now().Add(timeout); ; time.Sleep(20 * time.Millisecond) { // helpers end after it
			err := os.RemoveAll(profile)
			if err == nil {
				return
			}
			if time.Now().After(until) {
				tb.Errorf("left behind: %v", err)
				return
			}
		}
	})
	return b
}

// read hands answers to those who wait, and events to their pages, until the browser ends.
func (b *Browser) read(r io.Reader) {
	defer close(b.gone)
	for in := bufio.NewReaderSize(r, 1<<20); ; {
		text, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var m struct {
			ID        int
			SessionID string `json:"sessionId"`
			Method    string
			Params    json.RawMessage
			Result    json.RawMessage
			Error     *struct{ Message string }
		}
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		waiting, page := b.wait[m.ID], b.page[m.SessionID]
		delete(b.wait, m.ID)
		b.mu.Unlock()
		switch {
		case m.Method != "" && page != nil:
			page.event(m.Method, m.Params)
		case waiting != nil && m.Error != nil:
			waiting <- answer{nil, errors.New(m.Error.Message)}
		case waiting != nil:
			waiting <- answer{m.Result, nil}
		}
	}
}

// post sends a command and does not wait.
func (b *Browser) post(session, method string, params any, to chan answer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	m := map[string]any{"id": b.next, "method": method}
	if params != nil {
		m["params"] = params
	}
	if session != "" {
		m["sessionId"] = session
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if to != nil {
		b.wait[b.next] = to
	}
	_, err = b.send.Write(append(text, 0))
	return err
}

// call sends a command and gives its result.
func (b *Browser) call(session, method string, params any) (json.RawMessage, error) {
	to := make(chan answer, 1)
	if err := b.post(session, method, params, to); err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	select {
	case a := <-to:
		if a.err != nil {
			return nil, fmt.Errorf("%s: %w", method, a.err)
		}
		return a.result, nil
	case <-b.gone:
		return nil, fmt.Errorf("%s: the browser has ended", method)
	case <-time.After(timeout):
		return nil, fmt.Errorf("%s: no answer in %s", method, timeout)
	}
}
