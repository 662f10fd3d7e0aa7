import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { concurrencySuite } from '@portcullis/conformance/concurrency'
import { hasRedis } from '@portcullis/conformance/servers'
import { manualClock } from '@portcullis/conformance/store'
import { describe, expect, it, onTestFinished } from 'vitest'
import { backends, ownServer, skipped, storesOn } from './backends.ts'
import { child as seated } from './concurrency-child.ts'

it.runIf(process.env['CI'] !== undefined)('there is a redis-server in CI', () => {
  expect(hasRedis()).toBe(true)
})

describe.skipIf(skipped)('seats of a process that is killed (SIGKILL)', () => {
  const own = ownServer()

  it('come back with their lease, to the millisecond, and none of those that others have', { timeout: 60_000 }, async () => {
    const clock = manualClock()
    const limit = seated.sharedLimit(own.clients.of(own.server), clock)
    const rush = async (count: number): Promise<number> => {
      const attempts = await Promise.all(Array.from({ length: count }, () => limit.acquire('k')))
      return attempts.filter(({ acquired }) => acquired).length
    }
    const parameters = [join(import.meta.dirname, 'child.mjs'), 'concurrency-child', own.server.socket, '6', String(clock.now())]
    const child = spawn(process.execPath, parameters, { stdio: ['pipe', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const closed = once(child, 'close')
    let said = ''
    for await (const bytes of child.stdout.setEncoding('latin1')) {
      said += String(bytes)
      if (said.length >= 6) break
    }
    expect(said).toBe('ssssss')
    expect(await rush(20)).toBe(4)
    child.kill('SIGKILL')
    await closed
    clock.advance(1_800_000)
    await limit.renew()
    clock.advance(1_799_999)
    expect(await rush(20)).toBe(0)
    clock.advance(1)
    expect(await rush(20)).toBe(6)
  })
})

for (const { name, start } of backends) {
  describe.skipIf(skipped)(`on a backend of its own: ${name}`, () => {
    const clients = start()
    concurrencySuite({ name, open: async () => storesOn(clients()) })
  })
}
