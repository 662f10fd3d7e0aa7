import { crc32 } from 'node:zlib'
import type { AttemptGuard as FactorGuard } from '@portcullis/mfa'
import type { AttemptGuard as ResetGuard } from '@portcullis/password/account-tokens'
import { createBruteForceGuard, presets } from '@portcullis/rate-limit'
import type { AttemptGuard as KeyGuard } from '@portcullis/tokens'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { call, signInAs } from './person.ts'
import { dataDir, type LedgerProcess, startLedger } from './process.ts'

it('each preset makes a guard that the package takes which it is for', () => {
  expectTypeOf(createBruteForceGuard({ ...presets.secondFactor })).toExtend<FactorGuard>()
  expectTypeOf(createBruteForceGuard({ ...presets.reset })).toExtend<ResetGuard>()
  expectTypeOf(createBruteForceGuard({ ...presets.apiKeys })).toExtend<KeyGuard>()
})

describe('guesses at API keys, while the flood limits are off [ASVS 2.4.1]', () => {
  let dir: Awaited<ReturnType<typeof dataDir>>
  let ledger: LedgerProcess
  let token: string
  beforeAll(async () => {
    dir = await dataDir()
    // Whoever connects says where he is: so one test can be many addresses.
    ledger = await startLedger({ FRAMEWORK: 'fastify', DATA_DIR: dir.path, LIMITS: 'off', TRUST_PROXY: '127.0.0.1/32,::1/128' })
    token = (await signInAs(ledger.url, 'grace')).tokens.access_token
  }, 60_000)
  afterAll(async () => {
    await ledger.end('SIGTERM')
    await dir.remove()
  })

  const use = async (key: string, address: string): Promise<number> => {
    const headers = { authorization: `Bearer ${key}`, 'x-forwarded-for': address, 'x-forwarded-proto': 'https' }
    const response = await fetch(`${ledger.url}/api/me`, { headers })
    await response.text()
    return response.status
  }
  const make = async (): Promise<string> =>
    (await call(ledger.url, token, 'POST', '/api/keys', { scopes: ['invoice:read'] })).body.key

  it('one address tries 120 at one id, of 1,000 at once', async () => {
    const guesses = forged(idOf(await make()), 1000)
    const statuses = await Promise.all(guesses.map((key) => use(key, '203.0.113.1')))
    expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(most(120))
    expect(new Set(statuses)).toEqual(new Set([401, 429]))
  })

  it('one address tries 300 at ids that nobody has, of 1,000 at once', async () => {
    const statuses = await Promise.all(Array.from({ length: 1000 }, (_, n) => use(forged(`${n}`, 1)[0] ?? '', '203.0.113.2')))
    expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(most(300))
    expect(new Set(statuses)).toEqual(new Set([401, 429]))
  })

  it('a right key is given back: 500 uses of one, from where 100 others have failed', async () => {
    const key = await make()
    await Promise.all(forged(idOf(key), 100).map((wrong) => use(wrong, '203.0.113.3')))
    for (let round = 0; round < 5; round++) {
      const statuses = await Promise.all(Array.from({ length: 100 }, () => use(key, '203.0.113.3')))
      // What comes in first is a guess, like any; after it the key is known.
      if (round > 0) expect(new Set(statuses)).toEqual(new Set([200]))
      if (round === 0) expect(statuses).toContain(200)
    }
  })

  it('nobody locks a key that its owner uses, from however many addresses he guesses at it', async () => {
    const key = await make()
    expect(await use(key, '198.51.100.7')).toBe(200)
    const wrong = forged(idOf(key), 2000)
    const statuses = Promise.all(wrong.map((guess, n) => use(guess, `203.0.113.${10 + (n % 100)}`)))
    for (let n = 0; n < 20; n++) expect(await use(key, `198.51.100.${n}`)).toBe(200)
    expect(await statuses).toContain(429)
    expect(await use(key, '198.51.100.99')).toBe(200)
  })
})

/** What time gives back while the guesses are under way is theirs too: as much again is what a minute would be. */
const most = (quota: number): number => 2 * quota

function idOf(key: string): string {
  return key.slice('ledger_'.length, 'ledger_'.length + 16)
}

/** Keys of an id, each with a secret of its own and a checksum that is right: what whoever knows the id would send. */
function forged(id: string, many: number): string[] {
  return Array.from({ length: many }, (_, n) => {
    const text = `ledger_${id.padStart(16, '0')}${String(n).padStart(43, '0')}`
    let rest = crc32(text)
    let checksum = ''
    for (let i = 0; i < 6; i++) {
      checksum = DIGITS.charAt(rest % 62) + checksum
      rest = Math.floor(rest / 62)
    }
    return text + checksum
  })
}

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
