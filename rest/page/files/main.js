// The page: what the reader picks, asks and sees.

import {asCurl, get, key, post, send} from "./api.js"
import {byId, bytes, copyText, count, el, fileName, plural, save, show, when} from "./dom.js"
import {Form} from "./filter.js"
import {Long} from "./long.js"
import {drawPlan} from "./plan.js"
import {showProof} from "./proof.js"
import {drawRows, drawTotals} from "./rows.js"
import {blank, read, write} from "./state.js"

const mostPartitions = 500 // that are listed at once

let s = blank() // what is chosen
let tables = [], partitions = [], columns = []
let running = null // the AbortController of what runs
let pages = null // of the rows that are shown: {body or query, tokens, at, first: number of rows before each page}
let chosen = 0 // counts choices, so that a late answer of an earlier one is dropped

const form = new Form(() => history.replaceState(null, "", write(s)))
const say = text => { byId("status").textContent = text }
const long = new Long({results: showResults, say, failed})

function failed(error) {
  if (error?.name === "AbortError") return say("Stopped.")
  const box = byId("error")
  say("")
  if (error.field === "filterExpression") return form.failed(error)
  box.replaceChildren(el("strong", {}, error.message ?? String(error)), ...(error.hint ? [el("span", {}, ` · ${error.hint}`)] : []),
    ...(error.code ? [el("span", {class: "small muted"}, ` (${error.code})`)] : []))
  show(box, true)
}

function clearErrors() {
  show(byId("error"), false)
  form.failed(null)
}

// work runs f with a signal that Stop ends.
async function work(text, f) {
  running?.abort()
  const mine = running = new AbortController()
  clearErrors()
  say(text)
  byId("stop").disabled = false
  try {
    await f(mine.signal)
  } catch (error) {
    if (running === mine) failed(error)
  } finally {
    if (running === mine) {
      running = null
      byId("stop").disabled = true
    }
  }
}

// request is the body of a query.
function request() {
  const body = {archivePath: s.partition ? partitions.find(p => p.name === s.partition)?.archivePath ?? `${s.table}/${s.partition}` : s.table}
  if (s.columns.length) body.columns = s.columns
  const expression = form.expression()
  if (expression) body.filterExpression = expression
  if (s.order.length) body.orderBy = s.order.map(o => o.direction === "desc" ? o : {column: o.column})
  return body
}

const page = () => ({...request(), limit: s.limit, ...(s.count ? {} : {count: "none"})})

// described says what is asked, for the rows that stay on the page while the form changes.
function described() {
  const t = tables.find(t => t.archivePath === s.table)
  return `${t.schema}.${t.table}, ${s.partition || "all partitions"}: ${form.expression() || "all rows"}`
}

const named = () => columns.filter(c => !s.columns.length || s.columns.includes(c.name))

// Archive: tables and partitions.

async function loadTables() {
  tables = (await get("tables")).tables
  byId("table").replaceChildren(...tables.map(t => el("option", {value: t.archivePath}, `${t.schema}.${t.table}`)))
  if (!tables.length) {
    byId("table-note").textContent = "Nothing is archived here yet, or nothing that you may see."
    return
  }
  if (!tables.some(t => t.archivePath === s.table)) {
    const wanted = s.table
    s = Object.assign(wanted ? blank() : s, {table: tables[0].archivePath})
    if (wanted) failed(new Error("The table of the link is not in this archive."))
  }
  await pickTable()
}

async function pickTable() {
  const mine = ++chosen
  byId("table").value = s.table
  const t = tables.find(t => t.archivePath === s.table)
  byId("table-note").textContent = `${plural(t.partitions, "partition")}, ${plural(t.totalRecords, "row")}, ${bytes(t.totalBytes)} in ${plural(t.totalFiles, "file")}`
  const list = (await get("partitions", {archivePath: s.table})).partitions
  if (mine !== chosen) return
  partitions = list
  show(byId("partition-search"), partitions.length > 12)
  byId("search").value = ""
  if (s.partition && !partitions.some(p => p.name === s.partition)) {
    s.partition = ""
    failed(new Error("The partition of the link is not archived; all partitions are chosen."))
  }
  drawPartitions(t)
  await pickPartition()
}

async function pickPartition() {
  const mine = ++chosen
  for (const row of byId("partitions").tBodies[0].rows) row.classList.toggle("picked", row.dataset.name === s.partition)
  const m = await get("metadata", {archivePath: s.partition ? partitions.find(p => p.name === s.partition).archivePath : s.table})
  if (mine !== chosen) return
  columns = m.columns
  const known = new Set(columns.map(c => c.name))
  s.columns = s.columns.filter(c => known.has(c))
  form.draw(s, columns)
  show(byId("form"), true)
  history.replaceState(null, "", write(s))
}

function drawPartitions(t) {
  const wanted = byId("search").value.trim().toLowerCase()
  const radio = (name, ...text) => el("label", {}, el("input", {type: "radio", name: "partition", value: name, checked: s.partition === name, onchange: () => {
    s.partition = name
    pickPartition().catch(failed)
  }}), el("span", {}, ...text))
  const found = partitions.filter(p => !wanted || p.name.toLowerCase().includes(wanted))
  const rows = found.slice(0, mostPartitions).map(p => el("tr", {"data-name": p.name}, el("td", {}, radio(p.name, ...p.name.split(/(?<==)/).flatMap((part, i) => i ? [el("wbr"), part] : [part]))),
    el("td", {class: "number"}, count(p.totalRecords)), el("td", {class: "number"}, bytes(p.totalBytes)), el("td", {class: "when", title: `${p.archivedAt}`}, when(p.archivedAt).slice(0, 10)),
    el("td", {}, el("button", {type: "button", class: "plain", "aria-label": `Proof of ${p.name}`, onclick: () => showProof(p).catch(failed)}, "Proof"))))
  if (!wanted) rows.unshift(el("tr", {"data-name": ""}, el("td", {}, radio("", "All partitions")), el("td", {class: "number"}, count(t.totalRecords)), el("td", {class: "number"}, bytes(t.totalBytes)), el("td", {class: "when"}, when(t.archivedAt).slice(0, 10)), el("td", {})))
  if (found.length > mostPartitions) rows.push(el("tr", {}, el("td", {colspan: 5, class: "muted"}, `and ${plural(found.length - mostPartitions, "more", "more")}: find them by name`)))
  byId("partitions").tBodies[0].replaceChildren(...rows)
  for (const row of rows) row.classList.toggle("picked", row.dataset.name === s.partition)
}

// Rows.

async function run() {
  pages = {body: page(), of: described(), columns: named(), tokens: [null], first: [0], at: 0}
  await showPage()
}

async function showResults(q) {
  pages = {query: q, of: `Background query submitted ${when(q.submittedAt)}`, columns: null, tokens: [null], first: [0], at: 0}
  await showPage()
}

const showPage = () => work("Reading…", async signal => {
  const p = pages, token = p.tokens[p.at]
  let answer
  if (p.query) {
    answer = await get(`queries/${p.query.id}/results`, {limit: s.limit, ...(token ? {pageToken: token} : {})}, signal)
    byId("totals").textContent = plural(answer.totalRows, "row")
    show(byId("warnings"), false)
  } else {
    answer = await post("query", {...p.body, numbers: "string", ...(token ? {pageToken: token} : {})}, signal)
    drawTotals(answer)
  }
  byId("rows-of").textContent = p.of
  const first = p.first[p.at]
  drawRows(answer, p.columns ?? Object.keys(answer.schema).map(name => ({name, type: answer.schema[name]})), first + 1, `Page ${p.at + 1} of the rows`)
  p.tokens[p.at + 1] = answer.nextPageToken
  p.first[p.at + 1] = first + answer.data.length
  byId("page-number").textContent = `Page ${p.at + 1}`
  byId("previous").disabled = p.at === 0
  byId("next").disabled = !answer.nextPageToken
  show(byId("results"), true)
  byId("results-title").focus({preventScroll: p.at > 0})
  say(answer.data.length ? `Rows ${count(first + 1)} to ${count(first + answer.data.length)}.` : "No rows match.")
})

const turn = by => { pages.at += by; return showPage() }

const explain = () => work("Planning…", async signal => {
  const of = described()
  drawPlan(await post("explain", request(), signal))
  byId("plan-of").textContent = of
  byId("plan-title").focus()
  say("The plan is below.")
})

// download keeps nothing of an answer that was cut.
const download = () => work("Downloading…", async signal => {
  const format = byId("format").value
  const answer = await send("query", {method: "POST", body: format === "json" ? page() : {...request(), format}, signal})
  const parts = []
  let size = 0, told = Date.now()
  for (const reader = answer.body.getReader(); ;) {
    const {done, value} = await reader.read().catch(error => {
      throw error.name === "AbortError" ? error : new Error("The answer broke off on its way; nothing was saved.", {cause: error})
    })
    if (done) break
    parts.push(value)
    size += value.length
    if (Date.now() - told > 1000) { told = Date.now(); say(`Downloading… ${bytes(size)}`) }
  }
  const t = tables.find(t => t.archivePath === s.table)
  save(new Blob(parts, {type: answer.headers.get("Content-Type")}), `${fileName([t.schema, t.table, s.partition].filter(Boolean).join("."))}.${format}`)
  say(`Downloaded ${bytes(size)}.`)
})

async function copied(text, what) {
  try {
    await copyText(text)
    say(`${what} is copied.`)
  } catch (error) { failed(error) }
}

// The key.

let asking = null // one dialog for all who ask at once

key.ask = problem => asking ??= new Promise(done => {
  const dialog = byId("key-dialog")
  byId("key-note").textContent = (problem?.detail ? `The server says: ${problem.detail}. ` : "") + "The key is kept in this tab until it is closed, and is sent with each request. It never stands in a link."
  byId("key-value").value = ""
  const end = given => { dialog.close(); done(given) }
  byId("key-form").onsubmit = e => { e.preventDefault(); key.set(byId("key-value").value.trim()); byId("key-value").value = ""; end(key.get() !== "") }
  byId("key-cancel").onclick = () => end(false)
  byId("key-forget").onclick = () => { key.set(""); end(false) }
  dialog.oncancel = () => done(false)
  dialog.showModal()
}).finally(() => { asking = null })

async function start() {
  s = read(location.hash)
  form.draw(s, [])
  try {
    await loadTables()
    await long.refresh()
  } catch (error) { failed(error) }
}

byId("table").addEventListener("change", e => { s = Object.assign(blank(), {table: e.target.value, limit: s.limit, count: s.count}); form.draw(s, []); pickTable().catch(failed) })
byId("search").addEventListener("input", () => drawPartitions(tables.find(t => t.archivePath === s.table)))
byId("form").addEventListener("submit", e => { e.preventDefault(); run() })
byId("expression").addEventListener("keydown", e => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); run() } })
byId("stop").addEventListener("click", () => running?.abort())
byId("explain").addEventListener("click", explain)
byId("previous").addEventListener("click", () => turn(-1))
byId("next").addEventListener("click", () => turn(1))
byId("download").addEventListener("click", download)
byId("curl").addEventListener("click", () => copied(asCurl("query", page()), "The request"))
byId("link").addEventListener("click", () => copied(location.href.replace(/#.*$/, "") + write(s), "The link"))
byId("submit-long").addEventListener("click", () => work("Submitting…", () => long.submit({...request(), numbers: "string"})))
byId("proof-close").addEventListener("click", () => byId("proof").close())
byId("key").addEventListener("click", async () => { if (await key.ask()) start() })
byId("skip").addEventListener("click", e => { e.preventDefault(); byId("query").focus() }) // the address keeps the state
addEventListener("hashchange", () => { s = read(location.hash); if (tables.length) loadTables().catch(failed) })
start()
