import { describe, expect, it } from 'vitest'
import { passwordRefused } from '../src/events.ts'
import { type BreachVerdict, createPasswordPolicy, type PasswordPolicyOptions, type PolicySubject } from '../src/index.ts'

const ada: PolicySubject = { about: ['Ada Lovelace', 'ada.lovelace@acme.test'], account: 'usr_ada' }

async function flaws(
  password: unknown,
  subject: PolicySubject = {},
  options: PasswordPolicyOptions = {},
): Promise<readonly string[]> {
  const verdict = await createPasswordPolicy({ words: ['Ledger'], ...options }).check(password as string, subject)
  return verdict.ok ? [] : verdict.flaws.map(({ code }) => code)
}

describe('length', () => {
  it.each([
    ['14 characters alone', 'tuba-gravel-xi', {}, ['password.too_short']],
    ['15 characters alone', 'tuba-gravel-xis', {}, []],
    ['7 with a second factor', 'tuba-gr', { secondFactor: true }, ['password.too_short']],
    ['8 with a second factor', 'tuba-gra', { secondFactor: true }, []],
    ['15 letters of four bytes', '🐎🐄🐖🐑🐐🐪🐘🦏🦒🐁🐇🐿🦔🦇🐻', {}, []],
    ['8 letters, decomposed into 16', 'éèêëàâäô'.normalize('NFD'), {}, ['password.too_short']],
    ['64 characters', 'a tuba full of gravel is louder than a lute that nobody has tuned', {}, []],
    ['256 characters', 'tuba gravel '.repeat(22).slice(0, 256), {}, []],
    ['257 characters', 'tuba gravel '.repeat(22).slice(0, 257), {}, ['password.too_long']],
    ['an unpaired surrogate', `${'tuba gravel lute'}\ud800`, {}, ['password.malformed']],
    ['a number from a JSON body', 123456789012345, {}, ['password.malformed']],
  ] as const)('ASVS 6.2.1, 6.2.9: %s', async (_, password, subject, expected) => {
    expect(await flaws(password, subject, { blocklist: [] })).toEqual(expected)
  })

  it('ASVS 6.2.5, 6.2.10: nothing is asked about kinds of characters, and nothing about age', async () => {
    for (const password of ['gravel tuba lute', 'GRAVELTUBALUTEXI', '8203947561038472', '!?;:,.-_#+*~/()[]']) {
      expect(await flaws(password)).toEqual([])
    }
    expect(Object.keys(createPasswordPolicy())).toEqual(['check'])
  })

  it.each([
    { minLength: 7 },
    { minLengthWithSecondFactor: 7 },
    { maxLength: 63 },
    { minLength: 65, maxLength: 64 },
    { minLength: 15.5 },
  ])('refuses the options %o', (options) => {
    expect(() => createPasswordPolicy(options)).toThrow(expect.objectContaining({ code: 'password.options_invalid' }))
  })
})

describe('the lists of passwords that are tried first (ASVS 6.2.4)', () => {
  it('has the top 3000 among those that the policy would accept with a second factor', async () => {
    const { dictionary } = await import('@zxcvbn-ts/language-common')
    const long = dictionary['passwords-common'].filter((password) => [...password].length >= 8)
    expect(long.length).toBeGreaterThanOrEqual(3000)
    const policy = createPasswordPolicy()
    for (const password of long.slice(0, 3000)) {
      expect(await policy.check(password, { secondFactor: true }), password).toMatchObject({
        flaws: expect.arrayContaining([expect.objectContaining({ code: 'password.common' })]),
      })
    }
  })

  it.each([
    ['as it is', 'football'],
    ['in capitals', 'FOOTBALL'],
    ['with substitutions', 'f00tb@ll'],
    ['repeated', 'footballfootball'],
    ['repeated, and with substitutions', 'F00tballF00tball'],
    ['with a year and signs', 'Football2026!'],
    ['in full-width letters', 'ｆｏｏｔｂａｌｌ'],
    ['with accents', 'fóótbàll'],
  ])('knows a password %s', async (_, password) => {
    expect(await flaws(password, { secondFactor: true })).toEqual(['password.common'])
  })

  it('takes another list', async () => {
    expect(await flaws('grotesque tuba', { secondFactor: true }, { blocklist: ['Grotesque Tuba'] })).toEqual(['password.common'])
    expect(await flaws('football', { secondFactor: true }, { blocklist: ['Grotesque Tuba'] })).toEqual([])
  })

  it('is quick to see that a long password repeats nothing', async () => {
    expect(await flaws(`${'ab'.repeat(127)}ac`, {}, { blocklist: ['ab'] })).toEqual([])
    expect(await flaws('ab'.repeat(128), {}, { blocklist: ['ab'] })).toEqual(['password.common'])
  })
})

describe('what everybody knows of somebody (ASVS 6.2.11)', () => {
  it.each([
    ['her name and the service', 'AdaLovelaceLedger'],
    ['with substitutions', '4d4-L0v3lac3-Ledger'],
    ['her address', 'ada.lovelace@acme.test'],
    ['her name, twice', 'lovelace-lovelace'],
    ['the service, and a year', 'ledger-ledger-2026'],
    ['with accents', 'Àdá-Lóvelàce-2026'],
  ])('counts for nothing: %s', async (_, password) => {
    expect(await flaws(password, ada)).toContain('password.context_words')
  })

  it.each([
    ['a pass phrase with a name in it', 'correct-horse-ada-battery'],
    ['another person’s name', 'grace hopper was here'],
  ])('leaves alone: %s', async (_, password) => {
    expect(await flaws(password, ada)).toEqual([])
  })

  it('a profile with ten thousand names costs no more than 64', async () => {
    const about = [Array.from({ length: 10_000 }, (_, i) => `name${i}`).join(' '), ...Array(10_000).fill('x'.repeat(10_000))]
    expect(await flaws('correct-horse-ada-battery', { about })).toEqual([])
  })
})

describe('breached passwords (ASVS 6.2.12)', () => {
  const answering = (verdict: BreachVerdict) => {
    const asked: string[] = []
    return {
      asked,
      breached: {
        check: async (password: string) => {
          asked.push(password)
          return verdict
        },
      },
    }
  }

  it.each<[BreachVerdict, readonly string[]]>([
    ['breached', ['password.breached']],
    ['clear', []],
    ['unchecked', []],
    ['unknown', ['password.breach_unknown']],
  ])('%s', async (verdict, expected) => {
    const { breached, asked } = answering(verdict)
    expect(await flaws('gravel tuba lute', {}, { breached })).toEqual(expected)
    expect(asked).toEqual(['gravel tuba lute'])
  })

  it('nobody is asked about a password that is refused anyway', async () => {
    const { breached, asked } = answering('clear')
    await flaws('short', {}, { breached })
    await flaws('x'.repeat(100_000), {}, { breached })
    expect(asked).toEqual([])
  })
})

it('strength below the least score is a flaw, and the estimator is told what is known of the owner', async () => {
  const told: unknown[] = []
  const strength = {
    estimate: (password: string, words?: readonly string[]) => {
      told.push([password, words])
      return { score: 2, guessesLog10: 7 } as const
    },
  }
  expect(await flaws('gravel tuba lute', ada, { strength })).toEqual(['password.weak'])
  expect(await flaws('gravel tuba lute', ada, { strength, leastScore: 2 })).toEqual([])
  expect(told[0]).toEqual(['gravel tuba lute', expect.arrayContaining(['Ledger', 'Lovelace', 'acme'])])
})

it('a refusal is an event with codes, and each flaw has something to tell the person, none of it the password', async () => {
  const heard: unknown[] = []
  const stop = passwordRefused.subscribe(({ data }) => heard.push(data))
  const verdict = await createPasswordPolicy().check('Football', ada)
  stop()
  expect(heard).toEqual([{ flaws: ['password.too_short', 'password.common'], account: 'usr_ada' }])
  if (verdict.ok) throw new TypeError('expected flaws')
  for (const { message } of verdict.flaws) expect(message).toMatch(/^[A-Z].*\.$/)
  expect(JSON.stringify(verdict)).not.toContain('Football')
})
