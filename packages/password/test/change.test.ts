import { beforeEach, describe, expect, it } from 'vitest'
import { passwordChanged } from '../src/events.ts'
import {
  allowWeakParameters,
  createPasswordChange,
  createPasswordGate,
  createPasswordPolicy,
  createPasswords,
} from '../src/index.ts'

const cheap = { memory: 64, iterations: 2, parallelism: 1, [allowWeakParameters]: true as const }
const gate = createPasswordGate({ size: 1, maxWaiting: 1 })
const passwords = createPasswords({ ...cheap, gate })
const hashes = new Map<string, string>()
let ended: string[] = []

const { change } = createPasswordChange({
  passwords,
  policy: createPasswordPolicy(),
  save: async (account, hash, before) => {
    if (hashes.get(account) !== before) return false
    hashes.set(account, hash)
    return true
  },
  endOtherSessions: async (account) => {
    ended.push(account)
  },
})

const request = { account: 'usr_ada', stored: '', current: 'correct horse', next: 'grotesque tuba gravel' }

beforeEach(async () => {
  ended = []
  hashes.set('usr_ada', await passwords.hash('correct horse'))
  request.stored = hashes.get('usr_ada') ?? ''
})

describe('a change of password (ASVS 6.2.3, 6.3.7)', () => {
  it('needs the current one, ends the other sessions, and is an event that becomes a notice', async () => {
    const heard: unknown[] = []
    const stop = passwordChanged.subscribe(({ data }) => heard.push(data))
    expect(await change(request)).toEqual({ ok: true })
    stop()
    expect((await passwords.verify('grotesque tuba gravel', hashes.get('usr_ada'))).ok).toBe(true)
    expect(ended).toEqual(['usr_ada'])
    expect(heard).toEqual([{ account: 'usr_ada', by: 'change' }])
  })

  it.each([
    ['a stolen session without the current password', { current: 'guess' }, { reason: { code: 'password.wrong' } }],
    ['an empty current password', { current: '' }, { reason: { code: 'password.wrong' } }],
    ['a new password that the policy refuses', { next: 'gravel tuba' }, { flaws: [{ code: 'password.too_short' }] }],
  ])('refuses %s, and changes nothing', async (_, difference, expected) => {
    const before = hashes.get('usr_ada')
    expect(await change({ ...request, ...difference })).toMatchObject({ ok: false, ...expected })
    expect(hashes.get('usr_ada')).toBe(before)
    expect(ended).toEqual([])
  })

  it('has one winner when two happen at once', async () => {
    const both = await Promise.all([change(request), change({ ...request, next: 'another tuba gravel' })])
    const codes = both.map((result) => (result.ok ? 'ok' : result.reason.code))
    expect(codes.filter((code) => code === 'ok')).toHaveLength(1)
    expect(codes).toContain('password.contended')
  })

  it('says when too many passwords are being hashed', async () => {
    const crowd = [passwords.hash('x'), passwords.hash('x')]
    expect(await change(request)).toMatchObject({ ok: false, reason: { code: 'password.busy' }, retryAfter: 1 })
    await Promise.all(crowd)
  })
})
