package browser

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// Options are of a page.
type Options struct {
	Width, Height int    // of the window in CSS pixels; default 1280 by 900
	Dark          bool   // prefers-color-scheme
	Downloads     string // a folder that gets what is downloaded; "" takes none
}

// Page is a tab with a profile of its own.
type Page struct {
	tb      testing.TB
	b       *Browser
	session string

	mu       sync.Mutex
	troubles []string
}

// Page opens an empty tab, which is closed at the end of the test.
func (b *Browser) Page(tb testing.TB, o Options) *Page {
	tb.Helper()
	if o.Width == 0 {
		o.Width, o.Height = 1280, 900
	}
	p := &Page{tb: tb, b: b}
	profile := p.member("Target.createBrowserContext", nil, "browserContextId")
	target := p.member("Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": profile}, "targetId")
	session := p.member("Target.attachToTarget", map[string]any{"targetId": target, "flatten": true}, "sessionId")
	b.mu.Lock()
	b.page[session] = p
	b.mu.Unlock()
	tb.Cleanup(func() { _, _ = b.call("", "Target.disposeBrowserContext", map[string]any{"browserContextId": profile}) })
	p.do("Browser.grantPermissions", map[string]any{"permissions": []string{"clipboardReadWrite", "clipboardSanitizedWrite"}, "browserContextId": profile})
	if o.Downloads != "" {
		p.do("Browser.setDownloadBehavior", map[string]any{"behavior": "allow", "downloadPath": o.Downloads, "browserContextId": profile})
	}
	p.session = session
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		p.do(domain+".enable", nil)
	}
	scheme := "light"
	if o.Dark {
		scheme = "dark"
	}
	p.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
	p.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": o.Width, "height": o.Height, "deviceScaleFactor": 1, "mobile": false})
	p.do("Emulation.setFocusEmulationEnabled", map[string]any{"enabled": true})
	return p
}

func (p *Page) do(method string, params any) json.RawMessage {
	p.tb.Helper()
	session := p.session
	if strings.HasPrefix(method, "Browser.") || strings.HasPrefix(method, "Target.") {
		session = ""
	}
	result, err := p.b.call(session, method, params)
	if err != nil {
		p.tb.Fatal(err)
	}
	return result
}

// member is a string of a command's result.
func (p *Page) member(method string, params any, name string) string {
	p.tb.Helper()
	var m map[string]any
	if err := json.Unmarshal(p.do(method, params), &m); err != nil {
		p.tb.Fatal(err)
	}
	s, _ := m[name].(string)
	return s
}

// event keeps what a page should not do. It runs on the reader's goroutine.
func (p *Page) event(method string, params json.RawMessage) {
	var e struct {
		Type, Message    string
		Entry            struct{ Source, Level, Text string }
		ExceptionDetails struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	_ = json.Unmarshal(params, &e) // what cannot be read has none of these
	var trouble string
	switch {
	case method == "Page.javascriptDialogOpening":
		trouble = "dialog: " + e.Message
		_ = p.b.post(p.session, "Page.handleJavaScriptDialog", map[string]any{"accept": false}, nil)
	case method == "Runtime.exceptionThrown":
		trouble = "exception: " + e.ExceptionDetails.Text + " " + e.ExceptionDetails.Exception.Description
	case method == "Runtime.consoleAPICalled" && e.Type == "error":
		trouble = "console: " + string(params)
	case method == "Log.entryAdded" && e.Entry.Level == "error" && e.Entry.Source != "network":
		trouble = e.Entry.Source + ": " + e.Entry.Text
	}
	if trouble != "" {
		p.mu.Lock()
		p.troubles = append(p.troubles, trouble)
		p.mu.Unlock()
	}
}

// Troubles are the dialogs, exceptions, console errors and breaches of the security policy until now. Failed requests are none.
func (p *Page) Troubles() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.troubles...)
}

// Goto opens url and waits until it is loaded.
func (p *Page) Goto(url string) {
	p.tb.Helper()
	p.do("Page.navigate", map[string]any{"url": url})
	p.Wait(`location.href !== "about:blank" && document.readyState === "complete"`)
}

// Eval runs script, a JavaScript expression, which may be a promise, and reads its value into out where that is not nil.
func (p *Page) Eval(script string, out any) {
	p.tb.Helper()
	if err := p.eval(script, out); err != nil {
		p.tb.Fatalf("%s: %v", script, err)
	}
}

func (p *Page) eval(script string, out any) error {
	result, err := p.b.call(p.session, "Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true})
	if err != nil {
		return err
	}
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	if err := json.Unmarshal(result, &r); err != nil {
		return err
	}
	if r.ExceptionDetails != nil {
		return fmt.Errorf("%s", r.ExceptionDetails.Exception.Description)
	}
	if out == nil || len(r.Result.Value) == 0 {
		return nil
	}
	return json.Unmarshal(r.Result.Value, out)
}

// Text is the string value of script.
func (p *Page) Text(script string) string {
	p.tb.Helper()
	var s string
	p.Eval(script, &s)
	return s
}

// Wait waits until script is true.
func (p *Page) Wait(script string) {
	p.tb.Helper()
	var last error
	for until := time.Now().Add(timeout); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		var ok bool
		if last = p.eval("Boolean("+script+")", &ok); ok {
			return
		}
	}
	text := p.Text(`document.querySelector("#status, body").innerText + " | " + (document.querySelector("#error") || {}).innerText`)
	p.tb.Fatalf("it never came to be that %s (%v); the page says %q, troubles %v", script, last, text, p.Troubles())
}

// Click clicks the middle of what the CSS selector finds, as a mouse does; something in front of it gets the click.
func (p *Page) Click(selector string) {
	p.tb.Helper()
	q, _ := json.Marshal(selector) // a string has a JSON
	var at struct {
		X, Y float64
	}
	p.Eval(`(() => { const e = document.querySelector(`+string(q)+`); e.scrollIntoView({block: "center"}); const r = e.getBoundingClientRect(); return {X: r.x + r.width / 2, Y: r.y + r.height / 2} })()`, &at)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		p.do("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1})
	}
}

// keys are those that tests press, with their Windows codes.
var keys = map[string]int{"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "End": 35, "Home": 36, "ArrowUp": 38, "ArrowDown": 40}

// Press presses a key; "Shift+Tab" holds Shift, "Ctrl+Enter" holds Control.
func (p *Page) Press(key string) {
	p.tb.Helper()
	modifiers := 0
	for name, bit := range map[string]int{"Shift+": 8, "Ctrl+": 2} {
		if rest, held := strings.CutPrefix(key, name); held {
			key, modifiers = rest, bit
		}
	}
	code := keys[key]
	if code == 0 {
		p.tb.Fatalf("unknown key %q", key)
	}
	down := map[string]any{"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
	if key == "Enter" && modifiers == 0 {
		down["text"] = "\r"
	}
	if key == " " {
		down["text"], down["code"] = " ", "Space"
	}
	p.do("Input.dispatchKeyEvent", down)
	p.do("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "code": down["code"], "windowsVirtualKeyCode": code, "modifiers": modifiers})
}

// Type writes text where the focus is.
func (p *Page) Type(text string) {
	p.tb.Helper()
	p.do("Input.insertText", map[string]any{"text": text})
}

// Screenshot writes what the window shows, or the whole page, as PNG.
func (p *Page) Screenshot(path string, whole bool) {
	p.tb.Helper()
	data, err := base64.StdEncoding.DecodeString(p.member("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": whole}, "data"))
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		p.tb.Fatal(err)
	}
}
