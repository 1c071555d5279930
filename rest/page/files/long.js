// Background queries: the list, its watching, and what can be done with each.

import {get, post, send} from "./api.js"
import {byId, bytes, count, dollars, duration, el, save, show, when} from "./dom.js"

const active = q => q.state === "QUEUED" || q.state === "RUNNING"
const states = {QUEUED: "Queued", RUNNING: "Running", SUCCEEDED: "Done", FAILED: "Failed", CANCELLED: "Cancelled"}

// Long watches the caller's background queries. results(query) shows the rows of one; say tells the reader; failed shows an error.
export class Long {
  constructor({results, say, failed}) {
    Object.assign(this, {results, say, failed, states: new Map(), timer: 0, wait: 1000, drawn: ""})
    document.addEventListener("visibilitychange", () => { if (!document.hidden && this.watching) this.refresh() })
  }

  async submit(body) {
    const q = await post("queries", body)
    this.say("The query was submitted and runs in the background.")
    await this.refresh()
    byId("long-title").focus()
    byId("long").scrollIntoView({block: "nearest"})
    return q
  }

  // refresh reads the list, and again later while something runs.
  async refresh() {
    clearTimeout(this.timer)
    let list
    try {
      list = (await get("queries")).queries
    } catch (error) {
      if (error.code === "not_configured") return show(byId("submit-long"), false)
      if (error.status !== 401 && error.status !== 403) this.failed(error)
      return
    }
    for (const q of list) {
      const before = this.states.get(q.id)
      if (before && before !== q.state && !active(q)) this.say(`Background query: ${states[q.state].toLowerCase()}, ${count(q.statistics.rows)} rows.`)
      this.states.set(q.id, q.state)
    }
    this.draw(list)
    this.watching = list.some(active)
    this.wait = this.watching ? Math.min(this.wait * 1.3, 5000) : 700
    if (this.watching && !document.hidden) this.timer = setTimeout(() => this.refresh(), this.wait)
  }

  // draw keeps the focus on the same button of the same query.
  draw(list) {
    const text = JSON.stringify(list)
    show(byId("long"), list.length)
    if (text === this.drawn) return
    this.drawn = text
    const focused = document.activeElement?.dataset?.of
    byId("queries").tBodies[0].replaceChildren(...list.map(q => this.row(q)))
    if (focused) for (const b of byId("queries").querySelectorAll("button")) if (b.dataset.of === focused) b.focus()
  }

  row(q) {
    const s = q.statistics, what = q.archivePath.split("/").slice(-2).join("/")
    const act = (text, f) => el("button", {type: "button", "data-of": `${text} ${q.id}`, "aria-label": `${text}: query of ${when(q.submittedAt)}`, onclick: async () => {
      try { await f() } catch (error) { this.failed(error) }
    }}, text)
    const actions = active(q) ? [act("Cancel", async () => { await post(`queries/${q.id}/cancel`); await this.refresh() })] : []
    if (q.state === "SUCCEEDED") actions.push(act("Rows", () => this.results(q)), act("Download", () => this.download(q)))
    if (!active(q)) actions.push(act("Delete", async () => { await send(`queries/${q.id}`, {method: "DELETE"}); await this.refresh(); byId("long-title").focus() }))
    return el("tr", {}, el("td", {}, when(q.submittedAt)), el("td", {}, el("span", {class: `state ${q.state}`}, states[q.state]), q.error ? el("div", {class: "small"}, q.error.detail) : null),
      el("td", {class: "what"}, what), el("td", {class: "number"}, count(s.rows)), el("td", {class: "number"}, bytes(s.bytesScanned)),
      el("td", {class: "number"}, duration(s.totalTimeMs), s.queueTimeMs > 100 ? el("div", {class: "small muted"}, `${duration(s.queueTimeMs)} queued`) : null),
      el("td", {class: "number"}, dollars(s.costUsd)), el("td", {}, ...actions))
  }

  async download(q) {
    this.say("Downloading…")
    save(await (await send(`queries/${q.id}/download`)).blob(), `query-${q.id.slice(0, 8)}.jsonl`)
    this.say("Downloaded.")
  }
}
