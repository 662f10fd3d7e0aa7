import { randomBytes } from 'node:crypto'
import type { RequestHeaders } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import { createDeviceCookies, type DeviceCookiesOptions } from '../src/index.ts'
import { caught, manualClock } from './support.ts'

const secret = 'a secret of thirty-two bytes or more'
const name = '__Host-known-device'
const day = 86_400_000

function devices(options: Partial<DeviceCookiesOptions> = {}) {
  const clock = manualClock()
  return { clock, cookies: createDeviceCookies({ secret, clock, ...options } as DeviceCookiesOptions) }
}

/** The value that a `Set-Cookie` line gives the browser. */
const given = (line: string): string => /^[^=]+=([^;]*)/.exec(line)![1]!
const sent = (value: string): { headers: RequestHeaders } => ({ headers: { cookie: `a=1; ${name}=${value}; b=2` } })
const nobody = { headers: {} }

describe('a device cookie', () => {
  it('makes its device known for the account that signed in', () => {
    const { cookies } = devices()
    const line = cookies.issue('ada@acme.test', nobody)
    expect(line).toMatch(/^__Host-known-device=[\w.~-]+; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=15552000$/)
    expect(cookies.read(sent(given(line)), 'ada@acme.test')).toEqual({
      id: expect.stringMatching(/^[\w-]{22}$/),
      account: 'ada@acme.test',
    })
    expect(cookies.name).toBe(name)
  })

  it.each([' ADA@acme.test', 'ａda@acme.test', 'a\u200bda@acme.test'])('is read for another spelling of it: %j', (spelled) => {
    const { cookies } = devices()
    expect(cookies.read(sent(given(cookies.issue('Ada@Acme.Test', nobody))), spelled)).toMatchObject({
      account: 'ada@acme.test',
    })
  })

  it('is a new device after each sign-in, and the same one each time it is read', () => {
    const { cookies } = devices()
    const values = [1, 2].map(() => given(cookies.issue('ada', nobody)))
    const ids = [...values, ...values].map((value) => cookies.read(sent(value), 'ada')?.id)
    expect(new Set(ids).size).toBe(2)
  })

  it('says nothing of whose it is', () => {
    const { cookies } = devices()
    const value = given(cookies.issue('ada@acme.test', nobody))
    const all = value.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1'))
    expect([value, ...all].join()).not.toContain('ada')
  })

  it('is good for as long as it was issued for, and not a second longer', () => {
    const { cookies, clock } = devices({ lifetime: 3600 })
    const value = given(cookies.issue('ada', nobody))
    clock.time += 3_599_999
    expect(cookies.read(sent(value), 'ada')).toBeDefined()
    clock.time += 1
    expect(cookies.read(sent(value), 'ada')).toBeUndefined()
  })

  it('is good for no longer than a lifetime that was made shorter since', () => {
    const { cookies, clock } = devices()
    const value = given(cookies.issue('ada', nobody))
    const stricter = createDeviceCookies({ secret, clock, lifetime: 3600 })
    expect(stricter.read(sent(value), 'ada')).toBeDefined()
    clock.time += 3_600_000
    expect(stricter.read(sent(value), 'ada')).toBeUndefined()
  })

  it('may come from a process whose clock is a minute ahead, and from no further in the future', () => {
    const { cookies, clock } = devices()
    const value = given(cookies.issue('ada', nobody))
    clock.time -= 60_000
    expect(cookies.read(sent(value), 'ada')).toBeDefined()
    clock.time -= 1000
    expect(cookies.read(sent(value), 'ada')).toBeUndefined()
  })

  it('is not issued to nobody', async () => {
    const { cookies } = devices()
    expect(await caught(() => cookies.issue(' \u200b', nobody))).toMatchObject({ code: 'rate_limit.key_missing' })
    expect(cookies.read(sent(given(cookies.issue('ada', nobody))), ' ')).toBeUndefined()
  })
})

describe('forged and foreign device cookies are nothing (OWASP, Slow Down Online Guessing Attacks with Device Cookies: spoofing)', () => {
  const { cookies } = devices()
  const good = given(cookies.issue('victim', nobody))
  const [keyId, issued, nonce, mac] = good.split('.') as [string, string, string, string]
  const flip = (text: string, at: number): string => text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)

  it.each<[string, string]>([
    ['another account’s', given(cookies.issue('mallory', nobody))],
    ['an account’s whose name begins alike', given(cookies.issue('victi', nobody))],
    ['one under another secret', given(devices({ secret: `${secret}!` }).cookies.issue('victim', nobody))],
    ['one of another cookie’s name', given(devices({ name: '__Host-x' }).cookies.issue('victim', nobody))],
    ['one without a MAC', `${keyId}.${issued}.${nonce}.`],
    ['one with a MAC of nothing', `${keyId}.${issued}.${nonce}.${'A'.repeat(43)}`],
    ['one with its MAC changed', `${keyId}.${issued}.${nonce}.${flip(mac, 0)}`],
    ['one with another number', `${keyId}.${issued}.${flip(nonce, 3)}.${mac}`],
    ['one made younger', `${keyId}.${Number(issued) + 1}.${nonce}.${mac}`],
    ['one with a key that is not there', `2.${issued}.${nonce}.${mac}`],
    ['one with a key from the prototype', `constructor.${issued}.${nonce}.${mac}`],
    ['one with padding', `${good}=`],
    ['one in quotes', `"${good}"`],
    ['one with a fifth part', `${good}.`],
    ['the time with a leading zero', `${keyId}.0${issued}.${nonce}.${mac}`],
    ['the time in exponents', `${keyId}.1e9.${nonce}.${mac}`],
    ['random bytes', randomBytes(64).toString('base64url')],
    ['nothing', ''],
    ['a very long value', `${'~'.repeat(16_000)}${good}`],
  ])('%s', (_, value) => {
    expect(cookies.read(sent(value), 'victim')).toBeUndefined()
  })

  it('another spelling of the same bytes in base64url', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    for (const at of [nonce, mac]) {
      const spellings = [...alphabet].map((last) => at.slice(0, -1) + last)
      const read = spellings.filter((spelled) => cookies.read(sent(good.replace(at, spelled)), 'victim') !== undefined)
      expect(read).toEqual([at])
    }
  })

  it('a planted one beside the real one: then neither counts', () => {
    const planted = given(cookies.issue('victim', nobody))
    const cookie = `${name}=${planted}; ${name}=${good}`
    expect(cookies.read({ headers: { cookie } }, 'victim')).toBeUndefined()
    expect(cookies.read(sent(good), 'victim')).toBeDefined()
  })
})

describe('several people on one browser', () => {
  const browser = (cookies: ReturnType<typeof createDeviceCookies>) => {
    let value: string | undefined
    const req = () => (value === undefined ? nobody : sent(value))
    return {
      value: () => value ?? '',
      signIn: (who: string) => {
        value = given(cookies.issue(who, req()))
      },
      forget: (who: string) => {
        const line = cookies.forget(who, req())
        value = line.endsWith('Max-Age=0') ? undefined : given(line)
        return line
      },
      knows: (who: string) => cookies.read(req(), who) !== undefined,
      idOf: (who: string) => cookies.read(req(), who)?.id,
    }
  }

  it('are each known, with a device of their own', () => {
    const shared = browser(devices().cookies)
    for (const who of ['ada', 'bob', 'eve']) shared.signIn(who)
    expect(new Set(['ada', 'bob', 'eve'].map(shared.idOf)).size).toBe(3)
    expect(shared.knows('mallory')).toBe(false)
  })

  it('have one entry each, however often they sign in', () => {
    const shared = browser(devices().cookies)
    for (let n = 0; n < 20; n++) for (const who of ['ada', 'bob']) shared.signIn(who)
    expect(shared.value().split('~')).toHaveLength(2)
  })

  it('are the last few: a kiosk’s cookie stays small enough for a header', () => {
    const shared = browser(devices({ most: 20, keys: { ['k'.repeat(64)]: secret }, current: 'k'.repeat(64) }).cookies)
    for (let n = 0; n < 200; n++) shared.signIn(`user${n}`)
    expect(shared.value().split('~')).toHaveLength(20)
    expect(shared.value().length).toBeLessThan(4000 - 100)
    expect(Array.from({ length: 200 }, (_, n) => n).filter((n) => shared.knows(`user${n}`))).toEqual(
      Array.from({ length: 20 }, (_, n) => 180 + n),
    )
  })

  it('lose nothing but their own entry when one of them is forgotten', () => {
    const shared = browser(devices().cookies)
    for (const who of ['ada', 'bob']) shared.signIn(who)
    expect(shared.forget('ADA')).toContain('Max-Age=15552000')
    expect([shared.knows('ada'), shared.knows('bob')]).toEqual([false, true])
    expect(shared.forget('bob')).toBe('__Host-known-device=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0')
    expect(shared.knows('bob')).toBe(false)
  })

  it('grow old each by himself, and what is too old is not carried along', () => {
    const { cookies, clock } = devices()
    const shared = browser(cookies)
    shared.signIn('ada')
    clock.time += 100 * day
    shared.signIn('bob')
    clock.time += 100 * day
    expect([shared.knows('ada'), shared.knows('bob')]).toEqual([false, true])
    shared.signIn('eve')
    expect(shared.value().split('~')).toHaveLength(2)
  })
})

describe('keys', () => {
  const old = randomBytes(32)
  const young = randomBytes(32)

  it('rotate: the current one signs, older ones still verify, and what is taken out is out', () => {
    const clock = manualClock()
    const before = createDeviceCookies({ current: 'a', keys: { a: old }, clock })
    const during = createDeviceCookies({ current: 'b', keys: { a: old, b: young }, clock })
    const after = createDeviceCookies({ current: 'b', keys: { b: young }, clock })
    const value = given(before.issue('ada', nobody))
    expect([before, during, after].map((cookies) => cookies.read(sent(value), 'ada') !== undefined)).toEqual([true, true, false])
    const anew = given(during.issue('ada', sent(value)))
    expect(anew).toMatch(/^b\./)
    expect(after.read(sent(anew), 'ada')).toBeDefined()
    // One that verifies is replaced, under whichever key.
    expect(anew).not.toContain('~')
    // One whose key is out cannot be of use to anybody, and is not carried along.
    expect(given(after.issue('bob', sent(value)))).not.toContain('~')
  })

  it('one secret is the key named 1', () => {
    const value = given(devices().cookies.issue('ada', nobody))
    const { cookies } = devices()
    expect(cookies.read(sent(value), 'ada')).toBeDefined()
    const rotated = createDeviceCookies({ current: 'b', keys: { 1: secret, b: young }, clock: manualClock() })
    expect(rotated.read(sent(value), 'ada')).toBeDefined()
  })

  it('have ids that do not run into the account: key 1 for 2ada is not key 12 for ada', () => {
    const cookies = createDeviceCookies({ current: '1', keys: { 1: secret, 12: secret }, clock: manualClock() })
    const value = given(cookies.issue('2ada', nobody))
    expect(cookies.read(sent(value), '2ada')).toBeDefined()
    expect(cookies.read(sent(`12${value.slice(1)}`), 'ada')).toBeUndefined()
  })

  it('an id that another key is named by verifies nothing of it', () => {
    const clock = manualClock()
    const value = given(createDeviceCookies({ current: 'a', keys: { a: old }, clock }).issue('ada', nobody))
    const both = createDeviceCookies({ current: 'b', keys: { a: young, b: old }, clock })
    expect(both.read(sent(value), 'ada')).toBeUndefined()
    expect(both.read(sent(value.replace(/^a/, 'b')), 'ada')).toBeUndefined()
  })
})

it.each<[string, object]>([
  ['a short secret', { secret: 'x'.repeat(31) }],
  ['no secret', { secret: undefined }],
  ['a current key that is not there', { current: 'b', keys: { a: secret } }],
  ['a short older key', { current: 'a', keys: { a: secret, b: 'short' } }],
  ['a key id with a dot', { current: 'a.b', keys: { 'a.b': secret } }],
  ['a name without the prefix', { secret, name: 'device' }],
  ['a lifetime of milliseconds', { secret, lifetime: 180 * day }],
  ['a lifetime of a minute', { secret, lifetime: 60 }],
  ['room for nobody', { secret, most: 0 }],
  ['room for more than a header holds', { secret, most: 21 }],
])('%s is refused when it is declared', async (_, options) => {
  const error = await caught(() => createDeviceCookies(options as DeviceCookiesOptions))
  expect(error).toMatchObject({ code: 'rate_limit.options_invalid' })
  expect(String(error)).not.toContain(secret)
})
