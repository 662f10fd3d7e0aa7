import { describe, expect, it } from 'vitest'
import { createUrlCheck } from '../src/dpop-url.ts'

const check = createUrlCheck(['https://api.example.com', 'https://api.example.org:8443'])

describe('htu and the URL of a request (RFC 9449 §4.3, RFC 3986 §6.2)', () => {
  it.each([
    ['https://api.example.com/a', '/a'],
    ['https://api.example.org:8443/a', '/a'],
    ['https://api.example.com/a?x=1#y', '/a?x=2'],
    ['HTTPS://API.Example.COM/a', '/a'],
    ['https://api.example.com:443/a', '/a'],
    ['https://api.example.com', '/'],
    ['https://api.example.com?x', '/'],
    ['https://api.example.com/%7Euser', '/~user'],
    ['https://api.example.com/%7euser', '/%7Euser'],
    ['https://api.example.com/a%2fb', '/a%2Fb'],
    ['https://api.example.com/%61', '/a'],
    ['https://api.example.com/a/./b/../c', '/a/c'],
    ['https://api.example.com/a/%2E%2e/c', '/c'],
    ['https://api.example.com/a/b/..', '/a/'],
    ['https://api.example.com/.well-known/x', '/.well-known/x'],
    ['https://api.example.com//a', '//a'],
    ['https://api.example.com/a', 'http://anything.example:81/a?b'],
    ['https://api.example.com/', 'http://anything.example'],
  ])('%s names %s', (htu, target) => {
    expect(check(htu, target)).toBe(true)
  })

  it.each([
    ['another path', 'https://api.example.com/b', '/a'],
    ['another letter case of the path', 'https://api.example.com/A', '/a'],
    ['a slash at the end', 'https://api.example.com/a/', '/a'],
    ['%2F for a slash', 'https://api.example.com/a%2Fb', '/a/b'],
    ['twice encoded', 'https://api.example.com/%2561', '/a'],
    ['the port of the other origin', 'https://api.example.com:8443/a', '/a'],
    ['the host of the other origin', 'https://api.example.org/a', '/a'],
    ['a subdomain', 'https://x.api.example.com/a', '/a'],
    ['a longer domain', 'https://api.example.com.evil.example/a', '/a'],
    ['user info', 'https://api.example.com@evil.example/a', '/a'],
    ['user info before our host', 'https://x@api.example.com/a', '/a'],
    ['a target that a URL parser takes for a host', 'https://api.example.com/a', '//api.example.com/a'],
    ['the host that an absolute-form target names', 'https://evil.example/a', 'https://evil.example/a'],
    ['a backslash', 'https://api.example.com\\a', '/a'],
    ['a backslash in the path', 'https://api.example.com/x\\a', '/x/a'],
    ['a missing slash', 'https:/api.example.com/a', '/a'],
    ['white space', ' https://api.example.com/a', '/a'],
    ['a tab in the middle', 'https://api.exam\tple.com/a', '/a'],
    ['no scheme', '//api.example.com/a', '/a'],
    ['a path alone', '/a', '/a'],
    ['an asterisk', 'https://api.example.com', '*'],
    ['a port that is none', 'https://api.example.com:99999/a', '/a'],
  ])('%s: %s does not name %s', (_, htu, target) => {
    expect(check(htu, target)).toBe(false)
  })

  it('knows what a proxy in front cuts off', () => {
    const behind = createUrlCheck('https://api.example.com', '/v1')
    expect(behind('https://api.example.com/v1/a', '/a')).toBe(true)
    expect(behind('https://api.example.com/a', '/a')).toBe(false)
  })
})
