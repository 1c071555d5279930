// From conditions to the text of a filter expression, typed by the columns.

import {operators} from "./state.js"

// kind is how a column is compared: number, bool, text, date, time, timestamp, other (compared as a quoted literal) or
// opaque (only NULL or not).
export function kind(column) {
  const {type, sourceType} = column
  if (type.startsWith("list") || type.startsWith("struct") || type.startsWith("map")) return "opaque"
  if (/^(int|long|float|double)$/.test(type) || type.startsWith("decimal") || /^numeric/.test(sourceType)) return "number"
  if (type === "boolean") return "bool"
  if (type === "date" || type === "time") return type
  if (type.startsWith("timestamp")) return "timestamp"
  if (type !== "string") return "other" // binary, uuid
  if (/^(text|varchar|character|char|bpchar|name|"char")/.test(sourceType)) return "text"
  if (/^(json|xml|inet|cidr|macaddr|citext|money|bit|tsvector|tsquery|geometry|geography|hstore|point|line|lseg|box|path|polygon|circle|pg_lsn)/.test(sourceType) ||
    /range|timetz|with time zone|\[\]/.test(sourceType)) return "opaque"
  return "other" // enums, intervals
}

// operatorsOf lists the operators of a column, in the order of the menu.
export function operatorsOf(column) {
  const order = ["=", "<>", "<", "<=", ">", ">=", "between", "in", "notin"]
  const nulls = ["null", "notnull"]
  switch (kind(column)) {
  case "opaque": return nulls
  case "bool": return ["true", "false", ...nulls]
  case "text": return [...order, "like", "notlike", "ilike", ...nulls]
  }
  return [...order, ...nulls]
}

// valuesOf is how many texts an operator takes.
export const valuesOf = operator => operators[operator].values ?? 1

const keywords = new Set(("and or not in is null true false unknown like ilike escape between symmetric asymmetric isnull notnull any all some distinct from " +
  "cast array date time timestamp timestamptz interval lower upper length select where case when then else end").split(" "))

// name is a column's name as it stands in an expression.
export const name = n => /^[a-z_][a-z0-9_]*$/.test(n) && !keywords.has(n) ? n : `"${n.replaceAll('"', '""')}"`

const isNumber = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

function literal(column, text) {
  if (kind(column) === "number" && isNumber.test(text.trim())) return text.trim().replace(/^\+/, "")
  return `'${text.replaceAll("'", "''")}'` // read as the column's type, as PostgreSQL does
}

// items splits a list with commas; an item with a comma or a quote stands in double quotes.
export function items(text) {
  const found = []
  for (const m of text.matchAll(/\s*(?:"((?:[^"]|"")*)"\s*|([^,]*))(?:,|$)/g)) {
    if (m.index === text.length && found.length && !text.trimEnd().endsWith(",")) break
    const item = m[1] !== undefined ? m[1].replaceAll('""', '"') : m[2].trim()
    if (m[1] !== undefined || item !== "") found.push(item)
  }
  return found
}

// condition is one condition as text, or "" where its column is not there.
export function condition(c, columns) {
  const column = columns.find(x => x.name === c.column)
  if (!column) return ""
  const left = name(c.column)
  const value = i => literal(column, c.values[i] ?? "")
  switch (c.operator) {
  case "between": return `${left} BETWEEN ${value(0)} AND ${value(1)}`
  case "in": case "notin": {
    const list = items(c.values[0] ?? "")
    return `${left} ${c.operator === "in" ? "IN" : "NOT IN"} (${(list.length ? list : [""]).map(v => literal(column, v)).join(", ")})`
  }
  case "like": return `${left} LIKE ${value(0)}`
  case "notlike": return `${left} NOT LIKE ${value(0)}`
  case "ilike": return `${left} ILIKE ${value(0)}`
  case "true": return `${left} IS TRUE`
  case "false": return `${left} IS FALSE`
  case "null": return `${left} IS NULL`
  case "notnull": return `${left} IS NOT NULL`
  }
  return `${left} ${c.operator} ${value(0)}`
}

// built is the expression of all conditions.
export const built = (s, columns) => s.conditions.map(c => condition(c, columns)).filter(Boolean).join(` ${s.join} `)
