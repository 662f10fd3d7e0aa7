import { createMemoryStore, type Store } from '@portcullis/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { createPasskeys, type PasskeyRegistration, type Passkeys, type PasskeysOptions } from '../src/passkeys.ts'
import { type Answer, type Behaviour, SoftAuthenticator } from './authenticator.ts'
import { eventsOf, type HandClock, listeningGuard, timeAt } from './fixture.ts'

const start = 1_800_000_000_000
const browser = 'session-of-ada'

let clock: HandClock
let store: Store
let passkeys: Passkeys

beforeEach(() => {
  clock = timeAt(start)
  store = createMemoryStore({ clock })
  passkeys = make()
})

function make(options: Partial<PasskeysOptions> = {}): Passkeys {
  return createPasskeys({ store, rpId: 'acme.test', rpName: 'Acme', origins: ['https://login.acme.test'], clock, ...options })
}

async function register(authenticator: SoftAuthenticator, account = 'ada', extra: Behaviour = {}): Promise<PasskeyRegistration> {
  const options = await passkeys.beginRegistration(account, { browser, userName: `${account}@acme.test` })
  return passkeys.finishRegistration(account, { browser, response: authenticator.create(options, extra), name: 'Laptop' })
}

async function registered(behaviour: Behaviour = {}, account = 'ada'): Promise<SoftAuthenticator> {
  const authenticator = new SoftAuthenticator(behaviour)
  expect(await register(authenticator, account)).toMatchObject({ ok: true })
  return authenticator
}

async function signIn(authenticator: SoftAuthenticator, extra: Behaviour = {}) {
  const options = await passkeys.beginSignIn({ browser })
  return passkeys.finishSignIn({ browser, response: authenticator.get(options, extra) })
}

async function secondFactor(authenticator: SoftAuthenticator, extra: Behaviour = {}, account = 'ada') {
  const options = await passkeys.beginSecondFactor(account, { browser })
  return passkeys.finishSecondFactor(account, { browser, response: authenticator.get(options, extra) })
}

const refusal = (code: string): object => ({ ok: false, reason: { code } })

describe('registration', () => {
  it('asks for a discoverable passkey that verifies the person, for a random user, and no attestation', async () => {
    const options = await passkeys.beginRegistration('ada', { browser, userName: 'ada@acme.test' })
    expect(options).toMatchObject({
      rp: { id: 'acme.test', name: 'Acme' },
      user: { name: 'ada@acme.test', displayName: 'ada@acme.test' },
      attestation: 'none',
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      timeout: 300_000,
    })
    expect(Buffer.from(options.user.id, 'base64url')).toHaveLength(32)
    expect(Buffer.from(options.user.id, 'base64url').toString('latin1')).not.toContain('ada')
    const again = await passkeys.beginRegistration('ada', { browser, userName: 'ada@acme.test' })
    expect(again.user.id).toBe(options.user.id)
    const other = await passkeys.beginRegistration('bob', { browser, userName: 'bob@acme.test' })
    expect(other.user.id).not.toBe(options.user.id)
  })

  it('ASVS 6.7.2: challenges have 256 bits and are never the same', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => passkeys.beginSignIn({ browser })))
    expect(new Set(all.map(({ challenge }) => challenge)).size).toBe(50)
    for (const { challenge } of all) expect(Buffer.from(challenge, 'base64url')).toHaveLength(32)
  })

  it('gives a named passkey that is listed, renamed and revoked by its owner alone (ASVS 6.5.6)', async () => {
    const authenticator = await registered({ synced: true })
    clock.time += 1000
    await signIn(authenticator)
    const [passkey] = await passkeys.list('ada')
    expect(passkey).toEqual({
      handle: expect.stringMatching(/^[\w-]{43}$/),
      name: 'Laptop',
      createdAt: start,
      lastUsedAt: start + 1000,
      synced: true,
      backedUp: true,
      userVerified: true,
      attested: false,
      aaguid: '00000000-0000-0000-0000-000000000000',
      transports: ['internal', 'hybrid'],
    })
    const { handle } = passkey!
    expect(await passkeys.rename('mallory', handle, 'Mine')).toBe(false)
    expect(await passkeys.rename('ada', handle, 'Old laptop')).toBe(true)
    expect((await passkeys.list('ada'))[0]?.name).toBe('Old laptop')
    expect(await passkeys.remove('mallory', handle)).toBe(false)
    expect(await signIn(authenticator)).toMatchObject({ ok: true })
    expect(await passkeys.remove('ada', handle)).toBe(true)
    expect(await passkeys.remove('ada', handle)).toBe(false)
    expect(await signIn(authenticator)).toMatchObject(refusal('mfa.passkey_unknown'))
    expect(await passkeys.list('ada')).toEqual([])
  })

  it('names the passkeys that are there, so that an authenticator makes no second one', async () => {
    const authenticator = await registered()
    const options = await passkeys.beginRegistration('ada', { browser, userName: 'ada' })
    expect(options.excludeCredentials?.map(({ id }) => id)).toEqual([authenticator.keys[0]!.id.toString('base64url')])
  })

  it("a credential id that is somebody's already, chosen by an attacker: refused, and the owner keeps it", async () => {
    const credentialId = Buffer.alloc(32, 7)
    const ada = new SoftAuthenticator({ credentialId })
    await register(ada)
    expect(await register(new SoftAuthenticator({ credentialId }), 'mallory')).toMatchObject(refusal('mfa.passkey_taken'))
    expect(await signIn(ada)).toMatchObject({ ok: true, account: 'ada' })
  })

  it('takes the longest credential id there is', async () => {
    const authenticator = await registered({ credentialId: Buffer.alloc(1023, 1) })
    expect(await signIn(authenticator)).toMatchObject({ ok: true })
  })

  it('user verification missing (better-auth PR #11155): refused for signing in, taken for a second factor', async () => {
    const authenticator = new SoftAuthenticator({ verifies: false })
    expect(await register(authenticator)).toMatchObject(refusal('mfa.user_unverified'))
    const options = await passkeys.beginRegistration('ada', { browser, userName: 'ada', use: 'second_factor' })
    expect(options.authenticatorSelection).toMatchObject({ residentKey: 'discouraged', userVerification: 'preferred' })
    const response = authenticator.create(options)
    expect(await passkeys.finishRegistration('ada', { browser, response, name: 'Key' })).toMatchObject({ ok: true })
    expect(await passkeys.factors('ada')).toEqual([
      { method: 'passkey', userVerified: false, deviceBound: true, attested: false },
    ])
  })

  it('has a bound on the number of passkeys', async () => {
    passkeys = make({ most: 2 })
    await registered()
    await registered()
    expect(await register(new SoftAuthenticator())).toMatchObject(refusal('mfa.passkeys_full'))
  })

  it.each(['', ' x', 'a\nb', 'x'.repeat(129)])('refuses the name %j', async (name) => {
    const options = await passkeys.beginRegistration('ada', { browser, userName: 'ada' })
    const response = new SoftAuthenticator().create(options)
    await expect(passkeys.finishRegistration('ada', { browser, response, name })).rejects.toMatchObject({
      code: 'mfa.label_invalid',
      status: 422,
    })
  })
})

describe('sign-in', () => {
  it('without a user name says whose passkey it was, and what was proven', async () => {
    await registered({}, 'bob')
    const authenticator = await registered()
    const options = await passkeys.beginSignIn({ browser })
    expect(options).toMatchObject({ rpId: 'acme.test', userVerification: 'required', allowCredentials: [] })
    expect(await passkeys.finishSignIn({ browser, response: authenticator.get(options) })).toMatchObject({
      ok: true,
      account: 'ada',
      passkey: { name: 'Laptop' },
      proof: { method: 'passkey', at: start / 1000, userVerified: true, deviceBound: true, attested: false },
    })
  })

  it('user verification of a passkey never checked (better-auth PR #11155): an answer without it is refused', async () => {
    const authenticator = await registered()
    expect(await signIn(authenticator, { verifies: false })).toMatchObject(refusal('mfa.user_unverified'))
  })

  it.each<[string, Behaviour]>([
    ['another site', { origin: 'https://login.acme.test.evil.test' }],
    ['plain HTTP', { origin: 'http://login.acme.test' }],
    ['a neighbouring host', { origin: 'https://blog.acme.test' }],
    ['a frame in a page of another origin', { crossOrigin: true, topOrigin: 'https://evil.test' }],
    ['a frame in a page that is not named', { crossOrigin: true }],
    ['a page that names another above it and denies it', { topOrigin: 'https://evil.test' }],
  ])('an answer made on %s is refused, and a registration too', async (_, behaviour) => {
    const authenticator = await registered()
    expect(await signIn(authenticator, behaviour)).toMatchObject(refusal('mfa.origin_foreign'))
    expect(await secondFactor(authenticator, behaviour)).toMatchObject(refusal('mfa.origin_foreign'))
    expect(await register(new SoftAuthenticator(), 'bob', behaviour)).toMatchObject(refusal('mfa.origin_foreign'))
  })

  it('in a frame of a page that was named', async () => {
    passkeys = make({ topOrigins: ['https://shop.test'] })
    const authenticator = await registered({ crossOrigin: true, topOrigin: 'https://shop.test' })
    expect(await signIn(authenticator)).toMatchObject({ ok: true })
    expect(await signIn(authenticator, { topOrigin: 'https://evil.test' })).toMatchObject(refusal('mfa.origin_foreign'))
  })

  it.each<[string, Behaviour]>([
    ['for another relying party', { rpId: 'evil.test' }],
    ['of the type of a registration', { type: 'webauthn.create' }],
  ])('an answer %s is refused', async (_, behaviour) => {
    expect(await signIn(await registered(), behaviour)).toMatchObject(refusal('mfa.passkey_invalid'))
  })

  it('a registration of the type of a sign-in is refused', async () => {
    expect(await register(new SoftAuthenticator({ type: 'webauthn.get' }))).toMatchObject(refusal('mfa.passkey_invalid'))
  })

  it('a signature by another key, or over other data, is refused', async () => {
    const authenticator = await registered()
    const stranger = new SoftAuthenticator()
    stranger.create({ challenge: 'x', user: { id: authenticator.keys[0]!.user } }, { credentialId: authenticator.keys[0]!.id })
    expect(await signIn(stranger)).toMatchObject(refusal('mfa.passkey_invalid'))
    const options = await passkeys.beginSignIn({ browser })
    const answer = authenticator.get(options, { verifies: false })
    const data = Buffer.from(String(answer.response['authenticatorData']), 'base64url')
    data[32]! |= 0x04
    answer.response['authenticatorData'] = data.toString('base64url')
    expect(await passkeys.finishSignIn({ browser, response: answer })).toMatchObject(refusal('mfa.passkey_invalid'))
  })

  it('a user handle that is missing, or of somebody else, is refused', async () => {
    const bob = await registered({}, 'bob')
    const ada = await registered()
    expect(await signIn(ada, { userHandle: null })).toMatchObject(refusal('mfa.passkey_unknown'))
    expect(await signIn(ada, { userHandle: bob.keys[0]!.user })).toMatchObject(refusal('mfa.passkey_unknown'))
    expect(await secondFactor(ada, { userHandle: bob.keys[0]!.user })).toMatchObject(refusal('mfa.passkey_unknown'))
    expect(await secondFactor(ada, { userHandle: null })).toMatchObject({ ok: true })
  })
})

describe('as second factor', () => {
  it('names the passkeys of the account and no others', async () => {
    await registered({}, 'bob')
    const authenticator = await registered()
    const options = await passkeys.beginSecondFactor('ada', { browser })
    expect(options.userVerification).toBe('preferred')
    expect(options.allowCredentials?.map(({ id }) => id)).toEqual([authenticator.keys[0]!.id.toString('base64url')])
    expect(await secondFactor(authenticator)).toMatchObject({ ok: true, account: 'ada' })
  })

  it("somebody else's passkey is refused", async () => {
    await registered()
    const mallory = await registered({}, 'mallory')
    expect(await secondFactor(mallory)).toMatchObject(refusal('mfa.passkey_unknown'))
  })

  it('says whether the person was verified this time, and by policy refuses where not', async () => {
    const authenticator = await registered()
    expect(await secondFactor(authenticator, { verifies: false })).toMatchObject({ ok: true, proof: { userVerified: false } })
    passkeys = make({ secondFactorVerification: 'required' })
    expect(await secondFactor(authenticator, { verifies: false })).toMatchObject(refusal('mfa.user_unverified'))
    expect(await secondFactor(authenticator)).toMatchObject({ ok: true, proof: { userVerified: true } })
  })
})

describe('a challenge', () => {
  it('is of one use, also when the answer was refused', async () => {
    const authenticator = await registered()
    const options = await passkeys.beginSignIn({ browser })
    const response = authenticator.get(options)
    expect(await passkeys.finishSignIn({ browser, response })).toMatchObject({ ok: true })
    expect(await passkeys.finishSignIn({ browser, response })).toMatchObject(refusal('mfa.challenge_unknown'))
    const other = await passkeys.beginSignIn({ browser })
    const bad = authenticator.get(other, { verifies: false })
    expect(await passkeys.finishSignIn({ browser, response: bad })).toMatchObject(refusal('mfa.user_unverified'))
    const good = authenticator.get(other)
    expect(await passkeys.finishSignIn({ browser, response: good })).toMatchObject(refusal('mfa.challenge_unknown'))
  })

  it('is of no use in another browser: an answer that was phished out of one does not sign in another', async () => {
    const authenticator = await registered()
    const response = authenticator.get(await passkeys.beginSignIn({ browser }))
    expect(await passkeys.finishSignIn({ browser: 'of-mallory', response })).toMatchObject(refusal('mfa.challenge_unknown'))
  })

  it('is of no use for another purpose', async () => {
    const authenticator = await registered()
    const forSignIn = authenticator.get(await passkeys.beginSignIn({ browser }))
    expect(await passkeys.finishSecondFactor('ada', { browser, response: forSignIn })).toMatchObject(
      refusal('mfa.challenge_unknown'),
    )
    const weak = authenticator.get(await passkeys.beginSecondFactor('ada', { browser }), { verifies: false })
    expect(await passkeys.finishSignIn({ browser, response: weak })).toMatchObject(refusal('mfa.challenge_unknown'))
    const made = new SoftAuthenticator().create({ ...(await passkeys.beginSignIn({ browser })), rp: { id: 'acme.test' } })
    expect(await passkeys.finishRegistration('ada', { browser, response: made, name: 'x' })).toMatchObject(
      refusal('mfa.challenge_unknown'),
    )
  })

  it('of a registration is of no use as second factor of the same account, nor the other way round', async () => {
    const authenticator = await registered()
    const registration = await passkeys.beginRegistration('ada', { browser, userName: 'ada' })
    const response = authenticator.get(registration)
    expect(await passkeys.finishSecondFactor('ada', { browser, response })).toMatchObject(refusal('mfa.challenge_unknown'))
    const second = { ...(await passkeys.beginSecondFactor('ada', { browser })), rp: { id: 'acme.test' } }
    const made = new SoftAuthenticator({ verifies: false }).create(second)
    expect(await passkeys.finishRegistration('ada', { browser, response: made, name: 'x' })).toMatchObject(
      refusal('mfa.challenge_unknown'),
    )
  })

  it('is of no use for another account', async () => {
    await registered({}, 'bob')
    const authenticator = await registered()
    const response = authenticator.get(await passkeys.beginSecondFactor('bob', { browser }))
    expect(await passkeys.finishSecondFactor('ada', { browser, response })).toMatchObject(refusal('mfa.challenge_unknown'))
    const made = new SoftAuthenticator().create(await passkeys.beginRegistration('bob', { browser, userName: 'bob' }))
    expect(await passkeys.finishRegistration('ada', { browser, response: made, name: 'x' })).toMatchObject(
      refusal('mfa.challenge_unknown'),
    )
  })

  it('ends in time', async () => {
    const authenticator = await registered()
    const options = await passkeys.beginSignIn({ browser })
    clock.time += 300_000
    expect(await passkeys.finishSignIn({ browser, response: authenticator.get(options) })).toMatchObject(
      refusal('mfa.challenge_unknown'),
    )
  })

  it('that nobody made is none', async () => {
    const authenticator = await registered()
    const response = authenticator.get({ challenge: 'A'.repeat(43), rpId: 'acme.test' })
    expect(await passkeys.finishSignIn({ browser, response })).toMatchObject(refusal('mfa.challenge_unknown'))
  })
})

describe('the counter', () => {
  it('of 0 from a synced passkey signs its owner out (exactly/exa #1037): here it is a signal', async () => {
    const authenticator = await registered({ synced: true, counter: 5 })
    expect(await signIn(authenticator, { counter: 9 })).toMatchObject({ ok: true })
    let result: unknown
    const events = await eventsOf(async () => {
      result = await signIn(authenticator, { counter: 0 })
    })
    expect(result).toMatchObject({ ok: true })
    const handle = (await passkeys.list('ada'))[0]?.handle
    expect(events.filter(({ type }) => type === 'mfa.passkey_counter_back').map(({ data }) => data)).toEqual([
      { account: 'ada', handle },
    ])
  })

  it.each([
    ['0', 0],
    ['the same again', 9],
    ['less', 8],
  ])('of a device-bound passkey that goes back is a copy: %s is refused', async (_, counter) => {
    const authenticator = await registered({ counter: 5 })
    expect(await signIn(authenticator, { counter: 9 })).toMatchObject({ ok: true })
    expect(await signIn(authenticator, { counter })).toMatchObject(refusal('mfa.counter_back'))
    expect(await signIn(authenticator, { counter: 10 })).toMatchObject({ ok: true })
  })

  it('that stays 0 is no counter', async () => {
    const authenticator = await registered()
    for (let i = 0; i < 3; i++) expect(await signIn(authenticator)).toMatchObject({ ok: true })
  })

  it('of a copy that is used at the same moment: one of 20 answers with one counter is taken', async () => {
    const authenticator = await registered({ counter: 5 })
    const all = await Promise.all(Array.from({ length: 20 }, () => signIn(authenticator, { counter: 6 })))
    expect(all.filter(({ ok }) => ok)).toHaveLength(1)
  })

  it('a device-bound passkey that says it is synced, to have its counter overlooked: refused', async () => {
    const authenticator = await registered({ counter: 5 })
    expect(await signIn(authenticator, { counter: 0, synced: true })).toMatchObject(refusal('mfa.backup_changed'))
  })

  it('keeps whether a synced passkey is backed up now', async () => {
    const authenticator = await registered({ synced: true, backedUp: false })
    expect((await passkeys.list('ada'))[0]).toMatchObject({ synced: true, backedUp: false })
    await signIn(authenticator, { backedUp: true })
    expect((await passkeys.list('ada'))[0]).toMatchObject({ synced: true, backedUp: true })
  })
})

describe('an answer of another form', () => {
  const spoilt: readonly (readonly [string, (answer: Answer) => unknown])[] = [
    ['nothing', () => undefined],
    ['null', () => null],
    ['a text', () => 'x'],
    ['a list', () => []],
    ['no response', ({ response: _, ...answer }) => answer],
    ['two ids', (answer) => ({ ...answer, rawId: 'AAAA' })],
    ['an id that is a list', (answer) => ({ ...answer, id: [answer.id] })],
    ['an endless id', (answer) => ({ ...answer, id: 'A'.repeat(5000), rawId: 'A'.repeat(5000) })],
    ['another type', (answer) => ({ ...answer, type: 'password' })],
    ['client data that is not JSON', (answer) => ({ ...answer, response: { ...answer.response, clientDataJSON: 'AAAA' } })],
    ['client data of 1 MB', (answer) => ({ ...answer, response: { ...answer.response, clientDataJSON: 'A'.repeat(1_000_000) } })],
    ['an attestation that is a number', (answer) => ({ ...answer, response: { ...answer.response, attestationObject: 1 } })],
    ['an attestation that is not CBOR', (answer) => ({ ...answer, response: { ...answer.response, attestationObject: 'AA' } })],
  ]
  it.each(spoilt)('%s: refused for its form, not thrown', async (_, spoil) => {
    const options = await passkeys.beginRegistration('ada', { browser, userName: 'ada' })
    const response = spoil(new SoftAuthenticator().create(options))
    expect(await passkeys.finishRegistration('ada', { browser, response, name: 'x' })).toMatchObject(
      refusal('mfa.passkey_malformed'),
    )
  })

  it.each(['authenticatorData', 'signature', 'userHandle', 'clientDataJSON'])('no proper %s: refused', async (field) => {
    const authenticator = await registered()
    for (const value of [1, [], {}, 'a+b', 'A'.repeat(100_000)]) {
      const answer = authenticator.get(await passkeys.beginSignIn({ browser }))
      answer.response[field] = value
      expect(await passkeys.finishSignIn({ browser, response: answer })).toMatchObject(refusal('mfa.passkey_malformed'))
    }
    for (const value of ['AA', 'A'.repeat(40)]) {
      const answer = authenticator.get(await passkeys.beginSignIn({ browser }))
      answer.response[field] = value
      expect((await passkeys.finishSignIn({ browser, response: answer })).ok).toBe(false)
    }
  })
})

describe('events and attempts', () => {
  it('tell of every change and every answer, without secrets', async () => {
    const events = await eventsOf(async () => {
      const authenticator = await registered()
      await signIn(authenticator)
      await signIn(authenticator, { verifies: false })
      await signIn(authenticator, { userHandle: null })
      await passkeys.remove('ada', (await passkeys.list('ada'))[0]!.handle)
    })
    expect(events.map(({ type, data }) => ({ type, ...data }))).toEqual([
      { type: 'mfa.enrolled', account: 'ada', factor: 'passkey', replaced: false },
      { type: 'mfa.verified', account: 'ada', factor: 'passkey' },
      { type: 'mfa.refused', account: 'ada', factor: 'passkey', code: 'mfa.user_unverified' },
      { type: 'mfa.refused', factor: 'passkey', code: 'mfa.passkey_unknown' },
      { type: 'mfa.removed', account: 'ada', factor: 'passkey' },
    ])
  })

  it('a guard stands before the signature', async () => {
    const guard = listeningGuard()
    passkeys = make({ guard })
    const authenticator = await registered()
    await signIn(authenticator)
    await signIn(authenticator, { verifies: false })
    guard.allowed = false
    expect(await signIn(authenticator)).toMatchObject({ ...refusal('mfa.too_many_attempts'), retryAfter: 7 })
    expect(guard.heard).toEqual(['ada from undefined', 'success', 'ada from undefined', 'failure', 'ada from undefined'])
  })

  it('the guard hears of the device of whoever signs in, whom only the answer names, and of a second factor’s', async () => {
    const guard = listeningGuard()
    passkeys = make({ guard })
    const authenticator = await registered()
    const first = authenticator.get(await passkeys.beginSignIn({ browser }))
    const deviceOf = async (account: string) => ({ id: 'laptop', account })
    expect(await passkeys.finishSignIn({ browser, response: first }, { deviceOf })).toMatchObject({ ok: true })
    const second = authenticator.get(await passkeys.beginSecondFactor('ada', { browser }))
    const device = { id: 'phone', account: 'ada' }
    expect(await passkeys.finishSecondFactor('ada', { browser, response: second }, { device })).toMatchObject({ ok: true })
    expect(guard.heard.filter((line) => line.includes('from'))).toEqual([
      'ada from undefined by laptop of ada',
      'ada from undefined by phone of ada',
    ])
  })
})

describe('createPasskeys', () => {
  it.each<[string, Partial<PasskeysOptions>]>([
    ['no origin', { origins: [] }],
    ['an origin with a path', { origins: ['https://login.acme.test/'] }],
    ['plain HTTP', { origins: ['http://login.acme.test'] }],
    ['an origin on another domain', { origins: ['https://acme.test.evil.test'] }],
    ['an origin whose name only ends alike', { origins: ['https://notacme.test'] }],
    ['challenges for a day', { challengeLifetime: 86_400 }],
    ['no algorithm', { algorithms: [] }],
    ['an algorithm that registers and never signs in (Ed448)', { algorithms: [-7, -53] }],
    ['no anchors', { attestation: { anchors: [] } }],
    ['an anchor that is none', { attestation: { anchors: ['x'] } }],
  ])('refuses %s', (_, options) => {
    expect(() => make(options)).toThrow(expect.objectContaining({ code: 'mfa.options_invalid' }))
  })
})
