import { PortcullisError, type Store } from '@portcullis/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { type ApiKeys, type AttemptGuard, bearer, chooseVerifier, createApiKeys, rejectedEvent } from '../src/index.ts'
import { codeOf, made, manualClock, memoryStore, request } from './support.ts'

const down = new PortcullisError('test.down', 'down', { status: 503 })

/** Takes `most` attempts at each id; what it hears is written down. */
class Counting implements AttemptGuard {
  readonly heard: string[] = []
  readonly #taken = new Map<string, number>()
  most = 10

  async attempt({ account, address }: { account: string; address: string | undefined }) {
    const taken = this.#taken.get(account) ?? 0
    if (taken >= this.most) return { allowed: false, retryAfter: 7 } as const
    this.#taken.set(account, taken + 1)
    this.heard.push(`${account} from ${address}`)
    const settle = async (outcome: 'success' | 'failure' | 'unchecked'): Promise<void> => {
      this.heard.push(outcome)
      if (outcome !== 'failure') this.#taken.set(account, (this.#taken.get(account) ?? 0) - 1)
    }
    return { allowed: true, settle } as const
  }
}

let guard: Counting
let store: Store
let lookups: number
let broken: boolean
let keys: ApiKeys

beforeEach(() => {
  guard = new Counting()
  lookups = 0
  broken = false
  const clock = manualClock()
  const inner = memoryStore(clock)
  store = {
    collection(declaration) {
      const collection = inner.collection<never>(declaration)
      return new Proxy(collection, {
        get(target, verb: keyof typeof collection) {
          if (verb === 'get') lookups++
          if (verb === 'get' && broken) return () => Promise.reject(down)
          return target[verb].bind(target)
        },
      }) as never
    },
  }
  keys = createApiKeys({ store, prefix: 'pc', issuer: 'https://login.example', audience: 'https://api.example', clock, guard })
})

async function issue(from = keys): Promise<{ id: string; key: string }> {
  const issued = await from.issue({ subject: 'user-1', scopes: [], within: undefined })
  if (!issued.ok) throw new TypeError('no key')
  return issued
}

/** Well-formed keys of one id, each with a secret of its own: what whoever knows the id would send. */
function guesses(id: string, many: number): string[] {
  return Array.from({ length: many }, (_, n) => made(`pc_${id}${String(n).padStart(43, '0')}`))
}

describe('a guard before API keys [ASVS 2.4.1]', () => {
  const from = (authorization: string) => request({ authorization: `Bearer ${authorization}` })

  it('of 1,000 wrong keys of one id at once, lets no more reach the store than it takes, whether the id exists or not', async () => {
    const { id } = await issue()
    for (const one of [id, 'A'.repeat(16)]) {
      lookups = 0
      const wrong = guesses(one, 1000)
      const codes = (await Promise.all(wrong.map((key) => keys.verify(key, { request: request() })))).map(codeOf)
      expect(codes.filter((code) => code === 'tokens.too_many_attempts')).toHaveLength(990)
      expect(lookups).toBe(10)
    }
  })

  it('hears the public part and the address before the key is looked up, and how it went', async () => {
    const { id, key } = await issue()
    const [wrong = ''] = guesses(id, 1)
    await keys.verify(wrong, { request: request() })
    await keys.verify(key, { request: request() })
    expect(guard.heard).toEqual([`${id} from 192.0.2.1`, 'failure', `${id} from 192.0.2.1`, 'success'])
    expect(guard.heard.join()).not.toContain(key)
  })

  it('gives back what a right key took, and is not asked about it again', async () => {
    const { id, key } = await issue()
    guard.most = 1
    for (let n = 0; n < 5; n++) expect((await keys.verify(key, { request: request() })).ok).toBe(true)
    expect(guard.heard).toEqual([`${id} from 192.0.2.1`, 'success'])
  })

  it('nobody who guesses at a key from elsewhere locks it for its owner, who has used it, however much at once', async () => {
    const { id, key } = await issue()
    await keys.verify(key, { request: request() })
    for (const wrong of guesses(id, 50)) await keys.verify(wrong, { request: request() })
    const results = await Promise.all(Array.from({ length: 200 }, () => keys.verify(key, { request: request() })))
    expect(results.every(({ ok }) => ok)).toBe(true)
  })

  it('a key that was right and is revoked counts again', async () => {
    const { id, key } = await issue()
    await keys.verify(key, { request: request() })
    await keys.revoke(id, { subject: 'user-1' })
    for (let n = 0; n < 20; n++) await keys.verify(key, { request: request() })
    expect(codeOf(await keys.verify(key, { request: request() }))).toBe('tokens.too_many_attempts')
  })

  it('is asked about no more than what can be a key', async () => {
    for (const junk of ['pc_x', 'other', `pc_${'A'.repeat(65)}`]) await keys.verify(junk, { request: request() })
    expect(guard.heard).toEqual([])
  })

  it('takes nothing for a key that could not be looked up, and knows the key still', async () => {
    const { key } = await issue()
    broken = true
    await expect(keys.verify(key, { request: request() })).rejects.toBe(down)
    expect(guard.heard.at(-1)).toBe('unchecked')
    broken = false
    await keys.verify(key, { request: request() })
    broken = true
    await expect(keys.verify(key, { request: request() })).rejects.toBe(down)
    broken = false
    guard.heard.length = 0
    expect((await keys.verify(key, { request: request() })).ok).toBe(true)
    expect(guard.heard).toEqual([])
  })

  it('that is down lets nobody through; lost after the check, it turns nobody away', async () => {
    const options = {
      store,
      prefix: 'pc',
      issuer: 'https://login.example',
      audience: 'https://api.example',
      clock: manualClock(),
    }
    const { key } = await issue()
    const lost = createApiKeys({ ...options, guard: { attempt: () => Promise.reject(down) } })
    await expect(lost.verify(key)).rejects.toBe(down)
    const settle = (): Promise<void> => Promise.reject(down)
    const late = createApiKeys({ ...options, guard: { attempt: async () => ({ allowed: true, settle }) } })
    expect(await late.verify(key)).toMatchObject({ ok: true })
  })

  it('answers 429 through bearer, with the moment to come back and not a word about the key, and an event says why', async () => {
    const { id } = await issue()
    const door = bearer({ verifier: chooseVerifier([keys]) })
    const codes: unknown[] = []
    const stop = rejectedEvent.subscribe(({ data }) => codes.push(data.code))
    const answers = []
    for (const wrong of guesses(id, 11)) answers.push(await door(from(wrong)))
    stop()
    expect(guard.heard[0]).toBe(`${id} from 192.0.2.1`)
    expect(codes.slice(-2)).toEqual(['tokens.reference_mismatch', 'tokens.too_many_attempts'])
    const last = answers.at(-1)
    if (last?.type !== 'reply') throw new TypeError('let through')
    expect(last.reply.status).toBe(429)
    expect(last.reply.headers).toContainEqual(['Retry-After', '7'])
    expect(JSON.stringify(last.reply)).not.toContain(id)
  })

  it.each([{}, null, 'guard'])('is refused when it is none: %j', (none) => {
    const options = { store, prefix: 'pc', issuer: 'https://login.example', audience: 'https://api.example' }
    expect(() => createApiKeys({ ...options, guard: none as never })).toThrow(
      expect.objectContaining({ code: 'tokens.options_invalid' }),
    )
  })
})
