// Elements and texts. Whatever comes from the server reaches the document through here, as text.

const svgNamespace = "http://www.w3.org/2000/svg"

export const byId = id => document.getElementById(id)

// el makes an element: attributes, listeners (onclick: f), and children that are nodes or texts.
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children)
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(svgNamespace, tag), attributes, children)
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value)
    else if (name === "value" || name === "checked") node[name] = value
    else node.setAttribute(name, value === true ? "" : value)
  }
  node.append(...children.filter(c => c !== undefined && c !== null))
  return node
}

export function show(node, shown) { node.hidden = !shown }

const grouped = new Intl.NumberFormat("en-US")

// count is a number of rows or the like with its thousands apart.
export const count = n => n === undefined || n === null ? "–" : grouped.format(n)

// plural is "1 row", "2 rows".
export const plural = (n, one, many = one + "s") => `${count(n)} ${n === 1 ? one : many}`

export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"]
  let at = 0
  while (n >= 1000 && at < units.length - 1) { n /= 1000; at++ }
  return `${at === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[at]}`
}

export function duration(ms) {
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  if (ms < 120000) return `${(ms / 1000).toFixed(1)} s`
  return `${Math.floor(ms / 60000)} min ${Math.round(ms % 60000 / 1000)} s`
}

export function dollars(n) {
  if (n === 0) return "$0"
  return n < 0.0001 ? "< $0.0001" : `$${n.toFixed(n < 1 ? 4 : 2)}`
}

// when is a time of the server as 2024-01-31 13:00 in UTC.
export function when(text) {
  const m = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)/.exec(text ?? "")
  return m ? `${m[1]} ${m[2]}` : "–"
}

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text)
  } catch { // no permission, or not a secure context
    const area = el("textarea", {class: "hidden", "aria-hidden": "true"})
    area.value = text
    document.body.append(area)
    const before = document.activeElement
    area.select()
    const done = document.execCommand("copy")
    area.remove()
    before?.focus()
    if (!done) throw new Error("the browser did not let the page copy")
  }
}

// save gives a file to the reader.
export function save(blob, name) {
  const url = URL.createObjectURL(blob)
  const a = el("a", {href: url, download: name})
  document.body.append(a)
  a.click()
  a.remove()
  setTimeout(() => URL.revokeObjectURL(url), 60000)
}

// fileName has no characters that some file system refuses.
export const fileName = text => text.replace(/[^\p{L}\p{N}=._-]+/gu, "_").replace(/^[._]+/, "").slice(0, 120) || "rows"
