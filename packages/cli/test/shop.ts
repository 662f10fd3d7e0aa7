import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** What is wrong with a shop. */
export type Defect =
  | 'tenant of one thing not checked'
  | 'tenant of a listing not checked'
  | 'role not checked'
  | 'head left open'
  | 'id from the body of a read'
  | 'id from the body of a write'
  | 'tenant from a header'
  | 'tenant from the query'
  | 'header from inside'
  | 'guard reads upper case as another path'
  | 'guard compares the target as sent'
  | 'any credential will do'
  | 'undeclared delete'
  | 'original url'
  // No defects:
  | 'a page for every path'
  | 'ids counted for each tenant'

interface Invoice {
  readonly id: string
  readonly tenant: string
  customer: string
}

type Answer = readonly [status: number, body?: unknown]

interface Caller {
  readonly tenant: string
  readonly role: 'viewer' | 'owner'
}

/** Credentials of the shop's people. */
export const tokens = { alice: 'token-of-alice-0001', bob: 'token-of-bob-0002', carol: 'token-of-carol-0003' } as const

const callers: Readonly<Record<string, Caller>> = {
  [tokens.alice]: { tenant: 'acme', role: 'owner' },
  [tokens.bob]: { tenant: 'globex', role: 'owner' },
  [tokens.carol]: { tenant: 'acme', role: 'viewer' },
}

/** A small application on `node:http`, right but for its defects. */
export class Shop {
  readonly #server: Server
  readonly #defects: ReadonlySet<Defect>
  readonly #invoices: readonly Invoice[]
  /** Every method and target that came in. */
  readonly seen: string[] = []
  /** Answers that are refused with 429 before the first that is not, for each target. */
  busy = 0
  hangs = false

  private constructor(defects: readonly Defect[]) {
    this.#defects = new Set(defects)
    const own = (tenant: string): string => (this.has('ids counted for each tenant') ? '' : `${tenant}_`)
    this.#invoices = ['acme', 'globex'].flatMap((tenant) =>
      [1, 2, 3].map((n) => ({ id: `inv_${own(tenant)}${n}`, tenant, customer: `${tenant} ${n}` })),
    )
    this.#server = createServer((request, response) => {
      void this.#answer(request, response)
    })
  }

  static async open(...defects: readonly Defect[]): Promise<Shop> {
    const shop = new Shop(defects)
    shop.#server.listen(0, '127.0.0.1')
    await once(shop.#server, 'listening')
    return shop
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  has(defect: Defect): boolean {
    return this.#defects.has(defect)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request
    this.seen.push(`${method} ${url}`)
    if (this.hangs && this.seen.length > 20) return
    const [status, answer = { status }] = await this.#decide(request)
    if (status === 429) response.setHeader('retry-after', '0')
    response.writeHead(status, { 'content-type': 'application/json' }).end(method === 'HEAD' ? undefined : JSON.stringify(answer))
  }

  async #decide(request: IncomingMessage): Promise<Answer> {
    const { method = '', url = '' } = request
    if (this.busy > 0) {
      this.busy -= 1
      return [429]
    }
    const body = (await json(request).catch(() => ({}))) as Readonly<Record<string, string>>
    const caller = this.#callerOf(request)
    const original = this.has('original url') ? request.headers['x-original-url'] : undefined
    const { pathname, searchParams } = new URL(typeof original === 'string' ? original : url, 'http://shop.test')
    // A router that folds letter case and undoes encoding, as several do.
    const path = decodeSafely(pathname).toLowerCase()
    if (path === '/healthz' && method === 'GET') return [200, { status: 'ok' }]
    if (this.has('a page for every path') && !path.startsWith('/api') && /^(?:GET|HEAD)$/.test(method)) return [200, 'page']
    if (!this.#isPublic(request, url, pathname) && original === undefined && caller === undefined) return [401]
    const who = caller ?? { tenant: 'acme', role: 'owner' }
    const claimed = this.has('tenant from a header') ? request.headers['x-tenant'] : undefined
    const asked = this.has('tenant from the query') ? searchParams.get('tenant') : undefined
    const tenant = String(claimed ?? asked ?? who.tenant)
    return this.#route(method, path, { ...who, tenant }, body)
  }

  #callerOf({ headers }: IncomingMessage): Caller | undefined {
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1]
    if (token !== undefined && this.has('any credential will do')) return callers[token] ?? { tenant: 'acme', role: 'owner' }
    return token === undefined ? undefined : callers[token]
  }

  #isPublic({ method, headers }: IncomingMessage, target: string, pathname: string): boolean {
    if (method === 'HEAD' && this.has('head left open')) return true
    if (headers['x-middleware-subrequest'] !== undefined && this.has('header from inside')) return true
    if (this.has('guard compares the target as sent') && !target.startsWith('/api')) return true
    return this.has('guard reads upper case as another path') && !pathname.startsWith('/api')
  }

  #route(method: string, path: string, { tenant, role }: Caller, body: Readonly<Record<string, string>>): Answer {
    const isRead = method === 'GET' || method === 'HEAD'
    const isOwner = role === 'owner'
    const mine = (one: Invoice): boolean => one.tenant === tenant
    const id = /^\/api\/invoices\/([^/]+)$/.exec(path)?.[1]
    if (path === '/api/me' && isRead) return [200, { tenant, role }]
    if (path === '/api/audit' && isRead) return isOwner || this.has('role not checked') ? [200, { entries: [] }] : [403]
    if (path === '/api/invoices' && isRead) {
      return [200, { items: this.#invoices.filter((one) => mine(one) || this.has('tenant of a listing not checked')) }]
    }
    if (path === '/api/invoices' && method === 'POST') return isOwner ? [201, { id: 'inv_new' }] : [403]
    if (id === undefined) return [404]
    if (method === 'DELETE' && this.has('undeclared delete')) return [204]
    const fromBody = isRead ? this.has('id from the body of a read') : this.has('id from the body of a write')
    // Its own place is checked; then it takes what the body says.
    const place = this.#invoices.find((one) => one.id === id && (mine(one) || this.has('tenant of one thing not checked')))
    if (place === undefined) return [404]
    const invoice = (fromBody ? this.#invoices.find((one) => one.id === body['id']) : undefined) ?? place
    if (isRead) return [200, invoice]
    if (method !== 'PATCH') return [405]
    if (!isOwner) return [403]
    invoice.customer = body['customer'] ?? invoice.customer
    return [200, { changed: true }]
  }
}

function decodeSafely(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
