import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { hasRedis } from '@portcullis/conformance/servers'
import { afterAll, describe, expect, it } from 'vitest'
import { ownServer, skipped } from './backends.ts'
import { child as load } from './leased-quota-child.ts'

it.runIf(process.env['CI'] !== undefined)('there is a redis-server in CI', () => {
  expect(hasRedis()).toBe(true)
})

/** A process that checks one key as fast as it can. */
class Loader {
  readonly process: ChildProcessByStdio<Writable, Readable, Readable>
  readonly ended: Promise<unknown[]>
  readonly complaints: Promise<string>
  said = ''
  #heard = (): void => {}

  constructor(socket: string) {
    this.process = spawn(process.execPath, [join(import.meta.dirname, 'child.mjs'), 'leased-quota-child', socket], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.ended = once(this.process, 'close')
    this.complaints = text(this.process.stderr)
    // Whoever was killed reads nothing more.
    this.process.stdin.on('error', () => undefined)
    this.process.stdout.setEncoding('latin1').on('data', (bytes: string) => {
      this.said += bytes
      this.#heard()
    })
    void this.ended.then(() => this.#heard())
  }

  get admitted(): number {
    return this.said.length - 1
  }

  count(sort: keyof typeof load.says): number {
    return this.said.split(load.says[sort]).length - 1
  }

  /** Until it has said so many bytes. */
  async until(bytes: number): Promise<void> {
    while (this.said.length < bytes) {
      if (this.process.exitCode !== null) throw new TypeError(`a child ended: ${await this.complaints}`)
      await new Promise<void>((resolve) => {
        this.#heard = resolve
      })
    }
  }
}

describe.skipIf(skipped)('quota leased by three processes, on a redis-server of their own', () => {
  const own = ownServer()
  const loaders: Loader[] = []
  afterAll(() => {
    for (const { process: child } of loaders) child.kill('SIGKILL')
  })

  it('is never more than there was, though one of them is killed under load, and the others go on', {
    timeout: 120_000,
  }, async () => {
    const client = own.clients.of(own.server)
    const serverTime = async (): Promise<number> => {
      const [seconds, micros] = (await client.time()).map(Number)
      return seconds! * 1000 + micros! / 1000
    }
    for (let n = 0; n < load.processes; n++) loaders.push(new Loader(own.server.socket))
    await Promise.all(loaders.map((loader) => loader.until(1)))
    const from = await serverTime()
    for (const { process: child } of loaders) child.stdin.write('go')

    const [victim, ...survivors] = loaders
    await Promise.all(loaders.map((loader) => loader.until(500)))
    victim!.process.kill('SIGKILL')
    await victim!.ended
    const before = survivors.map(({ said }) => said.length)
    await Promise.all(survivors.map((loader, n) => loader.until(before[n]! + 1000)))
    for (const { process: child } of survivors) child.stdin.end()
    const codes = await Promise.all(survivors.map(async ({ ended }) => (await ended)[0]))
    const elapsed = (await serverTime()) - from

    expect([victim!.process.signalCode, ...codes]).toEqual(['SIGKILL', 0, 0])
    const admitted = loaders.reduce((sum, loader) => sum + loader.admitted, 0)
    expect(admitted).toBeLessThanOrEqual(load.limit.burst + (load.limit.quota * elapsed) / (load.limit.window * 1000) + 1)
    // What they let through came from hands as well.
    expect(admitted).toBeGreaterThan(500 * load.processes)
    expect(loaders.reduce((sum, loader) => sum + loader.count('hand'), 0)).toBeGreaterThan(0)
  })
})
