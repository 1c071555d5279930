// Rows as a table.

import {byId, bytes, count, duration, el, plural, show} from "./dom.js"

const longest = 120 // characters of a cell before it is cut

// classOf says how a column of an Iceberg type is set.
function classOf(type, sourceType = "") {
  if (/^(int|long|float|double|decimal)/.test(type) || sourceType.startsWith("numeric") && type === "string") return "number"
  if (/^(date|time|timestamp)/.test(type)) return "time"
  return type === "binary" ? "bytes" : "text"
}

function cell(value, kind) {
  if (value === null || value === undefined) return el("td", {class: kind}, el("span", {class: "null"}, "NULL"))
  if (value === "") return el("td", {class: kind}, el("span", {class: "empty"}, "empty"))
  const text = typeof value === "string" ? value : JSON.stringify(value)
  if (kind === "bytes") return binaryCell(text)
  const characters = text.length > longest ? [...text] : []
  if (characters.length <= longest) return el("td", {class: text.length > 30 && kind === "text" ? "text wide" : kind}, text)
  return cutCell(kind, characters.slice(0, longest).join("") + "…", text, `${count(characters.length)} characters`)
}

function binaryCell(text) {
  const size = text.length / 4 * 3 - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0)
  if (text.length <= 24) return el("td", {class: "bytes"}, text)
  return cutCell("bytes", text.slice(0, 16) + "…", text, `${count(size)} bytes`)
}

function cutCell(kind, short, whole, size) {
  const body = el("span", {}, short)
  const more = el("button", {type: "button", class: "more", "aria-expanded": "false", onclick: () => {
    const open = more.getAttribute("aria-expanded") === "false"
    body.textContent = open ? whole : short
    body.parentElement.classList.toggle("wide", open || kind !== "bytes")
    more.textContent = open ? "less" : `all (${size})`
    more.setAttribute("aria-expanded", open)
  }}, `all (${size})`)
  return el("td", {class: kind === "bytes" ? kind : `${kind} wide`}, body, more)
}

// drawRows shows the rows of an answer. columns are in their order, with name, and sourceType where it is known; first is the number of the
// first row.
export function drawRows(answer, columns, first, caption) {
  const heads = columns.map(c => ({...c, type: answer.schema[c.name] ?? c.type, kind: classOf(answer.schema[c.name] ?? c.type, c.sourceType)}))
  byId("rows").replaceChildren(
    el("caption", {class: "hidden"}, caption),
    el("thead", {}, el("tr", {}, el("th", {scope: "col", class: "number"}, el("span", {class: "hidden"}, "Row")),
      ...heads.map(h => el("th", {scope: "col", class: h.kind}, h.name, el("span", {class: "type"}, h.sourceType || h.type))))),
    el("tbody", {}, ...answer.data.map((row, i) => el("tr", {}, el("th", {scope: "row"}, count(first + i)), ...heads.map(h => cell(row[h.name], h.kind))))))
  if (answer.data.length === 0)
    byId("rows").tBodies[0].append(el("tr", {}, el("td", {colspan: heads.length + 1}, el("span", {class: "empty"}, "No rows match."))))
  byId("rows").parentElement.scrollTo(0, 0)
}

// drawTotals tells what it took.
export function drawTotals(answer) {
  const p = answer.pruning
  const parts = [answer.totalMatched === undefined ? "matches not counted" : plural(answer.totalMatched, "row") + (answer.totalMatched === 1 ? " matches" : " match"),
    `${count(answer.totalScanned)} scanned`, duration(answer.executionTimeMs), `${bytes(p.bytesRead)} read`, plural(p.requests, "request")]
  const skipped = [["files", p.files], ["row groups", p.rowGroups], ["pages", p.pages]].filter(([, l]) => l.skipped).map(([n, l]) => `${count(l.skipped)} of ${count(l.total)} ${n}`)
  byId("totals").textContent = parts.join(" · ") + (skipped.length ? ` · skipped ${skipped.join(", ")}` : "")
  byId("warnings").replaceChildren(...(answer.warnings ?? []).map(w => el("li", {}, w)))
  show(byId("warnings"), answer.warnings?.length)
}
