import { createConnection, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net'

/** Where a {@link FaultProxy} leads, and what it does at first. */
export interface FaultProxyOptions {
  /** A port of 127.0.0.1, or of `host`; or a unix socket. */
  readonly target: { readonly port: number; readonly host?: string } | { readonly path: string }
  /** Milliseconds that each chunk waits, in each direction. Default: 0. */
  readonly delay?: number
  /** Of how many connections one is dropped after its first bytes, their answer included. Default: 0, none. */
  readonly dropEvery?: number
}

/**
 * A network that fails when it is told to: a TCP proxy on 127.0.0.1. It reads no protocol; what it calls a request are the next bytes
 * that a client sends, and an answer the next bytes that come back.
 * @example
 * const proxy = new FaultProxy({ target: { port: server.port } })
 * await proxy.start()
 * const client = new Redis(proxy.port)
 */
export class FaultProxy {
  /** Milliseconds that each chunk waits, in each direction; for chunks that come from now on. */
  delay: number
  /** Of how many connections one is dropped after its first bytes; for connections that come from now on. */
  dropEvery: number
  readonly #target: NetConnectOpts
  readonly #links = new Set<Link>()
  #server: Server | undefined
  #port = 0
  #accepted = 0
  #hanging = false
  #swallow: Swallow | undefined

  constructor({ target, delay = 0, dropEvery = 0 }: FaultProxyOptions) {
    this.#target = 'path' in target ? { path: target.path } : { host: target.host ?? '127.0.0.1', port: target.port }
    this.delay = delay
    this.dropEvery = dropEvery
  }

  /** The port it listens on; the same after {@link refuse} and {@link accept}. */
  get port(): number {
    return this.#port
  }

  /** How many connections were made through it. */
  get accepted(): number {
    return this.#accepted
  }

  /** Begins to listen. */
  async start(): Promise<void> {
    // Half-open on both sides: that one side has said all does not take the other's last words.
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#connect(client))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, '127.0.0.1', resolve)
    })
    const address = server.address()
    if (address !== null && typeof address === 'object') this.#port = address.port
    this.#server = server
  }

  /** From now on nothing passes, in no direction: connections are accepted and stall. */
  hang(): void {
    this.#hanging = true
  }

  /** Ends {@link hang}: what has waited passes. */
  resume(): void {
    this.#hanging = false
    for (const link of this.#links) link.flush()
  }

  /** Cuts all connections now. Further ones are accepted. */
  cut(): void {
    for (const link of this.#links) link.cut()
  }

  /**
   * The server gets the next request and carries it out; its answer is swallowed, and the connection cut instead.
   * @param containing only of a request in whose bytes this text is
   * @returns when that has happened
   */
  swallowNextAnswer(containing: string = ''): Promise<void> {
    return new Promise((done) => {
      this.#swallow = { containing, done }
    })
  }

  /** Cuts all connections, and refuses new ones. */
  async refuse(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    const closed = new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())))
    this.cut()
    await closed
  }

  /** Ends {@link refuse}. */
  async accept(): Promise<void> {
    if (this.#server === undefined) await this.start()
  }

  async close(): Promise<void> {
    await this.refuse()
  }

  #connect(client: Socket): void {
    this.#accepted += 1
    const link = new Link(client, createConnection({ ...this.#target, allowHalfOpen: true }), {
      dropped: this.dropEvery > 0 && this.#accepted % this.dropEvery === 0,
      delay: () => this.delay,
      hanging: () => this.#hanging,
      swallows: (request) => this.#takeSwallow(request),
      gone: () => this.#links.delete(link),
    })
    this.#links.add(link)
  }

  #takeSwallow(request: Buffer): Swallow | undefined {
    const swallow = this.#swallow
    if (swallow === undefined || !request.includes(swallow.containing)) return undefined
    this.#swallow = undefined
    return swallow
  }
}

interface Swallow {
  readonly containing: string
  readonly done: () => void
}

interface LinkRules {
  readonly dropped: boolean
  delay(): number
  hanging(): boolean
  /** Asked of each request, as it goes out. */
  swallows(request: Buffer): Swallow | undefined
  gone(): void
}

/** A connection through the proxy. */
class Link {
  readonly #client: Socket
  readonly #server: Socket
  readonly #rules: LinkRules
  readonly #lanes: readonly Lane[]
  #swallow: Swallow | undefined

  constructor(client: Socket, server: Socket, rules: LinkRules) {
    this.#client = client
    this.#server = server
    this.#rules = rules
    this.#lanes = [
      new Lane(client, server, rules, (request) => this.#sends(request)),
      new Lane(server, client, rules, () => this.#answers()),
    ]
    for (const socket of [client, server]) {
      socket.on('error', () => this.cut())
      // Of a socket that ended well, the other still gets what is under way.
      socket.on('close', (broken) => {
        if (broken || (client.destroyed && server.destroyed)) this.cut()
      })
    }
  }

  flush(): void {
    for (const lane of this.#lanes) lane.flush()
  }

  cut(): void {
    for (const lane of this.#lanes) lane.clear()
    // A reset: to whoever has a request under way it is no orderly end.
    this.#client.resetAndDestroy()
    this.#server.destroy()
    this.#rules.gone()
  }

  /** @returns whether it may pass */
  #sends(request: Buffer): boolean {
    this.#swallow ??= this.#rules.swallows(request)
    return true
  }

  #answers(): boolean {
    const swallow = this.#swallow
    if (swallow === undefined && !this.#rules.dropped) return true
    this.cut()
    swallow?.done()
    return false
  }
}

/** One direction: chunks in their order, each after its delay. */
class Lane {
  readonly #from: Socket
  readonly #to: Socket
  readonly #rules: LinkRules
  readonly #mayPass: (chunk: Buffer) => boolean
  /** `undefined`: no more will come. */
  readonly #waiting: { readonly chunk: Buffer | undefined; readonly due: number }[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket, rules: LinkRules, mayPass: (chunk: Buffer) => boolean) {
    this.#from = from
    this.#to = to
    this.#rules = rules
    this.#mayPass = mayPass
    from.on('data', (chunk: Buffer) => this.#add(chunk))
    from.on('end', () => this.#add(undefined))
    to.on('drain', () => from.resume())
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (!this.#rules.hanging()) {
      const first = this.#waiting[0]
      if (first === undefined) return
      const left = first.due - performance.now()
      if (left > 0) {
        this.#timer = setTimeout(() => this.flush(), left)
        return
      }
      this.#waiting.shift()
      this.#pass(first.chunk)
    }
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#waiting.length = 0
  }

  #add(chunk: Buffer | undefined): void {
    this.#waiting.push({ chunk, due: performance.now() + this.#rules.delay() })
    if (this.#timer === undefined) this.flush()
  }

  #pass(chunk: Buffer | undefined): void {
    if (chunk === undefined) this.#to.end()
    else if (this.#mayPass(chunk) && !this.#to.write(chunk)) this.#from.pause()
  }
}
