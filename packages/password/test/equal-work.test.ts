import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { mixGrown } from '../src/events.ts'
import { allowWeakParameters, createPasswords, type Passwords, type Work } from '../src/index.ts'
import { resetCalls, workDone } from './native-calls.ts'

vi.mock('@node-rs/argon2', async (original) => {
  const { countingArgon2 } = await import('./native-calls.ts')
  return countingArgon2(await original<typeof import('@node-rs/argon2')>())
})
vi.mock('@node-rs/bcrypt', async (original) => {
  const { countingBcrypt } = await import('./native-calls.ts')
  return countingBcrypt(await original<typeof import('@node-rs/bcrypt')>())
})
vi.mock('node:crypto', async (original) => {
  const { countingCrypto } = await import('./native-calls.ts')
  return countingCrypto(await original<typeof import('node:crypto')>())
})

const cheap = { memory: 64, iterations: 2, parallelism: 1, [allowWeakParameters]: true as const }

const tag = 'A'.repeat(43)
/** A user table in the middle of three migrations. */
const stored = {
  'bcrypt of cost 4': '$2b$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
  'bcrypt of cost 5': '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
  'bcrypt of cost 7': '$2y$07$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
  scrypt: `$scrypt$ln=6,r=8,p=1$c2FsdA$${tag}`,
  "Django's scrypt, with more": `scrypt$256$salt$8$1$${tag}=`,
  PBKDF2: `pbkdf2_sha256$1000$salt$${tag}=`,
  'PBKDF2 with more': `pbkdf2_sha256$3000$salt$${tag}=`,
  'PBKDF2 with SHA-512': `$pbkdf2-sha512$500$c2FsdA$${tag}`,
  argon2i: `$argon2i$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$${tag}`,
  'argon2id of before': `$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$${tag}`,
  'argon2id of today': `$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$${tag}`,
  'SHA-1 wrapped': `$wrapped$f=sha1$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$${tag}`,
  'bcrypt wrapped': `$wrapped$f=bcrypt,v=2b,c=06,salt=CCCCCCCCCCCCCCCCCCCCC.$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$${tag}`,
} as const

const whole = { argon2: 128, bcrypt: 128, scrypt: 2048, 'pbkdf2-sha256': 3000, 'pbkdf2-sha512': 500 }
const mixOf = (passwords: Passwords): readonly Work[] => Object.values(stored).flatMap((hash) => passwords.workOf(hash))

async function costOf(passwords: Passwords, hash: string | undefined, password = 'wrong'): Promise<Record<string, number>> {
  resetCalls()
  expect((await passwords.verify(password, hash)).ok).toBe(false)
  return workDone()
}

beforeEach(resetCalls)

describe('ASVS 6.3.8: account enumeration by time', () => {
  const stated = createPasswords({ ...cheap, mix: mixOf(createPasswords(cheap)) })

  it.each(Object.entries(stored))(
    'seen with mixed hash formats: a wrong password for %s costs what every refusal costs',
    async (_, hash) => {
      expect(await costOf(stated, hash)).toEqual(whole)
    },
  )

  it.each<[string, unknown]>([
    ['a password that is not known', 'wrong'],
    ['a megabyte', 'x'.repeat(1_000_000)],
    ['an unpaired surrogate', '\ud800'],
    ['nothing at all', undefined],
  ])('an unknown account costs the same with %s, and so does each known one', async (_, password) => {
    expect(await costOf(stated, undefined, password as string)).toEqual(whole)
    expect(await costOf(stated, stored['bcrypt of cost 4'], password as string)).toEqual(whole)
    expect(await costOf(stated, stored['argon2id of today'], password as string)).toEqual(whole)
  })

  it('is the same for what a pepper sealed', async () => {
    const sealed = createPasswords({
      ...cheap,
      mix: mixOf(createPasswords(cheap)),
      pepper: { current: 'p1', keys: { p1: randomBytes(32) } },
    })
    expect(await costOf(sealed, sealed.rewrap(stored.scrypt))).toEqual(whole)
    expect(await costOf(sealed, undefined)).toEqual(whole)
  })

  it('costs argon2id alone where nothing was ever imported', async () => {
    const passwords = createPasswords(cheap)
    expect(await costOf(passwords, undefined)).toEqual({ argon2: 128 })
    expect(await costOf(passwords, stored['argon2id of today'])).toEqual({ argon2: 128 })
  })

  it('learns what mix does not name from the first hash of its sort, right password or wrong, and says so once', async () => {
    const heard: unknown[] = []
    const stop = mixGrown.subscribe(({ data }) => heard.push(data))
    const passwords = createPasswords(cheap)
    await passwords.verify('U*U', stored['bcrypt of cost 5'])
    expect(await costOf(passwords, undefined)).toEqual({ argon2: 128, bcrypt: 32 })
    expect(await costOf(passwords, stored['bcrypt of cost 4'])).toEqual({ argon2: 128, bcrypt: 32 })
    expect(await costOf(passwords, stored['argon2id of today'])).toEqual({ argon2: 128, bcrypt: 32 })
    expect(heard).toEqual([{ kind: 'bcrypt' }])
    stop()
  })

  it('holds one place of the gate for all of it', async () => {
    const { createPasswordGate } = await import('../src/index.ts')
    const gate = createPasswordGate({ size: 1, maxWaiting: 1 })
    const passwords = createPasswords({ ...cheap, gate, mix: mixOf(createPasswords(cheap)) })
    const answers = await Promise.all([1, 2, 3].map(() => passwords.verify('wrong', stored.PBKDF2)))
    expect(answers.map((answer) => !answer.ok && answer.reason.code)).toEqual([
      'password.wrong',
      'password.wrong',
      'password.busy',
    ])
  })

  it('takes as its mix nothing but work', () => {
    expect(() => createPasswords({ mix: [{ kind: 'bcrypt', cost: 99 }] })).toThrow(
      expect.objectContaining({ code: 'password.options_invalid' }),
    )
  })
})

describe('a storm of sign-ins', () => {
  it('is refused as a value by verify, the same for known and unknown accounts, and by hash with status 503', async () => {
    const { createPasswordGate } = await import('../src/index.ts')
    const passwords = createPasswords({ ...cheap, gate: createPasswordGate({ size: 1, maxWaiting: 1 }) })
    const hash = await passwords.hash('right')
    resetCalls()
    const first = passwords.verify('right', hash)
    const second = passwords.verify('right', hash)
    const busy = { ok: false, reason: { code: 'password.busy' }, retryAfter: 1 }
    expect(await passwords.verify('right', hash)).toMatchObject(busy)
    expect(await passwords.verify('right', undefined)).toMatchObject(busy)
    await expect(passwords.hash('right')).rejects.toMatchObject({ code: 'password.busy', status: 503, retryAfter: 1 })
    await expect(passwords.wrap({ function: 'md5', digest: 'a'.repeat(32) })).rejects.toMatchObject({ code: 'password.busy' })
    expect([await first, await second]).toEqual([{ ok: true }, { ok: true }])
    expect(workDone()).toEqual({ argon2: 256 })
    expect(passwords.load).toMatchObject({ running: 0, waiting: 0, refused: 4 })
  })
})
