// What the reader has chosen. It stands in the address behind the #, so that a link holds it; the server never sees it.

export const operators = {
  "=": {text: "="}, "<>": {text: "≠", say: "not equal"}, "<": {text: "<"}, "<=": {text: "≤"}, ">": {text: ">"}, ">=": {text: "≥"},
  between: {text: "between", values: 2}, in: {text: "one of", list: true}, notin: {text: "none of", list: true},
  like: {text: "like"}, notlike: {text: "not like"}, ilike: {text: "like, any case"},
  true: {text: "is true", values: 0}, false: {text: "is false", values: 0}, null: {text: "is NULL", values: 0}, notnull: {text: "is not NULL", values: 0},
}

export const blank = () => ({table: "", partition: "", mode: "build", join: "AND", conditions: [], text: "", columns: [], order: [], limit: 100, count: true})

// read is the state of an address; what is not understood there is left out.
export function read(hash) {
  const s = blank()
  const p = new URLSearchParams(hash.replace(/^#/, ""))
  s.table = p.get("table") ?? ""
  s.partition = p.get("partition") ?? ""
  if (p.has("expression")) { s.mode = "text"; s.text = p.get("expression") }
  if (p.get("join") === "OR") s.join = "OR"
  s.conditions = p.getAll("if").map(list).filter(c => c.length >= 2 && c.length <= 4 && Object.hasOwn(operators, c[1]))
    .map(([column, operator, ...values]) => ({column, operator, values}))
  s.columns = p.getAll("column")
  s.order = p.getAll("order").map(list).filter(o => o.length === 2).map(([column, direction]) => ({column, direction: direction === "desc" ? "desc" : "asc"}))
  const limit = Number(p.get("limit"))
  if (Number.isInteger(limit) && limit > 0) s.limit = Math.min(limit, 10000)
  s.count = p.get("count") !== "none"
  return s
}

function list(text) {
  try {
    const v = JSON.parse(text)
    return Array.isArray(v) && v.every(x => typeof x === "string") ? v : []
  } catch {
    return []
  }
}

export function write(s) {
  const p = new URLSearchParams()
  if (s.table) p.set("table", s.table)
  if (s.partition) p.set("partition", s.partition)
  if (s.mode === "text") p.set("expression", s.text)
  if (s.mode === "build") {
    if (s.join === "OR") p.set("join", "OR")
    for (const c of s.conditions) p.append("if", JSON.stringify([c.column, c.operator, ...c.values]))
  }
  for (const c of s.columns) p.append("column", c)
  for (const o of s.order) p.append("order", JSON.stringify([o.column, o.direction]))
  if (s.limit !== 100) p.set("limit", s.limit)
  if (!s.count) p.set("count", "none")
  return "#" + p
}
