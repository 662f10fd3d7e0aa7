import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'

/** Whether there is a Redis to test with. */
export const hasRedis: boolean = spawnSync('redis-server', ['--version']).status === 0

/** A server of one's own, in a directory of its own, on no port: it may be frozen and killed. */
export class RedisServer {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'portcullis-redis-'))
  readonly socket: string = join(this.directory, 's')
  readonly #clients: Redis[] = []
  #process: ChildProcess | undefined

  /** Keeps what it has over a restart only with `appendonly`. */
  async start(...settings: readonly string[]): Promise<void> {
    const args = ['--port', '0', '--unixsocket', this.socket, '--dir', this.directory, '--save', '', ...settings]
    this.#process = spawn('redis-server', args, { stdio: 'ignore' })
    const client = this.client()
    // ioredis waits for the connection, and tries again.
    await client.ping()
  }

  client(): Redis {
    const client = new Redis(this.socket, { retryStrategy: () => 20, maxRetriesPerRequest: null })
    // While the server is down there is one of these for each attempt.
    client.on('error', () => undefined)
    this.#clients.push(client)
    return client
  }

  freeze(): void {
    this.#process?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#process?.kill('SIGCONT')
  }

  /** As a power cut does. */
  async kill(): Promise<void> {
    const process = this.#process
    if (process === undefined) return
    this.#process = undefined
    await new Promise((resolve) => {
      process.once('exit', resolve)
      process.kill('SIGKILL')
    })
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.disconnect()
    await this.kill()
    rmSync(this.directory, { recursive: true })
  }
}
