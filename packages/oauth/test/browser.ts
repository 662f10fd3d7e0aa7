/** A page as a person without JavaScript has it. */
export interface Visit {
  readonly status: number
  readonly url: string
  readonly headers: Headers
  readonly text: string
  /** Where the last redirect led that left the server. */
  readonly left: URL | undefined
  /** Each answer on the way: status and Location. */
  readonly hops: readonly { readonly status: number; readonly location: string | null; readonly cookies: readonly string[] }[]
}

/** Keeps cookies, follows redirects on one origin, and fills in forms. */
export class Browser {
  readonly cookies: Map<string, string> = new Map()
  readonly origin: string

  constructor(origin: string) {
    this.origin = origin
  }

  get(url: string): Promise<Visit> {
    return this.#go(url, {})
  }

  /** Posts the first form of a page with its hidden fields; `fields` are added, or replace them. `undefined` leaves one out. */
  submit(page: Visit, fields: Readonly<Record<string, string | undefined>>): Promise<Visit> {
    const action = attribute(/<form[^>]*>/.exec(page.text)?.[0] ?? '', 'action')
    const body = new URLSearchParams(hiddenFields(page))
    for (const [name, value] of Object.entries(fields)) {
      if (value === undefined) body.delete(name)
      else body.set(name, value)
    }
    return this.post(new URL(action, page.url).href, body)
  }

  post(url: string, body: URLSearchParams): Promise<Visit> {
    return this.#go(url, { method: 'POST', body })
  }

  async #go(start: string, init: RequestInit): Promise<Visit> {
    const hops: Visit['hops'][number][] = []
    let url = start
    let request = init
    for (;;) {
      const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const response = await fetch(url, { ...request, redirect: 'manual', headers: cookie === '' ? {} : { cookie } })
      const cookies = response.headers.getSetCookie()
      for (const line of cookies) this.#keep(line)
      const location = response.headers.get('location')
      hops.push({ status: response.status, location, cookies })
      const text = await response.text()
      const next = location === null ? undefined : new URL(location, url)
      if (next === undefined || next.origin !== this.origin || next.pathname === '/callback') {
        return { status: response.status, url, headers: response.headers, text, left: next, hops }
      }
      url = next.href
      request = {}
    }
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split(';')
    const [name = '', value = ''] = pair.split('=')
    if (attributes.some((one) => one.trim() === 'Max-Age=0')) this.cookies.delete(name)
    else this.cookies.set(name, value)
  }
}

/** The hidden fields of a page's form. */
export function hiddenFields(page: Visit): Record<string, string> {
  const inputs = page.text.match(/<input type="hidden"[^>]*>/g) ?? []
  return Object.fromEntries(inputs.map((input) => [attribute(input, 'name'), attribute(input, 'value')]))
}

/** An attribute's value. */
function attribute(tag: string, name: string): string {
  return plain(new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? '')
}

function plain(text: string): string {
  const characters: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" }
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (entity) => characters[entity] ?? entity)
}
