// The form's lists: conditions, columns, order.

import {byId, el, show} from "./dom.js"
import {built, kind, operatorsOf, valuesOf} from "./expression.js"
import {operators} from "./state.js"

// Form draws state s over columns, and calls changed after each change by the reader.
export class Form {
  constructor(changed) {
    this.s = null
    this.columns = []
    this.changed = () => { this.summaries(); changed() }
    for (const radio of document.getElementsByName("mode")) radio.addEventListener("change", () => this.setMode(radio.value))
    byId("joiner").addEventListener("change", e => { this.s.join = e.target.value; this.changed() })
    byId("add-condition").addEventListener("click", () => this.addCondition())
    byId("expression").addEventListener("input", e => { this.s.text = e.target.value; this.changed() })
    byId("add-order").addEventListener("click", () => this.addOrder())
    byId("columns-all").addEventListener("click", () => { this.s.columns = []; this.drawColumns(); this.changed() })
    byId("columns-first").addEventListener("click", () => { this.s.columns = this.columns.slice(0, 1).map(c => c.name); this.drawColumns(); this.changed() })
    byId("limit").addEventListener("input", e => {
      const n = Number(e.target.value), right = Number.isInteger(n) && n >= 1 && n <= 10000
      e.target.setAttribute("aria-invalid", !right)
      if (right) { this.s.limit = n; this.changed() }
    })
    byId("count").addEventListener("change", e => { this.s.count = e.target.checked; this.changed() })
  }

  draw(s, columns) {
    this.s = s
    this.columns = columns
    byId("joiner").value = s.join
    byId("expression").value = s.text
    byId("limit").value = s.limit
    byId("count").checked = s.count
    this.drawMode()
    this.drawConditions()
    this.drawColumns()
    this.drawOrder()
    this.summaries()
  }

  expression() { return this.s.mode === "text" ? this.s.text.trim() : built(this.s, this.columns) }

  setMode(mode) {
    if (mode === "text" && this.s.text.trim() === "") this.s.text = built(this.s, this.columns)
    this.s.mode = mode
    byId("expression").value = this.s.text
    this.drawMode()
    this.changed()
  }

  drawMode() {
    for (const radio of document.getElementsByName("mode")) radio.checked = radio.value === this.s.mode
    show(byId("builder"), this.s.mode === "build")
    show(byId("typed"), this.s.mode === "text")
  }

  summaries() {
    byId("built").textContent = built(this.s, this.columns) || "none: all rows"
    show(byId("joiner-line"), this.s.conditions.length > 1)
    byId("columns-sum").textContent = this.s.columns.length ? `${this.s.columns.length} of ${this.columns.length}` : "all"
    byId("order-sum").textContent = this.s.order.map(o => o.column + (o.direction === "desc" ? " ↓" : " ↑")).join(", ") || "as archived"
  }

  addCondition() {
    const c = this.columns[0]
    if (!c) return
    this.s.conditions.push({column: c.name, operator: operatorsOf(c)[0], values: []})
    this.drawConditions()
    byId("conditions").lastElementChild.querySelector("select").focus()
    this.changed()
  }

  drawConditions() {
    byId("conditions").replaceChildren(...this.s.conditions.map((c, i) => this.conditionItem(c, i)))
  }

  conditionItem(c, i) {
    const n = i + 1
    const column = this.columns.find(x => x.name === c.column)
    const redraw = focus => {
      const fresh = this.conditionItem(c, i)
      byId("conditions").children[i].replaceWith(fresh)
      fresh.querySelector(focus)?.focus()
      this.changed()
    }
    const pick = this.columnSelect(c.column, `Column of condition ${n}`, name => {
      c.column = name
      const known = operatorsOf(this.columns.find(x => x.name === name))
      if (!known.includes(c.operator)) c.operator = known[0]
      redraw(".column")
    })
    const ops = column ? operatorsOf(column) : [c.operator]
    const operator = el("select", {class: "operator", "aria-label": `Operator of condition ${n}`, onchange: e => { c.operator = e.target.value; redraw(".operator") }},
      ...ops.map(o => el("option", {value: o, "aria-label": operators[o].say}, operators[o].text)))
    operator.value = c.operator
    const values = []
    for (let v = 0; v < valuesOf(c.operator); v++) values.push(this.valueInput(c, column, v, n))
    if (values.length === 2) values.splice(1, 0, el("span", {}, "and"))
    return el("li", {}, pick, operator, ...values,
      el("button", {type: "button", "aria-label": `Remove condition ${n}`, onclick: () => {
        this.s.conditions.splice(i, 1)
        this.drawConditions()
        this.changed();
        (byId("conditions").children[Math.min(i, this.s.conditions.length - 1)]?.querySelector("select") ?? byId("add-condition")).focus()
      }}, "Remove"))
  }

  valueInput(c, column, v, n) {
    const k = column ? kind(column) : "text", list = operators[c.operator].list
    const hints = {date: "2024-01-31", time: "13:00:00", timestamp: "2024-01-31 13:00:00", number: "0"}
    return el("input", {class: "value", type: k === "date" && !list && /^(\d{4}-\d\d-\d\d)?$/.test(c.values[v] ?? "") ? "date" : "text", value: c.values[v] ?? "",
      inputmode: k === "number" && !list ? "decimal" : undefined, spellcheck: "false", autocomplete: "off",
      placeholder: list ? "a, b, c" : hints[k], title: list ? "Values with commas between; one that holds a comma stands in double quotes" : c.operator.endsWith("like") ? "% is any text, _ one character" : undefined,
      "aria-label": `${list ? "Values, with commas between," : v === 0 ? "Value" : "Second value"} of condition ${n}`,
      oninput: e => { c.values[v] = e.target.value; this.changed() }})
  }

  columnSelect(value, label, changed) {
    const known = this.columns.some(c => c.name === value)
    const s = el("select", {class: "column", "aria-label": label, onchange: e => changed(e.target.value)},
      ...(known ? [] : [el("option", {value}, `${value} (not here)`)]),
      ...this.columns.map(c => el("option", {value: c.name}, c.name)))
    s.value = value
    return s
  }

  drawColumns() {
    const chosen = new Set(this.s.columns.length ? this.s.columns : this.columns.map(c => c.name))
    byId("columns").replaceChildren(...this.columns.map(c => el("li", {}, el("label", {},
      el("input", {type: "checkbox", checked: chosen.has(c.name), onchange: e => this.choose(c.name, e.target)}),
      ` ${c.name} `, el("span", {class: "muted small"}, c.sourceType)))))
  }

  choose(name, box) {
    const chosen = new Set(this.s.columns.length ? this.s.columns : this.columns.map(c => c.name))
    if (box.checked) chosen.add(name)
    else if (chosen.size > 1) chosen.delete(name)
    else box.checked = true // an empty list would mean all
    this.s.columns = chosen.size === this.columns.length ? [] : this.columns.map(c => c.name).filter(n => chosen.has(n))
    this.changed()
  }

  addOrder() {
    const free = this.columns.find(c => !this.s.order.some(o => o.column === c.name))
    if (!free) return
    this.s.order.push({column: free.name, direction: "asc"})
    this.drawOrder()
    byId("orders").lastElementChild.querySelector("select").focus()
    this.changed()
  }

  drawOrder() {
    byId("orders").replaceChildren(...this.s.order.map((o, i) => {
      const direction = el("select", {"aria-label": `Direction of order ${i + 1}`, onchange: e => { o.direction = e.target.value; this.changed() }},
        el("option", {value: "asc"}, "ascending"), el("option", {value: "desc"}, "descending"))
      direction.value = o.direction
      return el("li", {}, this.columnSelect(o.column, `Column of order ${i + 1}`, name => { o.column = name; this.changed() }), direction,
        el("button", {type: "button", "aria-label": `Remove order ${i + 1}`, onclick: () => { this.s.order.splice(i, 1); this.drawOrder(); this.changed(); byId("add-order").focus() }}, "Remove"))
    }))
  }

  // failed shows what was wrong with the filter, at its position.
  failed(problem) {
    const at = byId("filter-error"), text = [...this.expression()]
    byId("expression").setAttribute("aria-invalid", Boolean(problem))
    show(at, problem)
    if (!problem) return at.replaceChildren()
    const p = Math.min((problem.position ?? 0) - 1, text.length)
    const parts = [el("strong", {}, problem.message), ...(problem.hint ? [el("span", {}, ` · ${problem.hint}`)] : [])]
    if (p >= 0) {
      const end = p + Math.max(1, /^[\p{L}\p{N}_]*/u.exec(text.slice(p).join(""))[0].length)
      const from = Math.max(0, p - 60)
      parts.push(el("span", {}, ` (at character ${p + 1})`), el("pre", {}, (from ? "…" : "") + text.slice(from, p).join(""),
        el("mark", {}, text.slice(p, end).join("") || " "), text.slice(end, end + 60).join("") + (text.length > end + 60 ? "…" : "")))
    }
    at.replaceChildren(...parts)
    if (this.s.mode === "text") {
      byId("expression").focus()
      const offset = this.s.text.length - this.s.text.trimStart().length + text.slice(0, Math.max(p, 0)).join("").length
      byId("expression").setSelectionRange(offset, offset)
    }
  }
}

