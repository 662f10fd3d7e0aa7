import { type CollectionDeclaration, createMemoryStore, type Json, type Store } from '@portcullis/core'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  createAccountTokens,
  createPasswordReset,
  createRegistration,
  type RegistrationDelivery,
  type ResetDelivery,
} from '../src/account-tokens.ts'
import { deliveryFailed, passwordChanged, resetRequested, tokenRefused } from '../src/events.ts'
import { createPasswordPolicy, PasswordBusyError } from '../src/index.ts'

let now = 1_800_000_000_000
const clock = { now: () => now }

/** A store that writes down what it is asked, and holds what it was given. */
function watched(): { store: Store; verbs: string[]; written: string[] } {
  const inner = createMemoryStore({ clock })
  const verbs: string[] = []
  const written: string[] = []
  const store: Store = {
    collection<T extends Json>(declaration: CollectionDeclaration) {
      const collection = inner.collection<T>(declaration)
      return new Proxy(collection, {
        get(target, verb: keyof typeof collection) {
          return (...args: unknown[]) => {
            verbs.push(`${declaration.name} ${verb}`)
            written.push(JSON.stringify(args))
            return (target[verb] as (...given: unknown[]) => unknown).apply(target, args)
          }
        },
      })
    },
  }
  return { store, verbs, written }
}

beforeEach(() => {
  now = 1_800_000_000_000
})

const same = async (): Promise<string> => 'as it is'

describe('account tokens (ASVS 6.4.1)', () => {
  const open = (purpose = 'reset', maxLive = 3) => {
    const { store, written } = watched()
    return { store, written, tokens: createAccountTokens({ store, purpose, lifetime: 900, maxLive, clock }) }
  }

  it('are 256 random bits, of which the store never sees one', async () => {
    const { tokens, written } = open()
    const [first, second] = [await tokens.issue('usr_ada', 'as it is'), await tokens.issue('usr_ada', 'as it is')]
    expect(Buffer.from(first!.token, 'base64url')).toHaveLength(32)
    expect(second!.token).not.toBe(first!.token)
    await tokens.redeem(first!.token, same)
    expect(written.join()).not.toContain(first!.token)
    expect(written.join()).not.toContain('as it is')
  })

  it('work once', async () => {
    const { tokens } = open()
    const issued = await tokens.issue('usr_ada', 'as it is')
    expect(await tokens.peek(issued!.token, same)).toEqual({ ok: true, account: 'usr_ada' })
    expect(await tokens.redeem(issued!.token, same)).toEqual({ ok: true, account: 'usr_ada' })
    for (const use of [tokens.peek, tokens.redeem]) {
      expect(await use(issued!.token, same)).toMatchObject({ ok: false, reason: { code: 'password.token_unknown' } })
    }
  })

  it('live as long as they were told', async () => {
    const { tokens } = open()
    const issued = await tokens.issue('usr_ada', 'as it is')
    expect(issued!.expiresAt).toBe(now + 900_000)
    now += 899_999
    expect((await tokens.peek(issued!.token, same)).ok).toBe(true)
    now += 1
    expect(await tokens.redeem(issued!.token, same)).toMatchObject({ reason: { code: 'password.token_unknown' } })
  })

  it('are void once the account has changed, or is gone', async () => {
    const { tokens } = open()
    for (const state of [async () => 'changed', async () => undefined]) {
      const issued = await tokens.issue('usr_ada', 'as it is')
      expect(await tokens.redeem(issued!.token, state)).toMatchObject({ reason: { code: 'password.token_stale' } })
      expect((await tokens.redeem(issued!.token, same)).ok).toBe(false)
    }
  })

  it('of one purpose are nothing to another', async () => {
    const { store, tokens } = open()
    const others = createAccountTokens({ store, purpose: 'verification', lifetime: 900, clock })
    const issued = await tokens.issue('usr_ada', 'as it is')
    expect(await others.redeem(issued!.token, same)).toMatchObject({ reason: { code: 'password.token_unknown' } })
    expect((await tokens.redeem(issued!.token, same)).ok).toBe(true)
  })

  it('are no more at a time than an account may have', async () => {
    const { tokens } = open('reset', 2)
    const [first] = [await tokens.issue('usr_ada', ''), await tokens.issue('usr_ada', '')]
    expect(await tokens.issue('usr_ada', '')).toBeUndefined()
    expect(await tokens.issue('usr_grace', '')).toBeDefined()
    await tokens.redeem(first!.token, async () => '')
    expect(await tokens.issue('usr_ada', '')).toBeDefined()
    expect(await tokens.issue('usr_ada', '')).toBeUndefined()
    now += 900_000
    expect(await tokens.issue('usr_ada', '')).toBeDefined()
  })

  it.each(['', 'x', 'x'.repeat(43).concat('='), 'ü'.repeat(43), 'x'.repeat(1_000_000), '\0'.repeat(43), undefined])(
    'a guess such as %.20j is a value and an event, without the guess',
    async (guess) => {
      const heard: unknown[] = []
      const stop = tokenRefused.subscribe(({ data }) => heard.push(data))
      const result = await open().tokens.redeem(guess as string, same)
      stop()
      expect(result).toMatchObject({ ok: false, reason: { code: 'password.token_unknown' } })
      expect(heard).toEqual([{ purpose: 'reset', code: 'password.token_unknown' }])
    },
  )

  it.each([{ lifetime: 0 }, { lifetime: 1.5 }, { maxLive: 0 }, { maxLive: 101 }, { purpose: 'Reset it' }])(
    'refuses the options %o',
    (options) => {
      const all = { store: createMemoryStore(), purpose: 'reset', lifetime: 900, ...options }
      expect(() => createAccountTokens(all)).toThrow(expect.objectContaining({ code: 'password.options_invalid' }))
    },
  )
})

/** An application with two people, one of whom has a second factor. */
function application(
  difference: {
    hash?: (password: string) => Promise<string>
    fail?: boolean
    late?: (person: { hash: string } | undefined) => void
  } = {},
) {
  const { store, verbs } = watched()
  const people = new Map([
    ['usr_ada', { email: 'ada@acme.test', hash: 'old', secondFactor: true, about: ['Ada Lovelace'] }],
    ['usr_grace', { email: 'grace@acme.test', hash: 'old', secondFactor: false, about: [] as string[] }],
  ])
  const accountOf = async (account: string) => {
    const found = people.get(account)
    return found && { account, state: `${found.hash} ${found.email}`, secondFactor: found.secondFactor, about: found.about }
  }
  const delivered: ResetDelivery[] = []
  const ended: string[] = []
  const reset = createPasswordReset({
    store,
    clock,
    policy: createPasswordPolicy({ blocklist: ['football'] }),
    passwords: { hash: difference.hash ?? (async (password) => `hash of ${password}`) },
    accounts: {
      byIdentifier: async (email) => {
        for (const [account, person] of people) if (person.email === email) return accountOf(account)
        return undefined
      },
      byAccount: accountOf,
      async save(account, hash, state) {
        const found = people.get(account)
        difference.late?.(found)
        if (found === undefined || `${found.hash} ${found.email}` !== state) return false
        found.hash = hash
        return true
      },
    },
    async deliver(delivery) {
      if (difference.fail) throw new TypeError('no mail server')
      delivered.push(delivery)
    },
    endSessions: async (account) => void ended.push(account),
  })
  const mailed = async (count = 1): Promise<ResetDelivery> => {
    await expect.poll(() => delivered.length, { timeout: 10_000 }).toBe(count)
    return delivered.at(-1)!
  }
  return { reset, people, delivered, ended, verbs, mailed }
}

describe('a reset', () => {
  it('replaces the password, ends the sessions, and is an event that becomes a notice (ASVS 6.3.7)', async () => {
    const heard: unknown[] = []
    const stops = [passwordChanged, resetRequested].map((event) => event.subscribe(({ data }) => heard.push(data)))
    const { reset, people, ended, mailed } = application()
    await reset.request('grace@acme.test')
    const { token, account, by } = await mailed()
    expect({ account, by }).toEqual({ account: 'usr_grace', by: 'owner' })
    expect(await reset.peek(token)).toBe(true)
    expect(await reset.redeem(token, 'grotesque tuba gravel')).toEqual({
      ok: true,
      account: 'usr_grace',
      secondFactorRequired: false,
    })
    expect(people.get('usr_grace')!.hash).toBe('hash of grotesque tuba gravel')
    expect(ended).toEqual(['usr_grace'])
    expect(await reset.peek(token)).toBe(false)
    expect(heard).toEqual([
      { account: 'usr_grace', by: 'owner' },
      { account: 'usr_grace', by: 'reset' },
    ])
    for (const stop of stops) stop()
  })

  it('ASVS 6.4.3: does not stand for the second factor', async () => {
    const { reset, mailed } = application()
    await reset.request('ada@acme.test')
    expect(await reset.redeem((await mailed()).token, 'tuba-gra')).toMatchObject({ ok: true, secondFactorRequired: true })
  })

  it('ASVS 6.3.8: says and does the same for somebody and for nobody, however often it is asked', async () => {
    const { reset, verbs, delivered } = application()
    const trace = async (identifier: string): Promise<unknown> => {
      verbs.length = 0
      const answers = []
      for (let i = 0; i < 5; i++) answers.push(await reset.request(identifier))
      await new Promise((turn) => setImmediate(turn))
      return { answers, verbs: [...verbs] }
    }
    const known = await trace('ada@acme.test')
    expect(await trace('nobody@acme.test')).toEqual(known)
    expect(await trace('x'.repeat(100_000))).toEqual(known)
    expect(delivered).toHaveLength(3)
  })

  it('tells the handler nothing before or while the mail is sent, and of a mail that fails by an event alone', async () => {
    const heard: unknown[] = []
    const stop = deliveryFailed.subscribe(({ data }) => heard.push(data))
    const { reset, delivered } = application()
    const request = reset.request('ada@acme.test')
    await request
    expect(delivered).toEqual([])
    const failing = application({ fail: true })
    await expect(failing.reset.request('ada@acme.test')).resolves.toBeUndefined()
    await expect.poll(() => heard, { timeout: 10_000 }).toEqual([{ account: 'usr_ada' }])
    stop()
  })

  it('costs nobody a second mail when the policy refuses the new password', async () => {
    const { reset, people, mailed } = application()
    await reset.request('grace@acme.test')
    const { token } = await mailed()
    expect(await reset.redeem(token, 'tuba-gra')).toMatchObject({
      ok: false,
      reason: { code: 'password.refused' },
      flaws: [{ code: 'password.too_short' }],
    })
    expect(people.get('usr_grace')!.hash).toBe('old')
    expect((await reset.redeem(token, 'grotesque tuba gravel')).ok).toBe(true)
  })

  it('keeps the token while too many passwords are being hashed', async () => {
    let busy = true
    const { reset, mailed } = application({
      hash: async (password) => {
        if (busy) throw new PasswordBusyError(3)
        return `hash of ${password}`
      },
    })
    await reset.request('grace@acme.test')
    const { token } = await mailed()
    expect(await reset.redeem(token, 'grotesque tuba gravel')).toMatchObject({ reason: { code: 'password.busy' }, retryAfter: 3 })
    busy = false
    expect((await reset.redeem(token, 'grotesque tuba gravel')).ok).toBe(true)
  })

  it('an older mail is void once a newer one was used', async () => {
    const { reset, mailed } = application()
    await reset.request('grace@acme.test')
    const older = await mailed(1)
    await reset.request('grace@acme.test')
    const newer = await mailed(2)
    expect((await reset.redeem(newer.token, 'grotesque tuba gravel')).ok).toBe(true)
    expect(await reset.redeem(older.token, 'another tuba gravel')).toMatchObject({ reason: { code: 'password.token_stale' } })
  })

  it('is void once the address has changed: whoever reads the old mailbox is late', async () => {
    const { reset, people, mailed } = application()
    await reset.request('grace@acme.test')
    const { token } = await mailed()
    people.get('usr_grace')!.email = 'grace@globex.test'
    expect(await reset.redeem(token, 'grotesque tuba gravel')).toMatchObject({ reason: { code: 'password.token_stale' } })
  })

  it('loses to a change that happens while it hashes', async () => {
    const changing: { now?: () => void } = {}
    const { reset, people, ended, mailed } = application({
      hash: async (password) => {
        changing.now?.()
        return `hash of ${password}`
      },
    })
    changing.now = () => {
      people.get('usr_grace')!.hash = 'changed by her'
    }
    await reset.request('grace@acme.test')
    const { token } = await mailed()
    expect(await reset.redeem(token, 'grotesque tuba gravel')).toMatchObject({ reason: { code: 'password.token_stale' } })
    expect(people.get('usr_grace')!.hash).toBe('changed by her')
    expect(ended).toEqual([])
  })

  it('loses to a change that happens at the last moment', async () => {
    const { reset, ended, mailed } = application({
      late: (person) => {
        if (person !== undefined) person.hash = 'changed by her'
      },
    })
    await reset.request('grace@acme.test')
    const { token } = await mailed()
    expect(await reset.redeem(token, 'grotesque tuba gravel')).toMatchObject({ reason: { code: 'password.token_stale' } })
    expect(ended).toEqual([])
  })

  it('lives a quarter of an hour', async () => {
    const { reset, mailed } = application()
    await reset.request('grace@acme.test')
    const { token } = await mailed()
    now += 900_000
    expect(await reset.peek(token)).toBe(false)
  })

  it('ASVS 6.4.6: an administrator begins it, and sees neither token nor password', async () => {
    const { reset, mailed } = application()
    expect(await reset.start('usr_grace')).toBe(true)
    expect(await mailed()).toMatchObject({ account: 'usr_grace', by: 'administrator' })
    expect(await reset.start('usr_nobody')).toBe(false)
  })
})

describe('registration', () => {
  function registering() {
    const { store, verbs } = watched()
    const taken = new Set(['ada@acme.test'])
    const delivered: RegistrationDelivery[] = []
    const registration = createRegistration({
      store,
      clock,
      exists: async (email) => taken.has(email),
      deliver: async (delivery) => void delivered.push(delivery),
    })
    return { registration, verbs, taken, delivered }
  }

  it('ASVS 6.3.8: says and does the same for an address that has an account, however often it is asked', async () => {
    const { registration, verbs, delivered } = registering()
    const trace = async (email: string): Promise<unknown> => {
      verbs.length = 0
      const answers = []
      for (let i = 0; i < 5; i++) answers.push(await registration.request(email))
      await new Promise((turn) => setImmediate(turn))
      return { answers, verbs: [...verbs] }
    }
    expect(await trace('ada@acme.test')).toEqual(await trace('new@acme.test'))
    expect(delivered.map(({ kind }) => kind)).toEqual(['exists', 'exists', 'exists', 'confirm', 'confirm', 'confirm'])
    expect(delivered.map((delivery) => 'token' in delivery)).toEqual([false, false, false, true, true, true])
  })

  it('confirms an address once, within a day, unless it got an account in the meantime', async () => {
    const { registration, taken, delivered } = registering()
    for (let i = 0; i < 3; i++) await registration.request('new@acme.test')
    await expect.poll(() => delivered.length, { timeout: 10_000 }).toBe(3)
    const [first, second, third] = delivered.map((delivery) => (delivery.kind === 'confirm' ? delivery.token : ''))
    expect(await registration.confirm(first!)).toEqual({ ok: true, email: 'new@acme.test' })
    expect((await registration.confirm(first!)).ok).toBe(false)
    taken.add('new@acme.test')
    expect(await registration.confirm(second!)).toMatchObject({ reason: { code: 'password.token_stale' } })
    taken.delete('new@acme.test')
    now += 86_400_000
    expect(await registration.confirm(third!)).toMatchObject({ reason: { code: 'password.token_unknown' } })
  })
})
