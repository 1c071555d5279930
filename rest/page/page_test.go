package page_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"frostline/internal/browser"
)

// TestPage walks through the page in a browser. FROSTLINE_SCREENSHOTS names a folder for pictures of it.
func TestPage(t *testing.T) {
	s := open(t)
	t.Run("tour", s.tour)
	t.Run("background", s.background)
	t.Run("links", s.links)
	t.Run("hostile", s.hostile)
	t.Run("keyboard", s.keyboard)
	t.Run("key", s.key)
	t.Run("looks", s.looks)
	t.Run("headers", s.headers)
	t.Run("expressions", s.expressions)
	t.Run("cut", s.cut)
	t.Run("empty", s.empty)
	t.Run("many", s.many)
}

// tour picks, filters, reads, turns pages, errs, explains, copies, downloads and looks at the proof.
func (s *site) tour(t *testing.T) {
	folder := t.TempDir()
	v := s.visit(t, browser.Options{Downloads: folder}, "")
	v.shot("1-first")

	// Pick.
	table := v.Text(`[...document.querySelectorAll("#table option")].find(o => o.text === "public.payments").value`)
	v.set("#table", table)
	v.Wait(`document.querySelectorAll("#partitions tbody tr").length === 4 && document.querySelectorAll("#columns li").length === 11`)
	if got := v.Text(`[...document.querySelectorAll("#partitions tbody tr")].map(r => r.cells[0].innerText.trim() + " " + r.cells[1].innerText).join("; ")`); got !=
		"All partitions 12,000; paid_at=2024-01 4,001; paid_at=2024-02 4,000; paid_at=2024-03 3,999" {
		t.Errorf("partitions: %s", got)
	}

	// Build.
	v.Click("#add-condition")
	v.set(".conditions li:nth-child(1) .column", "id")
	v.set(".conditions li:nth-child(1) .operator", ">")
	v.set(".conditions li:nth-child(1) .value", "7990")
	v.Click("#add-condition")
	v.set(".conditions li:nth-child(2) .column", "status")
	v.set(".conditions li:nth-child(2) .operator", "in")
	v.set(".conditions li:nth-child(2) .value", `settled, "failed", it's`)
	v.says("#built", `id > 7990 AND status IN ('settled', 'failed', 'it''s')`)
	v.set("#joiner", "OR")
	v.says("#built", `id > 7990 OR status IN ('settled', 'failed', 'it''s')`)
	v.set("#joiner", "AND")
	v.set("#limit", "50")
	v.run()
	for _, want := range []string{"2,672 rows match · ", " scanned · ", " read · ", "skipped 1 of 3 files"} {
		if got := v.Text(`document.querySelector("#totals").innerText`); !strings.Contains(got, want) {
			t.Errorf("totals %q lack %q", got, want)
		}
	}

	// Rows: types, NULL beside the empty text, long and binary values cut, all digits.
	v.says("#rows tbody tr:nth-child(1) th", "1")
	v.says("#rows tbody tr:nth-child(1) td:nth-child(2)", "7992")
	v.says("#rows tbody tr:nth-child(1) td:nth-child(5)", "9990.00")
	v.says("#rows tbody tr:nth-child(1) td:nth-child(7) .null", "NULL")
	v.says("#rows tbody tr:nth-child(2) td:nth-child(7) .empty", "empty")
	v.says("#rows tbody tr:nth-child(1) td:nth-child(12)", "9007199254748985")
	v.says("#rows tbody tr:nth-child(1) td:nth-child(8) button", "all (80 bytes)")
	if got := v.Text(`getComputedStyle(document.querySelector("#rows tbody tr td:nth-child(5)")).textAlign + getComputedStyle(document.querySelector("#rows tbody tr td:nth-child(6)")).textAlign`); got != "rightleft" {
		t.Errorf("amount and status are aligned %s", got)
	}
	v.shot("2-rows")

	v.says("#rows-of", `public.payments, all partitions: id > 7990 AND status IN ('settled', 'failed', 'it''s')`)

	// Pages.
	v.Click("#next")
	v.Wait(`document.querySelector("#page-number").textContent === "Page 2"`)
	v.says("#rows tbody tr:nth-child(1) th", "51")
	v.Click("#previous")
	v.Wait(`document.querySelector("#page-number").textContent === "Page 1"`)
	v.says("#rows tbody tr:nth-child(1) td:nth-child(2)", "7992")

	// Columns and order.
	v.Eval(`document.querySelector("#columns-box").open = document.querySelector("#order-box").open = true`, nil)
	v.Click("#columns-first")
	v.Click(`#columns li:nth-child(6) input`)
	v.Click("#add-order")
	v.set("#orders li:nth-child(1) .column", "id")
	v.set("#orders li:nth-child(1) select:nth-child(2)", "desc")
	v.run()
	v.says("#rows thead tr", "Row id bigint memo text")
	v.says("#rows tbody tr:nth-child(1) td:nth-child(2)", "11998")

	// Type, and err at a position.
	v.Click("input[name=mode][value=text]")
	if got := v.Text(`document.querySelector("#expression").value`); got != `id > 7990 AND status IN ('settled', 'failed', 'it''s')` {
		t.Errorf("the expression is %q", got)
	}
	v.set("#expression", "id > 7990 AND amuont > 5")
	v.Click("#run")
	v.Wait(`!document.querySelector("#filter-error").hidden`)
	v.says("#filter-error", `there is no column "amuont" · did you mean amount? (at character 15) id > 7990 AND amuont > 5`)
	v.says("#filter-error mark", "amuont")
	if got := v.Text(`document.activeElement.id + " " + document.activeElement.selectionStart + " " + document.activeElement.getAttribute("aria-invalid")`); got != "expression 14 true" {
		t.Errorf("after an error the focus is %q", got)
	}
	v.shot("3-error")
	v.set("#expression", "id > 7990 AND id < 8300")
	v.Press("Ctrl+Enter")
	v.Wait(`document.querySelector("#totals").textContent.startsWith("309 rows match")`)

	// A long text opens and closes.
	long := strings.Repeat("paid in part, see the letter; ", 12)
	cell := "#rows tbody tr:nth-child(3) td:nth-child(3) "
	v.says(cell, long[:120]+"…all (360 characters)")
	v.Click(cell + "button")
	v.says(cell, long+"less")
	v.Click(cell + "button")
	v.says(cell, long[:120]+"…all (360 characters)")

	// What is skipped, as a picture with its text.
	v.Click("#explain")
	v.Wait(`document.querySelectorAll("#plan .files svg").length === 3`)
	if got := v.Text(`[...document.querySelectorAll(".levels svg")].map(p => p.getAttribute("aria-label")).join("; ")`); got !=
		"Partitions: 2 of 3 read, 1 skipped; Files: 2 of 3 read, 1 skipped; Row groups: 2 of 8 read, 6 skipped; Pages: 2 of 8 read, 6 skipped" {
		t.Errorf("the picture says %q", got)
	}
	v.says("#plan-of", "public.payments, all partitions: id > 7990 AND id < 8300")
	v.says("#plan .files > :nth-child(6)", "1 of 4 groups, 1 of 4 pages")
	v.Click("#plan details summary")
	v.Wait(`document.querySelectorAll("#plan table tbody tr").length > 3`)
	v.shot("4-plan")

	// The request as curl works.
	v.Click("#curl")
	v.Wait(`document.querySelector("#status").textContent === "The request is copied."`)
	command := v.Text(`navigator.clipboard.readText()`)
	out, err := exec.Command("sh", "-c", command).Output()
	if err != nil || !strings.HasPrefix(string(out), `{"data":[{"id":8299,"memo":`) {
		t.Errorf("%s: %v %.100s", command, err, out)
	}

	// Downloads.
	for format, want := range map[string]string{"csv": "id,memo\r\n8299,", "jsonl": `{"id":8299,`, "parquet": "PAR1", "arrow": "\xff\xff\xff\xff", "json": `{"data":[{"id":8299,`} {
		v.set("#format", format)
		v.Click("#download")
		name := filepath.Join(folder, "public.payments."+format)
		var got []byte
		for until := time.Now().Add(20 * time.Second); len(got) == 0 && time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
			got, _ = os.ReadFile(name) // there when it is whole
		}
		if !strings.HasPrefix(string(got), want) {
			t.Errorf("%s begins with %.40q, want %q", name, got, want)
		}
		v.Wait(`document.querySelector("#status").textContent.startsWith("Downloaded")`)
	}

	// The proof.
	v.Click(`#partitions tbody tr:nth-child(2) button`)
	v.Wait(`document.querySelector("#proof").open`)
	_, record := s.get(t, "/api/v1/archives/record?archivePath=public/payments/paid_at=2024-01")
	for _, want := range []string{"xxh3-128:", ":4001", "Proof of paid_at=2024-01", "FOR VALUES FROM ('2024-01-01", "LSN", "SHA-256", "constraints", "public.payments_01"} {
		if got := v.Text(`document.querySelector("#proof").textContent`); !strings.Contains(got, want) {
			t.Errorf("the proof lacks %q", want)
		}
	}
	if sum := v.Text(`document.querySelector("#proof tbody td:nth-child(4)").textContent`); len(sum) != 64 || !strings.Contains(record, sum) {
		t.Errorf("checksum %q is not in the record", sum)
	}
	v.shot("5-proof")
	v.Press("Escape")
	v.Wait(`!document.querySelector("#proof").open && document.activeElement.textContent === "Proof"`)
	v.calm()
}

// background submits, watches, cancels, reads and forgets.
func (s *site) background(t *testing.T) {
	v := s.visit(t, browser.Options{}, "#table="+s.path(t)+"&expression=id+%3C+30&limit=20")
	s.held.Store(true)
	v.Click("#submit-long")
	v.Wait(`document.querySelector("#queries .state")?.textContent === "Running"`)
	v.Click("#queries tbody tr:nth-child(1) button")
	v.Wait(`document.querySelector("#queries .state")?.textContent === "Cancelled"`)
	s.held.Store(false)
	v.Click("#submit-long")
	v.Wait(`document.querySelector("#queries .state")?.textContent === "Done"`)
	v.says("#queries tbody tr:nth-child(1) td:nth-child(4)", "30")
	v.shot("6-background")
	v.Click("#queries tbody tr:nth-child(1) button")
	v.Wait(`document.querySelectorAll("#rows tbody tr").length === 20`)
	v.says("#rows tbody tr:nth-child(1) td:nth-child(2)", "0")
	v.says("#totals", "30 rows")
	v.Click("#next")
	v.Wait(`document.querySelectorAll("#rows tbody tr").length === 10`)
	v.says("#rows tbody tr:nth-child(10) th", "30")
	for rows := 2; rows > 0; rows-- {
		v.Wait(`document.querySelectorAll("#queries tbody tr").length === ` + string(rune('0'+rows)))
		v.Click("#queries tbody tr:nth-child(1) button:last-of-type")
	}
	v.Wait(`document.querySelector("#long").hidden`)
	v.calm()
}

// path is the archive path of the payments, escaped for a link.
func (s *site) path(t *testing.T) string {
	_, body := s.get(t, "/api/v1/archives/tables")
	for _, part := range strings.Split(body, `"`) {
		if strings.HasSuffix(part, "/public/payments") {
			return strings.ReplaceAll(part, "/", "%2F")
		}
	}
	t.Fatalf("no payments in %s", body)
	return ""
}

// links: what is chosen stands in the address, and an address brings it back.
func (s *site) links(t *testing.T) {
	v := s.visit(t, browser.Options{}, "#table="+s.path(t)+"&partition=paid_at%3D2024-02&join=OR&if=%5B%22customer%22%2C%22%3D%22%2C%227%22%5D&if=%5B%22memo%22%2C%22null%22%5D&column=id&column=memo&order=%5B%22id%22%2C%22desc%22%5D&limit=10&count=none")
	v.says("#built", "customer = 7 OR memo IS NULL")
	v.says("#columns-sum", "2 of 11")
	v.says("#order-sum", "id ↓")
	v.says("#partitions .picked td", "paid_at=2024-02")
	v.run()
	v.says("#rows tbody tr:nth-child(1) td:nth-child(2)", "7998")
	before := v.Text("location.hash")
	v.Click("#link")
	v.Wait(`document.querySelector("#status").textContent === "The link is copied."`)
	link := v.Text("navigator.clipboard.readText()")
	if link != s.URL+"/"+before {
		t.Errorf("the link is %s", link)
	}
	again := s.visit(t, browser.Options{}, strings.TrimPrefix(link, s.URL+"/"))
	again.says("#built", "customer = 7 OR memo IS NULL")
	if got := again.Text("location.hash"); got != before {
		t.Errorf("the state is %s after opening %s", got, before)
	}
	// A link to what is not there, or that is nonsense, says so and shows what is there.
	odd := s.visit(t, browser.Options{}, "#table=nowhere&if=%7B%7D&if=%5B%22x%22%2C%22constructor%22%5D&limit=-3&order=1")
	odd.Wait(`document.querySelector("#error").innerText.includes("The table of the link is not in this archive.")`)
	odd.calm()
	v.calm()
}

// hostile names and values stay text.
func (s *site) hostile(t *testing.T) {
	v := s.visit(t, browser.Options{}, "")
	v.says("#table option", "public."+hostile) // the first by name
	v.says("#partitions tbody tr:nth-child(2) td", hostile+"="+hostile)
	v.Click("#add-condition")
	v.set(".conditions .column", `a "quoted" one, too`)
	v.set(".conditions .value", `7`)
	v.says("#built", `"a ""quoted"" one, too" = 7`)
	v.set(".conditions .operator", "<>")
	v.run()
	v.says("#rows tbody tr:nth-child(1) td:nth-child(2)", hostile)
	v.says("#rows tbody tr:nth-child(1) td:nth-child(3)", `"><script>alert(3)</script>`)
	v.says("#rows tbody tr:nth-child(1) td:nth-child(4)", "8")
	v.Click("#explain")
	v.Wait(`!document.querySelector("#plan").hidden && document.querySelector("#status").textContent === "The plan is below."`)
	v.Click("#submit-long")
	v.Wait(`document.querySelector("#queries .state")?.textContent === "Done"`)
	v.Click("input[name=mode][value=text]")
	v.set("#expression", `"<img src=x onerror=alert(9)>" = 1`)
	v.Click("#run")
	v.Wait(`!document.querySelector("#filter-error").hidden`)
	v.Click(`#partitions tbody tr:nth-child(2) button`)
	v.Wait(`document.querySelector("#proof").open`)
	var found int
	v.Eval(`document.querySelectorAll("img, body script, svg[onload], b[onclick]").length`, &found)
	if found != 0 {
		t.Errorf("%d elements were made of names or values", found)
	}
	v.calm()
}
