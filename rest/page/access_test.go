package page_test

import (
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"frostline/internal/browser"
	"frostline/query"
	"frostline/rest"
)

// keyboard does a whole query without the mouse: every control is reached by Tab, in the order of the page, with a ring around it.
func (s *site) keyboard(t *testing.T) {
	v := s.visit(t, browser.Options{}, "#table="+s.path(t))
	v.Press("Tab")
	v.says(":focus", "Skip to the query")
	v.Press("Enter")
	v.Wait(`document.activeElement.id === "query"`)
	to := func(id string) {
		t.Helper()
		for range 40 {
			v.Press("Tab")
			if v.Text("document.activeElement.id") == id {
				if ring := v.Text(`getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth`); ring != "solid3px" {
					t.Errorf("%s has the focus ring %q", id, ring)
				}
				return
			}
		}
		t.Fatalf("Tab does not reach %s", id)
	}
	to("add-condition")
	v.Press("Enter")
	v.Wait(`document.activeElement.matches(".conditions .column")`) // the first column is id
	v.Press("Tab")
	v.Press("Tab")
	v.Wait(`document.activeElement.matches(".conditions .value")`)
	v.Type("4711")
	v.says("#built", "id = 4711")
	to("run")
	v.Press("Enter")
	v.Wait(`document.activeElement.id === "results-title"`)
	v.says("#rows tbody tr:nth-child(1) td:nth-child(2)", "4711")
	v.Press("Tab")
	v.Wait(`document.activeElement.getAttribute("aria-label") === "Table of rows"`)
	v.Press("Shift+Tab") // back to the form: nothing is caught
	v.Wait(`document.querySelector("#form").contains(document.activeElement)`)
	v.calm()
}

// names finds controls without a name, ids that stand twice, headings that skip a level, tables without headers and what does not fit the window.
const names = `(() => {
	const found = [], seen = e => e.checkVisibility()
	for (const e of document.querySelectorAll("button, input, select, textarea, a[href], svg[role=img], dialog, [role=region], nav, summary"))
		if (seen(e) && !(e.getAttribute("aria-label") || e.labels?.length || e.innerText?.trim() || document.getElementById(e.getAttribute("aria-labelledby")))) found.push("no name: " + e.outerHTML.slice(0, 120))
	for (const e of document.querySelectorAll("[aria-labelledby], [aria-describedby]"))
		for (const id of ((e.getAttribute("aria-labelledby") ?? "") + " " + (e.getAttribute("aria-describedby") ?? "")).split(" ").filter(Boolean)) if (!document.getElementById(id)) found.push("no element " + id)
	const ids = [...document.querySelectorAll("[id]")].map(e => e.id)
	for (const id of new Set(ids)) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push("twice: " + id)
	let level = 0
	for (const h of document.querySelectorAll("h1, h2, h3, h4")) if (seen(h)) { const l = Number(h.tagName[1]); if (l > level + 1) found.push("heading skips a level: " + h.innerText); level = l }
	for (const th of document.querySelectorAll("th")) if (!th.scope) found.push("no scope: " + th.innerText)
	for (const table of document.querySelectorAll("table")) if (seen(table) && !table.caption) found.push("no caption: " + table.id)
	if (document.documentElement.scrollWidth > innerWidth) found.push("wider than the window: " + document.documentElement.scrollWidth + " > " + innerWidth)
	for (const e of document.querySelectorAll("td, th, button, label, dd, p, h2")) if (seen(e) && !e.matches(".hidden, .hidden *") && e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0) found.push("runs over its edge: " + e.outerHTML.slice(0, 120))
	for (const e of document.querySelectorAll("button, select, input:not([type=checkbox]):not([type=radio])")) if (seen(e) && !e.matches(".more, .plain") && e.getBoundingClientRect().height < 24) found.push("too small to hit: " + e.outerHTML.slice(0, 80))
	return found.join("\n")
})()`

// looks checks contrast, names and fit, wide and narrow, light and dark, and takes pictures.
func (s *site) looks(t *testing.T) {
	for _, o := range []browser.Options{{Width: 1280, Height: 900}, {Width: 1280, Height: 900, Dark: true}, {Width: 360, Height: 740}, {Width: 768, Height: 1000, Dark: true}} {
		name := fmt.Sprintf("%d-%s", o.Width, map[bool]string{false: "light", true: "dark"}[o.Dark])
		t.Run(name, func(t *testing.T) {
			v := s.visit(t, o, "#table="+s.path(t)+"&if=%5B%22id%22%2C%22between%22%2C%223000%22%2C%225000%22%5D&if=%5B%22due%22%2C%22%3E%3D%22%2C%222024-01-05%22%5D&order=%5B%22id%22%2C%22asc%22%5D&limit=10")
			v.run()
			v.Click("#explain")
			v.Wait(`!document.querySelector("#plan").hidden`)
			v.Click("#submit-long")
			v.Wait(`document.querySelector("#queries .state")?.textContent === "Done"`)
			v.Eval(`document.querySelector("#plan details").open = document.querySelector("#columns-box").open = document.querySelector("#order-box").open = true`, nil)
			v.Wait(`document.querySelectorAll("#plan table tbody tr").length > 3`)
			if found := v.Text(names); found != "" {
				t.Error(found)
			}
			v.Eval(`document.querySelector("#plan details").open = document.querySelector("#columns-box").open = document.querySelector("#order-box").open = false`, nil)
			v.Eval(`scrollTo(0, 0)`, nil)
			v.shot("7-" + name)
			v.contrast(o.Dark)
			v.Click(`#partitions tbody tr:nth-child(2) button`)
			v.Wait(`document.querySelector("#proof").open`)
			if found := v.Text(names); found != "" {
				t.Errorf("with the proof open: %s", found)
			}
			v.Screenshot(s.shots+"/8-proof-"+name+".png", false)
			v.calm()
		})
	}
}

// contrast checks the pairs of colours that are used, by WCAG 2.2: 4.5 for text, 3 for lines that matter and pictures.
func (v visit) contrast(dark bool) {
	v.t.Helper()
	colour := map[string][3]float64{}
	for _, name := range []string{"bg", "panel", "text", "muted", "control", "accent", "on-accent", "danger", "danger-bg", "notice-bg", "read", "skipped", "stripe"} {
		hex := v.Text(`getComputedStyle(document.documentElement).getPropertyValue("--` + name + `").trim()`)
		var r, g, b int
		if n, err := fmt.Sscanf(hex, "#%02x%02x%02x", &r, &g, &b); n != 3 {
			v.t.Fatalf("--%s is %q: %v", name, hex, err)
		}
		colour[name] = [3]float64{float64(r), float64(g), float64(b)}
	}
	luminance := func(c [3]float64) float64 {
		for i := range c {
			if c[i] /= 255; c[i] <= 0.04045 {
				c[i] /= 12.92
			} else {
				c[i] = math.Pow((c[i]+0.055)/1.055, 2.4)
			}
		}
		return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
	}
	ratio := func(a, b string) float64 {
		x, y := luminance(colour[a]), luminance(colour[b])
		return (math.Max(x, y) + 0.05) / (math.Min(x, y) + 0.05)
	}
	for _, c := range []struct {
		ink  string
		on   []string
		want float64
	}{
		{"text", []string{"bg", "panel", "stripe", "danger-bg", "notice-bg"}, 7},
		{"muted", []string{"bg", "panel", "stripe"}, 4.5},
		{"accent", []string{"bg", "panel", "stripe"}, 4.5},
		{"on-accent", []string{"accent"}, 4.5},
		{"danger", []string{"bg", "stripe", "danger-bg"}, 4.5},
		{"control", []string{"bg", "panel"}, 3},
		{"read", []string{"skipped", "bg"}, 3},
	} {
		for _, on := range c.on {
			if r := ratio(c.ink, on); r < c.want {
				v.t.Errorf("%s on %s: contrast %.2f, want %.1f", c.ink, on, r, c.want)
			}
		}
	}
	if (luminance(colour["bg"]) < luminance(colour["text"])) != dark {
		v.t.Errorf("dark is %v, and the background is %v", dark, colour["bg"])
	}
}

// headers: the page and its parts may not be framed, run nothing inline, and are asked for again after an update.
func (s *site) headers(t *testing.T) {
	res, html := s.get(t, "/")
	if p := res.Header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'; script-src 'self'; style-src 'self'") || strings.Contains(p, "unsafe") {
		t.Errorf("policy %q", p)
	}
	if inline := regexp.MustCompile(`(?i)<style|\son[a-z]+=|\sstyle=|<script[^>]*>[^<]|javascript:|https?://`).FindString(html); inline != "" {
		t.Errorf("the page has %q", inline)
	}
	for _, part := range regexp.MustCompile(`"(page/[a-z.]+)"`).FindAllStringSubmatch(html, -1) {
		res, _ := s.get(t, "/"+part[1])
		if res.StatusCode != 200 || res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %v", part[1], res.StatusCode, res.Header)
		}
		req, err := http.NewRequest("GET", s.URL+"/"+part[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-None-Match", res.Header.Get("ETag"))
		if res, err = http.DefaultClient.Do(req); err != nil || res.StatusCode != 304 {
			t.Errorf("%s again: %v %v", part[1], res, err)
		}
		res.Body.Close()
	}
	for _, path := range []string{"/page/none.js", "/page/", "/page/..%2Fpage.go", "/index.html"} {
		if res, _ := s.get(t, path); res.StatusCode != 404 {
			t.Errorf("%s: %d, want 404", path, res.StatusCode)
		}
	}
}

// key: a server that wants a key gets it in a header; it stands neither in the address nor in the command that is copied.
func (s *site) key(t *testing.T) {
	const secret = "fk_0123456789"
	server := httptest.NewServer(rest.New(s.engine, rest.Options{Log: slog.New(slog.DiscardHandler), Identify: func(r *http.Request) (rest.Caller, error) {
		if r.Header.Get("Authorization") != "Bearer "+secret {
			return rest.Caller{}, &query.Error{Code: "unauthenticated", Msg: "this server wants to know who asks"}
		}
		return rest.Caller{ID: "reader"}, nil
	}}).Handler())
	defer server.Close()
	v := visit{s.browser.Page(t, browser.Options{}), t, s}
	v.Goto(server.URL + "/")
	v.Wait(`document.querySelector("#key-dialog").open && document.activeElement.id === "key-value"`)
	v.Screenshot(s.shots+"/9-key.png", false)
	v.Type("wrong")
	v.Press("Enter")
	v.Wait(`document.querySelector("#error").innerText.includes("this server wants to know who asks")`)
	v.Click("#key")
	v.Wait(`document.activeElement.id === "key-value"`)
	v.Type(secret)
	v.Press("Enter")
	v.Wait(`document.querySelectorAll("#columns li").length > 0`)
	v.run()
	v.Click("#curl")
	v.Wait(`document.querySelector("#status").textContent === "The request is copied."`)
	if command := v.Text("navigator.clipboard.readText()"); strings.Contains(command, secret) || !strings.Contains(command, `-H "Authorization: Bearer $QUERYD_KEY"`) {
		t.Errorf("copied: %s", command)
	}
	if at := v.Text("location.href"); strings.Contains(at, secret) {
		t.Errorf("the address is %s", at)
	}
	if html := v.Text("document.documentElement.outerHTML + document.querySelector('#key-value').value + JSON.stringify(localStorage) + document.cookie"); strings.Contains(html, secret) {
		t.Error("the key stands in the page")
	}
	v.calm()
}
