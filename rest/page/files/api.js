// Requests to the API of the server that the page came from.

const root = new URL("api/v1/archives/", document.baseURI)
const keyName = "frostline.key"

export const key = {
  get: () => sessionStorage.getItem(keyName) ?? "",
  set: value => value ? sessionStorage.setItem(keyName, value) : sessionStorage.removeItem(keyName),
  // ask is set by main.js: it asks the reader, and says whether there is a key now.
  ask: async () => false,
}

// Problem is an answer that is an error: the members of application/problem+json.
export class Problem extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || "the request failed")
    Object.assign(this, {code: problem.code, field: problem.field, position: problem.position, hint: problem.hint, status: problem.status})
  }
}

// send gives the answer, or throws a Problem. A key is asked for once when the server wants one.
export async function send(path, {method = "GET", query = {}, body, signal} = {}) {
  const url = new URL(path, root)
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  for (let asked = false; ; asked = true) {
    const headers = {}
    if (key.get()) headers.Authorization = `Bearer ${key.get()}`
    if (body !== undefined) headers["Content-Type"] = "application/json"
    let answer
    try {
      answer = await fetch(url, {method, headers, signal, body: body && JSON.stringify(body), credentials: "same-origin", cache: "no-store"})
    } catch (error) {
      if (error.name === "AbortError") throw error
      throw new Problem({detail: "the server could not be reached", hint: "is it still running?"})
    }
    if (answer.ok) return answer
    const problem = await answer.json().catch(() => ({detail: `the server answered ${answer.status}`, status: answer.status}))
    if (answer.status === 401 && !asked && await key.ask(problem)) continue
    throw new Problem({...problem, status: answer.status})
  }
}

// get and post give the JSON of an answer.
export const get = async (path, query, signal) => parse(await (await send(path, {query, signal})).text())
export const post = async (path, body, signal) => parse(await (await send(path, {method: "POST", body, signal})).text())

// parse reads JSON; whole numbers that a double cannot hold come as strings, with all their digits.
export function parse(text) {
  return text === "" ? null : JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, m => /^-?\d{16,}$/.test(m) ? `"${m}"` : m))
}

// asCurl is a request as a command line; the key is named, never shown.
export function asCurl(path, body) {
  const quote = s => `'${s.replaceAll("'", `'\\''`)}'`
  return ["curl -sS --fail-with-body", ...(key.get() ? ['-H "Authorization: Bearer $QUERYD_KEY"'] : []),
    "--json " + quote(JSON.stringify(body)), quote(new URL(path, root).href)].join(" \\\n  ")
}
