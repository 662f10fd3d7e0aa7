import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Aal,
  type AssuranceOptions,
  createAssurance,
  type Factor,
  type FactorChange,
  type Method,
  type Proof,
  type Requirement,
} from '../src/assurance.ts'
import { kindsOf } from '../src/proof.ts'

const now = 1_800_000_000
const password: Factor = { method: 'password' }
const totp: Factor = { method: 'totp' }
const link: Factor = { method: 'magic_link' }
const mailCode: Factor = { method: 'one_time_code', channel: 'email' }
const sms: Factor = { method: 'one_time_code', channel: 'sms' }
const recovery: Factor = { method: 'recovery_code' }
const remembered: Factor = { method: 'remembered_device' }
const federated: Factor = { method: 'federated' }
const passkey: Factor = { method: 'passkey', userVerified: true }
const key: Factor = { method: 'passkey', deviceBound: true }
const hardware: Factor = { method: 'passkey', userVerified: true, deviceBound: true, attested: true }

const proven = (factors: readonly Factor[], age = 0): Proof[] => factors.map((factor) => ({ ...factor, at: now - age }))

function decide(
  given: { proofs?: readonly Proof[]; enrolled?: readonly Factor[]; requirement?: Requirement },
  options: AssuranceOptions = {},
) {
  const { proofs = [], enrolled = [password], requirement } = given
  return createAssurance(options).decide({ proofs, enrolled, now, ...(requirement && { requirement }) })
}

describe('assess', () => {
  it.each<[string, readonly Factor[], Aal | undefined, readonly string[]]>([
    ['nothing', [], undefined, []],
    ['a password', [password], 'aal1', ['pwd']],
    ['password and TOTP', [password, totp], 'aal2', ['pwd', 'otp', 'mfa']],
    ['TOTP alone', [totp], 'aal1', ['otp']],
    ['TOTP and HOTP, both possessed', [totp, { method: 'hotp' }], 'aal1', ['otp']],
    ['TOTP and a security key, both possessed', [totp, key], 'aal1', ['otp', 'hwk', 'user']],
    ['two security keys', [key, { ...key, attested: true }], 'aal1', ['hwk', 'user']],
    ['a passkey that verifies the person is two factors', [passkey], 'aal2', ['swk', 'user', 'mfa']],
    ['password and a security key', [password, key], 'aal2', ['pwd', 'hwk', 'user', 'mfa']],
    ['hardware that an anchor vouches for', [hardware], 'aal3', ['hwk', 'user', 'mfa']],
    ['password and hardware without a PIN', [password, { ...key, attested: true }], 'aal3', ['pwd', 'hwk', 'user', 'mfa']],
    ['hardware as it says of itself', [{ ...hardware, attested: false }], 'aal2', ['hwk', 'user', 'mfa']],
    ['password and a link by e-mail, which could set that password', [password, link], 'aal1', ['pwd', 'otp']],
    ['password and a code by e-mail', [password, mailCode], 'aal1', ['pwd', 'otp']],
    ['a link by e-mail and TOTP', [link, totp], 'aal2', ['otp', 'mfa']],
    ['password and a code by SMS, which does not count', [password, sms], 'aal1', ['pwd']],
    ['password and recovery code', [password, recovery], 'aal2', ['pwd', 'otp', 'mfa']],
    ['a remembered device', [remembered], undefined, []],
    ['password and a remembered device, by default', [password, remembered], 'aal1', ['pwd']],
    ['a federated sign-in', [federated], 'aal1', []],
    ['a federated sign-in and a password', [federated, password], 'aal1', ['pwd']],
    ['a federated sign-in that is trusted to be aal2', [{ ...federated, aal: 'aal2', amr: ['mfa'] }], 'aal2', ['mfa']],
  ])('%s', (_, factors, aal, amr) => {
    const assessment = createAssurance().assess(proven(factors))
    expect(assessment).toMatchObject({ aal, acr: aal, amr })
  })

  it('counts a telephone (ASVS 6.6.1) and a remembered device where the policy says so, and by default neither', () => {
    expect(createAssurance({ telephone: true }).assess(proven([password, sms]))).toMatchObject({
      aal: 'aal2',
      amr: ['pwd', 'sms', 'mfa'],
    })
    const devices = createAssurance({ rememberedDevices: true })
    expect(devices.assess(proven([password, remembered])).aal).toBe('aal2')
    expect(devices.assess(proven([remembered])).aal).toBeUndefined()
  })

  it('says when each kind of factor was proven, and that a recovery code was among them', () => {
    const proofs = [...proven([password], 500), ...proven([recovery], 20), ...proven([remembered])]
    expect(createAssurance({ rememberedDevices: true }).assess(proofs)).toMatchObject({
      authTime: now - 500,
      authTimes: { knowledge: now - 500, possession: now - 20 },
      recovered: true,
      phishingResistant: false,
    })
    expect(createAssurance().assess(proven([key])).phishingResistant).toBe(true)
  })

  const verified = { method: 'passkey', userVerified: true } as const
  it.each<[string, readonly Proof[], number]>([
    ['a password, and a code later', [...proven([password], 500), ...proven([totp], 20)], 500],
    ['a password twice', [...proven([password], 500), ...proven([password], 20)], 20],
    ['two factors twice', [...proven([password, totp], 500), ...proven([password, totp], 20)], 20],
    ['two factors, and one of them again', [...proven([password, totp], 500), ...proven([totp], 20)], 500],
    ['two factors, and a passkey that is both', [...proven([password, totp], 500), ...proven([verified], 20)], 20],
  ])('the age of a level is that of all it takes: %s', (_, proofs, age) => {
    expect(createAssurance().assess(proofs).authTime).toBe(now - age)
  })

  it.each([{ method: 'retina', at: now }, { method: 'password', at: Number.NaN }, { method: 'password' }])(
    'a proof that cannot be read counts for nothing: %j',
    (proof) => {
      const thrown = expect.objectContaining({ code: 'mfa.proof_invalid' })
      expect(() => createAssurance().assess([proof as Proof])).toThrow(thrown)
      expect(() => decide({ proofs: [proof as Proof] })).toThrow(thrown)
    },
  )
})

describe('a second factor asked on one way in and not on another (better-auth #9552, #10322; ASVS 6.3.4, 6.4.3)', () => {
  const enrolled = [password, link, totp, recovery]
  it.each<[string, readonly Factor[]]>([
    ['password', [password]],
    ['magic link', [link]],
    ['a code by e-mail', [mailCode]],
    ['a code by SMS', [sms]],
    ['federated sign-in', [federated]],
    ['password reset by e-mail', [link, password]],
    ['TOTP without a first factor', [totp]],
    ['a recovery code alone', [recovery]],
    ['two links', [link, link]],
    ['password and remembered device, without a policy for it', [password, remembered]],
  ])('%s is not enough for an account that has one', (_, factors) => {
    // A telephone does not even count as one.
    const code = factors.includes(sms) ? 'mfa.proof_missing' : 'mfa.second_factor_missing'
    expect(decide({ proofs: proven(factors), enrolled })).toMatchObject({ type: 'more', reason: { code } })
  })

  it.each<[string, readonly Factor[]]>([
    ['password', [password]],
    ['magic link', [link]],
    ['federated', [federated]],
  ])('%s is enough for one that has none', (_, factors) => {
    expect(decide({ proofs: proven(factors) })).toMatchObject({ type: 'enough', assessment: { aal: 'aal1' } })
  })

  it('a step-up that asks for less than the sign-in lets nobody in who skipped it', () => {
    const requirement: Requirement = { aal: 'aal1', maxAge: 300 }
    expect(decide({ proofs: proven([password]), enrolled, requirement }).type).toBe('more')
  })

  it('a telephone that does not count any more does not turn the second factor off', () => {
    expect(decide({ proofs: proven([password]), enrolled: [password, sms] })).toMatchObject({ type: 'enrol' })
  })
})

describe('decide', () => {
  it('names what would do, and nothing that would not', () => {
    const enrolled = [password, totp, passkey, recovery, mailCode]
    const accept = (proofs: readonly Proof[], requirement?: Requirement): readonly Method[] => {
      const decision = decide({ proofs, enrolled, ...(requirement && { requirement }) })
      return decision.type === 'more' ? [...decision.accept].sort() : []
    }
    expect(accept(proven([password]))).toEqual(['passkey', 'recovery_code', 'totp'])
    expect(accept([])).toEqual(['one_time_code', 'passkey', 'password', 'recovery_code', 'totp'])
    expect(accept(proven([totp]))).toEqual(['one_time_code', 'passkey', 'password'])
    expect(accept(proven([password]), { phishingResistant: true })).toEqual(['passkey'])
  })

  it('asks for what the account has, enrols what it may have, and says when neither is possible', () => {
    const requirement: Requirement = { aal: 'aal2' }
    expect(decide({ proofs: proven([password]), requirement })).toMatchObject({ type: 'enrol', accept: ['passkey', 'totp'] })
    const none = { enrollable: [] }
    expect(decide({ proofs: proven([password]), requirement }, none)).toMatchObject({ type: 'impossible' })
    expect(decide({ proofs: proven([password]), requirement: { aal: 'aal3' } })).toMatchObject({ type: 'impossible' })
    expect(decide({ proofs: proven([passkey]), enrolled: [passkey], requirement: { aal: 'aal3' } })).toMatchObject({
      type: 'impossible',
      reason: { code: 'mfa.level_too_low' },
    })
  })

  it('ASVS 6.3.3: a policy of aal2 asks everybody, one that resists phishing takes nothing that can be phished', () => {
    expect(decide({ proofs: proven([password]) }, { minimum: 'aal2' })).toMatchObject({ type: 'enrol' })
    const level3: AssuranceOptions = { minimum: 'aal2', phishingResistant: true, rememberedDevices: true, telephone: true }
    for (const second of [totp, sms, recovery, remembered, { method: 'hotp' } as Factor]) {
      const proofs = proven([password, second])
      expect(decide({ proofs, enrolled: [password, second, passkey] }, level3)).toMatchObject({
        type: 'more',
        accept: ['passkey'],
      })
    }
    expect(decide({ proofs: proven([passkey]), enrolled: [passkey] }, level3).type).toBe('enough')
    expect(decide({ proofs: proven([password, key]), enrolled: [password, key] }, level3).type).toBe('enough')
  })

  it.each<[string, readonly Proof[], Requirement, string]>([
    ['both factors fresh', proven([password, totp], 300), { maxAge: 300 }, 'enough'],
    ['one second too old', proven([password, totp], 301), { maxAge: 300 }, 'more'],
    ['one of the two too old', [...proven([password], 900), ...proven([totp])], { maxAge: 300 }, 'more'],
    ['one fresh is enough', [...proven([password], 900), ...proven([totp])], { maxAge: 300, freshness: 'one' }, 'enough'],
    ['none fresh', proven([password, totp], 900), { maxAge: 300, freshness: 'one' }, 'more'],
    ['one fresh, and not enough in all', proven([password]), { maxAge: 300, freshness: 'one' }, 'more'],
    ['from a clock a little ahead', proven([password, totp], -50), { maxAge: 300 }, 'enough'],
    ['from the future', proven([password, totp], -86_400), { maxAge: 300 }, 'more'],
    ['by recovery code', proven([password, recovery]), { maxAge: 300 }, 'more'],
  ])('step-up (ASVS 7.5.3): %s', (_, proofs, requirement, type) => {
    expect(decide({ proofs, enrolled: [password, totp], requirement }).type).toBe(type)
  })

  it('a remembered device stands in at sign-in by policy, never at step-up', () => {
    const proofs = proven([password, remembered])
    const enrolled = [password, totp]
    expect(decide({ proofs, enrolled }, { rememberedDevices: true }).type).toBe('enough')
    expect(decide({ proofs, enrolled, requirement: { maxAge: 300 } }, { rememberedDevices: true }).type).toBe('more')
    const one: Requirement = { maxAge: 300, freshness: 'one' }
    expect(decide({ proofs, enrolled, requirement: one }, { rememberedDevices: true }).type).toBe('more')
    expect(decide({ proofs, enrolled, requirement: { phishingResistant: true } }, { rememberedDevices: true }).type).not.toBe(
      'enough',
    )
  })

  it('a misspelt level is an error, not no level', () => {
    expect(() => decide({ requirement: { aal: 'AAL2' as Aal } })).toThrow(
      expect.objectContaining({ code: 'mfa.options_invalid' }),
    )
  })
})

describe('changing factors (ASVS 6.4.4, 7.5.1)', () => {
  const change = (given: Partial<FactorChange>, options: AssuranceOptions = {}) =>
    createAssurance(options).decideChange({ change: 'enrol', factor: totp, proofs: [], enrolled: [password], now, ...given })

  it.each<[string, Partial<FactorChange>, string]>([
    ['the first one, after the password', { proofs: proven([password]) }, 'enough'],
    ['the first one, in a session of an hour', { proofs: proven([password], 3600) }, 'more'],
    ['another one by a session that has the password alone', { proofs: proven([password]), enrolled: [password, totp] }, 'more'],
    ['another one by a remembered device', { proofs: proven([password, remembered]), enrolled: [password, totp] }, 'more'],
    ['another one after both', { proofs: proven([password, totp]), enrolled: [password, totp] }, 'enough'],
    [
      'another one after a lost one: password and recovery code',
      { proofs: proven([password, recovery]), enrolled: [password, totp] },
      'enough',
    ],
    ['removal without proof', { change: 'remove', enrolled: [password, totp] }, 'more'],
    ['removal with it', { change: 'remove', proofs: proven([password, totp]), enrolled: [password, totp] }, 'enough'],
  ])('%s: %3$s', (_, given, type) => {
    expect(change(given, { rememberedDevices: true }).type).toBe(type)
  })

  it('the last factor that a sign-in needs cannot be removed, one of two can', () => {
    const proofs = proven([password, totp])
    const given: Partial<FactorChange> = { change: 'remove', proofs }
    expect(change({ ...given, enrolled: [password, totp] }, { minimum: 'aal2' })).toMatchObject({
      type: 'impossible',
      reason: { code: 'mfa.last_factor' },
    })
    expect(change({ ...given, enrolled: [password, totp, passkey] }, { minimum: 'aal2' }).type).toBe('enough')
    expect(change({ ...given, enrolled: [password, totp, recovery] }, { minimum: 'aal2' }).type).toBe('impossible')
  })

  it('where phishing must be resisted, the passkey or a recovery code lets another one in; TOTP does not', () => {
    const level3: AssuranceOptions = { minimum: 'aal2', phishingResistant: true }
    const enrolled = [password, totp, passkey, recovery]
    expect(change({ factor: passkey, proofs: proven([password, totp]), enrolled }, level3).type).toBe('more')
    expect(change({ factor: passkey, proofs: proven([passkey]), enrolled }, level3).type).toBe('enough')
    expect(change({ factor: passkey, proofs: proven([password, recovery]), enrolled }, level3).type).toBe('enough')
  })
})

describe('properties', () => {
  const factor: fc.Arbitrary<Factor> = fc.oneof(
    fc.record({
      method: fc.constantFrom<Method>('password', 'totp', 'hotp', 'recovery_code', 'magic_link', 'remembered_device'),
    }),
    fc.record({
      method: fc.constant<Method>('passkey'),
      userVerified: fc.boolean(),
      deviceBound: fc.boolean(),
      attested: fc.boolean(),
    }),
    fc.record({
      method: fc.constant<Method>('one_time_code'),
      channel: fc.constantFrom('sms' as const, 'voice' as const, 'email' as const, 'push' as const),
    }),
    fc.record({
      method: fc.constant<Method>('federated'),
      aal: fc.constantFrom<Aal>('aal1', 'aal2', 'aal3'),
      phishingResistant: fc.boolean(),
    }),
  )
  const proof = fc.tuple(factor, fc.integer({ min: -100, max: 1000 })).map(([of, age]): Proof => ({ ...of, at: now - age }))
  const options = fc.record<AssuranceOptions>({
    minimum: fc.constantFrom('aal1', 'aal2'),
    phishingResistant: fc.boolean(),
    rememberedDevices: fc.boolean(),
    telephone: fc.boolean(),
  })
  const requirement = fc.record<Requirement>(
    {
      aal: fc.constantFrom<Aal>('aal1', 'aal2', 'aal3'),
      phishingResistant: fc.boolean(),
      maxAge: fc.integer({ min: 0, max: 900 }),
      freshness: fc.constantFrom('full', 'one'),
    },
    { requiredKeys: [] },
  )
  const question = fc.record({
    proofs: fc.array(proof, { maxLength: 5 }),
    enrolled: fc.array(factor, { maxLength: 5 }),
    requirement,
    now: fc.constant(now),
  })

  it('one more proof never makes less of what was enough', () => {
    fc.assert(
      fc.property(options, question, proof, (how, asked, more) => {
        const assurance = createAssurance(how)
        const proofs = [...asked.proofs, more]
        if (assurance.decide(asked).type === 'enough') expect(assurance.decide({ ...asked, proofs }).type).toBe('enough')
        const change = { ...asked, change: 'enrol', factor: totp } as const
        if (assurance.decideChange(change).type === 'enough') {
          expect(assurance.decideChange({ ...change, proofs }).type).toBe('enough')
        }
      }),
      { numRuns: 3000 },
    )
  })

  it('no number of proofs of one kind is ever two factors', () => {
    fc.assert(
      fc.property(options, fc.constantFrom('knowledge', 'possession'), fc.array(proof, { maxLength: 8 }), (how, kind, proofs) => {
        const same = proofs.filter((of) => kindsOf(of).join() === kind)
        const { aal } = createAssurance(how).assess(same)
        expect(aal === undefined || aal === 'aal1').toBe(true)
        const asked = { proofs: same, enrolled: [password], requirement: { aal: 'aal2' }, now } as const
        expect(createAssurance(how).decide(asked).type).not.toBe('enough')
      }),
      { numRuns: 3000 },
    )
  })

  it('an account with a second factor never gets in with one kind', () => {
    fc.assert(
      fc.property(options, question, (how, asked) => {
        const assurance = createAssurance(how)
        const decision = assurance.decide({ ...asked, enrolled: [...asked.enrolled, totp] })
        if (decision.type !== 'enough') return
        const kinds = new Set(asked.proofs.flatMap(kindsOf))
        expect(kinds.size).toBeGreaterThan(1)
        expect(asked.proofs.some(({ method }) => method !== 'remembered_device')).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })

  it('what `more` accepts is enough in the end, whichever is given first', () => {
    fc.assert(
      fc.property(options, question, (how, asked) => {
        const assurance = createAssurance(how)
        let proofs: readonly Proof[] = asked.proofs
        for (let step = 0; step < 4; step++) {
          const decision = assurance.decide({ ...asked, proofs })
          if (decision.type !== 'more') {
            if (step > 0) expect(decision.type).toBe('enough')
            return
          }
          const best = asked.enrolled.filter(({ method }) => decision.accept.includes(method))
          expect(best.length).toBeGreaterThan(0)
          proofs = [...proofs, ...best.map((of) => ({ ...of, at: now }))]
        }
        expect.fail('three proofs are always enough')
      }),
      { numRuns: 3000 },
    )
  })
})

describe('createAssurance', () => {
  it.each<[string, AssuranceOptions]>([
    ['a minimum that there is not', { minimum: 'aal3' as 'aal2' }],
    ['a day in which factors may be changed', { changeAge: 86_400 }],
  ])('refuses %s', (_, options) => {
    expect(() => createAssurance(options)).toThrow(expect.objectContaining({ code: 'mfa.options_invalid' }))
  })
})
