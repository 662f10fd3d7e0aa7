import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from './free-port.ts'

/** Whether there is a Redis to test with. */
export function hasRedis(): boolean {
  return spawnSync('redis-server', ['--version']).status === 0
}

/** Options of {@link RedisServer}. */
export interface RedisServerOptions {
  /** Whether it listens on a port of 127.0.0.1 as well, which stays the same over a restart. Default: false. */
  readonly tcp?: boolean
}

/** An answer of Redis, as it is on the wire. An error inside a list is an object with its text. */
export type RedisReply = string | number | null | readonly RedisReply[] | { readonly error: string }

/** How long a server may take to answer for the first time, in milliseconds. */
const START_WITHIN = 20_000

/**
 * A Redis of one's own, in a directory of its own: it may be frozen, thawed, killed, and started again on the same address. It is ended by
 * its process id, with the process that started it at the latest, however that ends.
 */
export class RedisServer {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'portcullis-redis-'))
  /** The path of its unix socket: what ioredis takes as an address. */
  readonly socket: string = join(this.directory, 's')
  readonly #tcp: boolean
  #port: number | undefined
  #process: ChildProcess | undefined
  #settings: readonly string[] = []

  constructor({ tcp = false }: RedisServerOptions = {}) {
    this.#tcp = tcp
  }

  /** Its port at 127.0.0.1, once it was started with `tcp`; 0 without. */
  get port(): number {
    return this.#port ?? 0
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /**
   * Resolves when it answers. It keeps what it has over a restart only with `--appendonly yes`.
   * @param settings as on the command line, for example `--maxmemory`, `10mb`; without any, those of the start before
   */
  async start(...settings: readonly string[]): Promise<void> {
    if (this.#process !== undefined) throw new Error('the server is running')
    if (settings.length > 0) this.#settings = settings
    if (this.#tcp) this.#port ??= await freePort()
    const address = ['--port', String(this.port), '--bind', '127.0.0.1', '--unixsocket', this.socket]
    const child = spawn('redis-server', [...address, '--dir', this.directory, '--save', '', ...this.#settings], {
      stdio: 'ignore',
    })
    this.#process = child
    child.once('error', () => undefined)
    if (child.pid !== undefined) watch(child, child.pid)
    const until = Date.now() + START_WITHIN
    while ((await this.command('PING').catch(() => undefined)) !== 'PONG') {
      if (child.exitCode !== null || Date.now() > until)
        throw new Error(`redis-server did not start: ${this.#settings.join(' ')}`)
      await pause(10)
    }
  }

  /** Sends one command over a connection of its own, past any client. Rejects with the text of an error. */
  command(...args: readonly (string | number)[]): Promise<RedisReply> {
    return sendRaw(this.socket, args)
  }

  /** It accepts connections still, and answers nothing (SIGSTOP). */
  freeze(): void {
    this.#process?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#process?.kill('SIGCONT')
  }

  /** As a power cut does (SIGKILL). */
  async kill(): Promise<void> {
    const child = this.#process
    if (child === undefined) return
    this.#process = undefined
    if (child.exitCode !== null || child.signalCode !== null) return
    await new Promise((resolve) => {
      child.once('exit', resolve)
      child.kill('SIGKILL')
    })
  }

  /** Kills it, and starts it again as it was. */
  async restart(): Promise<void> {
    await this.kill()
    await this.start()
  }

  async close(): Promise<void> {
    await this.kill()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/**
 * Kills a process as soon as this one is gone. Test runners end their workers with signals, at which nothing of this process runs any
 * more; but the pipe to a shell that waits for it closes.
 */
function watch(child: ChildProcess, pid: number): void {
  const watcher = spawn('sh', ['-c', 'read -r line; kill -9 "$0"', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watcher.once('error', () => undefined)
  watcher.stdin.on('error', () => undefined)
  // The process id is somebody else's once the server has ended.
  child.once('exit', () => watcher.kill('SIGKILL'))
  watcher.unref()
  const pipe: unknown = watcher.stdin
  if (pipe instanceof Socket) pipe.unref()
}

function sendRaw(path: string, args: readonly (string | number)[]): Promise<RedisReply> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    let received = Buffer.alloc(0)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the connection was closed')))
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      const parsed = parse(received, 0)
      if (parsed === undefined) return
      const { reply } = parsed
      socket.destroy()
      if (typeof reply === 'object' && reply !== null && 'error' in reply) reject(new Error(reply.error))
      else resolve(reply)
    })
    const parts = args.map((arg) => `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`)
    socket.write(`*${args.length}\r\n${parts.join('')}`)
  })
}

/** RESP2; `undefined` until the whole of it has come. */
function parse(bytes: Buffer, start: number): { reply: RedisReply; end: number } | undefined {
  const lineEnd = bytes.indexOf('\r\n', start)
  if (lineEnd < 0) return undefined
  const type = String.fromCharCode(bytes[start] ?? 0)
  const line = bytes.toString('utf8', start + 1, lineEnd)
  let end = lineEnd + 2
  if (type === '+') return { reply: line, end }
  if (type === '-') return { reply: { error: line }, end }
  if (type === ':') return { reply: Number(line), end }
  const length = Number(line)
  if (length < 0) return { reply: null, end }
  if (type === '$') {
    if (bytes.length < end + length + 2) return undefined
    return { reply: bytes.toString('utf8', end, end + length), end: end + length + 2 }
  }
  const list: RedisReply[] = []
  for (let n = 0; n < length; n++) {
    const member = parse(bytes, end)
    if (member === undefined) return undefined
    list.push(member.reply)
    end = member.end
  }
  return { reply: list, end }
}
