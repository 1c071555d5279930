// What a query reads and what is skipped, as a picture with its text.

import {byId, bytes, count, dollars, duration, el, plural, show, svg} from "./dom.js"

const shown = 40 // files with a bar of their own, at first

// bar is a strip of parts: {share, skipped} with shares that add up to width.
function bar(parts, width, label) {
  const picture = svg("svg", {viewBox: "0 0 1000 16", preserveAspectRatio: "none", role: "img", "aria-label": label})
  let x = 0
  for (const p of parts) {
    const w = width * 1000 * p.share, read = w * (1 - p.skipped)
    picture.append(svg("rect", {class: "skipped", x, y: 1, width: w, height: 14}))
    if (read > 0) picture.append(svg("rect", {class: "read", x, y: 1, width: Math.max(read, 3), height: 14}))
    picture.append(svg("rect", {class: "frame", x, y: 1, width: w, height: 14}))
    x += w
  }
  return picture
}

const share = l => l.total ? l.skipped / l.total : 0
const told = l => `${count(l.total - l.skipped)} of ${count(l.total)} read`

function levels(p) {
  const grid = el("div", {class: "levels"})
  for (const [name, l] of [["Partitions", p.partitions], ["Files", p.files], ["Row groups", p.rowGroups], ["Pages", p.pages]]) {
    if (!l.total) continue // the pages of a filter that needs none
    grid.append(el("span", {}, name), bar([{share: 1, skipped: share(l)}], 1, `${name}: ${told(l)}, ${count(l.skipped)} skipped`), el("span", {}, told(l)))
  }
  return grid
}

const reasons = {partition: "partition value", bounds: "bounds", bloom: "Bloom filter", page: "pages' bounds"}

// verdictText says what becomes of a file or a row group.
function verdictText(v) {
  if (v.verdict === "none") return `skipped by ${reasons[v.by] ?? v.by}`
  return v.verdict === "all" ? "read: every row matches" : "read"
}

function groupShare(g) { return g.verdict === "none" ? 1 : share(g.pages) }

function fileText(f) {
  if (f.verdict === "none" || !f.rowGroups.length) return verdictText(f)
  const groups = f.rowGroups.filter(g => g.verdict !== "none").length
  const pages = f.rowGroups.reduce((n, g) => n + g.pages.total, 0), left = f.rowGroups.reduce((n, g) => n + (g.verdict === "none" ? 0 : g.pages.total - g.pages.skipped), 0)
  return `${groups} of ${plural(f.rowGroups.length, "group")}` + (pages ? `, ${count(left)} of ${plural(pages, "page")}` : "")
}

function fileBars(files) {
  const grid = el("div", {class: "files"}), most = Math.max(1, ...files.map(f => f.rows))
  const draw = list => {
    for (const f of list) {
      const parts = f.verdict === "none" || !f.rowGroups.length ? [{share: 1, skipped: f.verdict === "none" ? 1 : 0}]
        : f.rowGroups.map(g => ({share: g.rows / Math.max(f.rows, 1), skipped: groupShare(g)}))
      grid.append(el("span", {class: "name", title: f.file}, `${f.partition} · ${f.file.split("/").pop()}`), bar(parts, Math.max(f.rows / most, 0.02), `${f.file}, ${plural(f.rows, "row")}: ${fileText(f)}`), el("span", {}, fileText(f)))
    }
  }
  draw(files.slice(0, shown))
  const more = files.length > shown ? el("button", {type: "button", onclick: () => { draw(files.slice(shown)); more.remove() }}, `Show the other ${count(files.length - shown)} files`) : null
  return [grid, more]
}

function asTable(files) {
  const rows = []
  for (const f of files) {
    rows.push(el("tr", {}, el("th", {scope: "row"}, f.file), el("td", {}, "file"), el("td", {class: "number"}, count(f.rows)), el("td", {class: "number"}, bytes(f.bytes)), el("td", {}, verdictText(f)), el("td", {class: "number"}, "")))
    f.rowGroups.forEach((g, i) => rows.push(el("tr", {}, el("th", {scope: "row"}, `row group ${i + 1}`), el("td", {}, "row group"), el("td", {class: "number"}, count(g.rows)), el("td", {class: "number"}, bytes(g.bytes)), el("td", {}, verdictText(g)), el("td", {class: "number"}, g.pages.total ? told(g.pages) : "–"))))
  }
  return el("table", {}, el("caption", {class: "hidden"}, "Files and row groups, and what becomes of them"),
    el("thead", {}, el("tr", {}, ...["Name", "Part", "Rows", "Size", "Verdict", "Pages"].map(h => el("th", {scope: "col"}, h)))), el("tbody", {}, ...rows))
}

// drawPlan shows an explanation.
export function drawPlan(x) {
  const details = el("details", {}, el("summary", {}, "The same as a table"))
  details.addEventListener("toggle", () => { // made when it is wanted: it may have thousands of rows
    if (details.open && details.childElementCount === 1) details.append(el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of files"}, asTable(x.files)))
  })
  const swatch = kind => svg("svg", {viewBox: "0 0 16 8", "aria-hidden": "true"}, svg("rect", {class: kind, width: 16, height: 8}), svg("rect", {class: "frame", x: .5, y: .5, width: 15, height: 7}))
  const notes = []
  if (x.omitted) notes.push(`${plural(x.omitted, "more file")} not listed.`)
  if (x.unopened) notes.push(`Of ${plural(x.unopened, "file")} the footers were not read; what is told of them is estimated.`)
  if (x.pruning.bloomSkipped) notes.push(`${plural(x.pruning.bloomSkipped, "row group")} skipped by Bloom filters alone.`)
  byId("plan-body").replaceChildren(
    el("p", {class: "totals"}, `At most ${plural(x.rows, "row")} could match · ${bytes(x.bytes)} to read · ${plural(x.requests, "request")} · ${dollars(x.costUsd)} · explained in ${duration(x.executionTimeMs)}`),
    levels(x.pruning),
    el("p", {class: "legend"}, el("span", {}, swatch("read"), "read"), el("span", {}, swatch("skipped"), "skipped"), el("span", {}, "one bar a file, as long as it has rows; one box a row group")),
    el("h3", {}, "Files"),
    ...(x.files.length ? fileBars(x.files).filter(Boolean) : [el("p", {class: "muted"}, "None.")]),
    ...notes.map(n => el("p", {class: "small muted"}, n)),
    ...(x.warnings ?? []).map(w => el("p", {class: "small"}, w)),
    details)
  show(byId("plan"), true)
}
