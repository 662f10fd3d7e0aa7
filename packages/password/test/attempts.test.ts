import { createMemoryStore, PortcullisError, type RequestView } from '@portcullis/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type AttemptGuard,
  createPasswordReset,
  createRegistration,
  type PasswordReset,
  type Registration,
} from '../src/account-tokens.ts'
import { createPasswordPolicy, PasswordBusyError } from '../src/index.ts'

const from = (ip: string): RequestView => ({ client: { ip, secure: true, host: '' } }) as RequestView
const request = from('192.0.2.1')
const next = 'grotesque tuba gravel'
const down = new PortcullisError('test.down', 'down', { status: 503 })

/** Takes `most` attempts at each account and address; what it hears is written down. */
class Counting implements AttemptGuard {
  readonly heard: string[] = []
  readonly #taken = new Map<string, number>()
  most = 10

  async attempt({ account, address, device }: Parameters<AttemptGuard['attempt']>[0]) {
    const keys = device === undefined ? [`address ${address}`, `account ${account}`] : [`device ${device.id}`]
    if (keys.some((key) => this.#count(key) >= this.most)) return { allowed: false, retryAfter: 7 } as const
    for (const key of keys) this.#taken.set(key, this.#count(key) + 1)
    const settle = async (outcome: 'success' | 'failure' | 'unchecked'): Promise<void> => {
      this.heard.push(outcome)
      if (outcome !== 'failure') for (const key of keys) this.#taken.set(key, this.#count(key) - 1)
    }
    this.heard.push(`${account} from ${address}`)
    return { allowed: true, settle } as const
  }

  #count(key: string): number {
    return this.#taken.get(key) ?? 0
  }
}

let guard: Counting
let busy: boolean
let broken: boolean
let lookups: number
let codes: string[]
let reset: PasswordReset
let registration: Registration

/** A shop with one customer. */
beforeEach(() => {
  guard = new Counting()
  busy = false
  broken = false
  lookups = 0
  codes = []
  open(guard)
})

function open(by: AttemptGuard, maxLive = 20): void {
  const inner = createMemoryStore()
  const store: typeof inner = {
    collection(declaration) {
      const collection = inner.collection<never>(declaration)
      return new Proxy(collection, {
        get(target, verb: keyof typeof collection) {
          if (verb === 'get' || verb === 'take') lookups++
          if (broken) return () => Promise.reject(down)
          return target[verb].bind(target)
        },
      }) as never
    },
  }
  let hash = 'old'
  const accountOf = async (name: string) =>
    name === 'ada@acme.test' ? { account: name, state: hash, secondFactor: false } : undefined
  reset = createPasswordReset({
    store,
    guard: by,
    maxLive,
    policy: createPasswordPolicy({ blocklist: ['football'] }),
    passwords: {
      async hash(password) {
        if (busy) throw new PasswordBusyError(3)
        return `hash of ${password}`
      },
    },
    accounts: {
      byIdentifier: accountOf,
      byAccount: accountOf,
      async save(_account, wanted, state) {
        if (state !== hash) return false
        hash = wanted
        return true
      },
    },
    deliver: async ({ token }) => void codes.push(token),
    endSessions: async () => {},
  })
  registration = createRegistration({
    store,
    guard: by,
    maxLive,
    exists: async () => false,
    deliver: async (delivery) => void ('token' in delivery && codes.push(delivery.token)),
  })
}

async function mailed(count: number): Promise<string> {
  await expect.poll(() => codes.length, { timeout: 10_000 }).toBe(count)
  return codes.at(-1) ?? ''
}

const turn = (): Promise<void> => new Promise((done) => setImmediate(done))
// What one test sends must not arrive in the next.
afterEach(turn)
const wrong = (n: number): string => String(n).padStart(43, 'x')

describe('a guard before asking for a mail', () => {
  it.each([
    ['a reset', () => reset.request('ada@acme.test', { request })],
    ['a registration', () => registration.request('ada@acme.test', { request })],
  ])('of 1,000 at once sends no more mails than it lets through: %s [ASVS 6.3.1]', async (_, ask) => {
    const answers = await Promise.all(Array.from({ length: 1000 }, ask))
    expect(new Set(answers)).toEqual(new Set([undefined]))
    await mailed(10)
    await turn()
    expect(codes.length).toBe(10)
  })

  it('counts nobody as it counts somebody, and is told the same of both [ASVS 6.3.8]', async () => {
    open(guard, 3)
    const trace = async (name: string): Promise<unknown> => {
      guard.heard.length = 0
      for (let n = 0; n < 20; n++) await reset.request(name, { request: from(name) })
      return guard.heard.map((line) => line.replace(name, 'who').replace(name, 'where'))
    }
    expect(await trace('ada@acme.test')).toEqual(await trace('nobody@acme.test'))
  })

  it('keeps what a mail cost, and gives back what sent none: who uses up an account’s limit has had that many mails sent', async () => {
    open(guard, 3)
    for (let n = 0; n < 30; n++) await reset.request('ada@acme.test', { request: from(`192.0.2.${n}`) })
    await mailed(3)
    expect(guard.heard.filter((line) => line === 'unchecked')).toHaveLength(27)
    expect(guard.heard).not.toContain('success')
  })

  it('knows the owner’s device when others have used up the account', async () => {
    for (let n = 0; n < 20; n++) await reset.request('ada@acme.test', { request: from(`192.0.2.${n}`) })
    await mailed(10)
    await reset.request('ada@acme.test', { request })
    await turn()
    expect(codes.length).toBe(10)
    await reset.request('ada@acme.test', { request, device: { id: 'laptop', account: 'ada@acme.test' } })
    await mailed(11)
  })
})

describe('a guard before codes from a mail', () => {
  it('of 1,000 at once lets no more be looked up than it lets through [ASVS 6.6.3]', async () => {
    for (const guess of [
      (n: number) => reset.redeem(wrong(n), next, { request }),
      (n: number) => registration.confirm(wrong(n), { request: from('192.0.2.2') }),
    ]) {
      lookups = 0
      const results = await Promise.all(Array.from({ length: 1000 }, (_, n) => guess(n)))
      const refusals = results.filter((result) => !result.ok && result.reason.code === 'password.too_many_attempts')
      expect(refusals).toHaveLength(990)
      expect(refusals[0]).toMatchObject({ retryAfter: 7 })
      expect(lookups).toBe(10)
    }
  })

  it('hears of a code by a hash that is not the one that is stored, and of a right one as right, whatever became of it', async () => {
    await reset.request('ada@acme.test', { request })
    const code = await mailed(1)
    guard.heard.length = 0
    expect(await reset.redeem(code, 'tuba', { request })).toMatchObject({ reason: { code: 'password.refused' } })
    busy = true
    expect(await reset.redeem(code, next, { request })).toMatchObject({ reason: { code: 'password.busy' } })
    busy = false
    expect(await reset.redeem(code, next, { request })).toMatchObject({ ok: true })
    expect(await reset.redeem(code, next, { request })).toMatchObject({ reason: { code: 'password.token_unknown' } })
    expect(guard.heard.filter((line) => !line.includes('from'))).toEqual(['success', 'success', 'success', 'failure'])
    expect(guard.heard.join()).not.toContain(code)
  })

  it('nobody who guesses elsewhere keeps the owner of a code from using it', async () => {
    await reset.request('ada@acme.test', { request })
    const code = await mailed(1)
    for (let n = 0; n < 50; n++) await reset.redeem(wrong(n), next, { request: from('203.0.113.9') })
    expect(await reset.redeem(code, next, { request: from('198.51.100.7') })).toMatchObject({ ok: true })
  })

  it('takes nothing while the store is down; down itself, it lets nobody through, and lost after the check it turns nobody away', async () => {
    await reset.request('ada@acme.test', { request })
    const code = await mailed(1)
    broken = true
    await expect(reset.redeem(code, next, { request })).rejects.toBe(down)
    await expect(reset.request('ada@acme.test', { request })).rejects.toBe(down)
    expect(guard.heard.filter((line) => line === 'unchecked')).toHaveLength(2)
    broken = false
    open({ attempt: () => Promise.reject(down) })
    await expect(reset.redeem(code, next, { request })).rejects.toBe(down)
    await expect(reset.request('ada@acme.test', { request })).rejects.toBe(down)
    open({ attempt: async () => ({ allowed: true, settle: () => Promise.reject(down) }) })
    expect(await reset.redeem(code, next, { request })).toMatchObject({ reason: { code: 'password.token_unknown' } })
  })
})
