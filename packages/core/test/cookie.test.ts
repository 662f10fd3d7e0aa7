import { describe, expect, it } from 'vitest'
import { cookieValues, isHostCookieName, setHostCookie } from '../src/index.ts'

const name = '__Host-session'

describe('cookieValues', () => {
  it.each<[string, string | string[] | undefined, string[]]>([
    ['no header', undefined, []],
    ['an empty header', '', []],
    ['one cookie', '__Host-session=abc', ['abc']],
    ['one among others', 'a=1; __Host-session=abc; b=2', ['abc']],
    ['no space behind the semicolon', 'a=1;__Host-session=abc', ['abc']],
    ['tabs', 'a=1;\t__Host-session\t=\tabc\t', ['abc']],
    ['an equals sign in the value', '__Host-session=a=b', ['a=b']],
    ['two header lines, as HTTP/2 may have them', ['a=1; __Host-session=abc', 'b=2'], ['abc']],
    ['the cookie twice', '__Host-session=a; __Host-session=b', ['a', 'b']],
    ['the cookie on two header lines', ['__Host-session=a', '__Host-session=b'], ['a', 'b']],
    ['a name that begins alike', '__Host-session2=a; x__Host-session=b', []],
    ['no equals sign', '__Host-session', []],
  ])('reads %s', (_, cookie, values) => {
    expect(cookieValues({ cookie }, name)).toEqual(values)
  })

  it.each([
    ['a planted cookie in another letter case', '__host-session=evil'],
    ['a planted cookie behind Unicode white space (String.prototype.trim drops it)', '\u2000__Host-session=evil'],
    ['a planted cookie behind a no-break space', '\u00a0__Host-session=evil'],
    ['a planted cookie behind a vertical tab', '\v__Host-session=evil'],
    ['a percent-encoded name', '__%48ost-session=evil'],
    ['a quoted name', '"__Host-session"=evil'],
    ['a nameless cookie (sent by old browsers as its bare value)', '=__Host-session=evil'],
    ['a comma where a semicolon belongs', 'a=1, __Host-session=evil'],
  ])('is not fooled by %s', (_, cookie) => {
    expect(cookieValues({ cookie }, name)).toEqual([])
  })

  it('cookie sandwich: a quoted value hides no second cookie', () => {
    const cookie = '$Version=1; __Host-session="evil; __Host-session=real; end="'
    expect(cookieValues({ cookie }, name)).toEqual(['"evil', 'real'])
  })

  it('leaves quotes and escapes in a value as they are', () => {
    expect(cookieValues({ cookie: '__Host-session="abc"' }, name)).toEqual(['"abc"'])
    expect(cookieValues({ cookie: '__Host-session=%61bc' }, name)).toEqual(['%61bc'])
  })
})

describe('names and lines', () => {
  it.each(['session', '__Secure-session', '__host-session', '__Host-', '__Host-a b', '__Host-a;b', '__Host-a=b', '__Host-ä'])(
    'takes %j for no name',
    (bad) => {
      expect(isHostCookieName(bad)).toBe(false)
    },
  )

  it('writes what the __Host- prefix asks for, and HttpOnly', () => {
    expect(setHostCookie(name, 'v', { sameSite: 'Lax' })).toBe('__Host-session=v; Path=/; Secure; HttpOnly; SameSite=Lax')
    expect(setHostCookie(name, '', { sameSite: 'Strict', maxAge: 0 })).toBe(
      '__Host-session=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0',
    )
  })
})
