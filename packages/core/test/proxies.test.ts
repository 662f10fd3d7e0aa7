import { describe, expect, it } from 'vitest'
import { addressRanges, parseAddress, trustedProxies } from '../src/index.ts'

const proxy = { remoteAddress: '10.0.0.1', encrypted: false }
const believing = trustedProxies(['10.0.0.0/8', 'fd00::/8'])

describe('trusted proxies', () => {
  it.each<[string, Record<string, string>, object]>([
    ['no header', {}, { ip: '10.0.0.1', secure: false, host: '' }],
    ['one hop', { 'x-forwarded-for': '198.51.100.9', 'x-forwarded-proto': 'https' }, { ip: '198.51.100.9', secure: true }],
    ['a client that sent a header of its own', { 'x-forwarded-for': '1.1.1.1, 198.51.100.9' }, { ip: '198.51.100.9' }],
    ['two trusted hops', { 'x-forwarded-for': '1.1.1.1, 198.51.100.9, 10.0.0.2' }, { ip: '198.51.100.9' }],
    ['only trusted hops', { 'x-forwarded-for': '10.0.0.3, 10.0.0.2' }, { ip: '10.0.0.3' }],
    ['an address with a port', { 'x-forwarded-for': '198.51.100.9:4711' }, { ip: '198.51.100.9' }],
    ['IPv6 with a port', { 'x-forwarded-for': '[2001:DB8::1]:4711' }, { ip: '2001:db8::1' }],
    ['a mapped address', { 'x-forwarded-for': '::ffff:198.51.100.9' }, { ip: '198.51.100.9' }],
    ['an empty item at the right', { 'x-forwarded-for': '198.51.100.9, ' }, { ip: '10.0.0.1' }],
    ['an unusual spelling', { 'x-forwarded-for': '0x7f.1' }, { ip: '10.0.0.1' }],
    ['words', { 'x-forwarded-for': 'localhost' }, { ip: '10.0.0.1' }],
    ['malformed behind a good one', { 'x-forwarded-for': 'x, 10.0.0.9' }, { ip: '10.0.0.9' }],
    // Express and Koa read this from the left, Fastify from the right (seen on Express 5.3, Koa 3.3, Fastify 5.12).
    ['https claimed by the client', { 'x-forwarded-for': '198.51.100.9', 'x-forwarded-proto': 'https, http' }, { secure: false }],
    ['http claimed by the client', { 'x-forwarded-for': '198.51.100.9', 'x-forwarded-proto': 'http, https' }, { secure: true }],
    ['one proto for two hops', { 'x-forwarded-for': '198.51.100.9, 10.0.0.2', 'x-forwarded-proto': 'https' }, { secure: true }],
    ['an unknown proto', { 'x-forwarded-for': '198.51.100.9', 'x-forwarded-proto': 'wss' }, { secure: false }],
    ['a host', { 'x-forwarded-for': '198.51.100.9', 'x-forwarded-host': 'API.example:8443' }, { host: 'api.example:8443' }],
    [
      'a malformed host',
      { host: 'a.example', 'x-forwarded-for': '198.51.100.9', 'x-forwarded-host': 'a/b' },
      { host: 'a.example' },
    ],
    ['proto without an address', { 'x-forwarded-proto': 'https' }, { ip: '10.0.0.1', secure: false }],
    [
      'Forwarded',
      { forwarded: 'for=198.51.100.9;proto=https;host=api.example' },
      { ip: '198.51.100.9', secure: true, host: 'api.example' },
    ],
    ['Forwarded, quoted', { forwarded: 'For="[2001:db8::1]:4711";Proto=HTTPS' }, { ip: '2001:db8::1', secure: true }],
    [
      'Forwarded, two hops',
      { forwarded: 'for=1.1.1.1, for=198.51.100.9;proto=https, for=10.0.0.2;proto=http' },
      { ip: '198.51.100.9', secure: true },
    ],
    ['Forwarded, hidden', { forwarded: 'for=198.51.100.9, for=_secret' }, { ip: '10.0.0.1' }],
    ['Forwarded, unknown', { forwarded: 'for=unknown' }, { ip: '10.0.0.1' }],
    ['Forwarded, unfinished', { forwarded: 'for=198.51.100.9;' }, { ip: '10.0.0.1' }],
    ['Forwarded, open quote', { forwarded: 'for="198.51.100.9' }, { ip: '10.0.0.1' }],
    ['Forwarded, twice the same', { forwarded: 'for=198.51.100.9;for=1.1.1.1' }, { ip: '10.0.0.1' }],
    ['both, agreeing', { forwarded: 'for=198.51.100.9', 'x-forwarded-for': '198.51.100.9' }, { ip: '198.51.100.9' }],
    [
      'both, disagreeing: one was the client’s',
      { forwarded: 'for=1.1.1.1', 'x-forwarded-for': '198.51.100.9' },
      { ip: '10.0.0.1' },
    ],
  ])('%s', (_, headers, client) => {
    expect(believing(proxy, headers)).toMatchObject(client)
  })

  it('believes nobody by default', () => {
    const headers = {
      'x-forwarded-for': '1.1.1.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'evil.example',
      host: 'a.example',
    }
    expect(trustedProxies([])(proxy, headers)).toEqual({ ip: '10.0.0.1', secure: false, host: 'a.example' })
  })

  it('does not believe a peer that is not on the list', () => {
    const headers = { 'x-forwarded-for': '1.1.1.1', 'x-forwarded-proto': 'https' }
    expect(believing({ remoteAddress: '192.0.2.1', encrypted: false }, headers)).toMatchObject({ ip: '192.0.2.1', secure: false })
  })

  it('folds the peer’s mapped address, and strips its zone', () => {
    expect(believing({ remoteAddress: '::ffff:10.0.0.1', encrypted: false }, { 'x-forwarded-for': '1.1.1.1' }).ip).toBe('1.1.1.1')
    expect(parseAddress('fe80::1%eth0')).toBe('fe80::1')
  })

  it('reads a mapped range as the IPv4 range it is', () => {
    const resolve = trustedProxies(['::ffff:10.0.0.0/104'])
    expect(resolve(proxy, { 'x-forwarded-for': '1.1.1.1' }).ip).toBe('1.1.1.1')
  })

  it.each(['10.0.0.0/33', '10.0.0/8', 'example.com', '10.0.0.0/8/8', '', '10.0.0.0/-1', '10.0.0.0/8x', '::/129'])(
    'refuses the range %j',
    (cidr) => {
      expect(() => trustedProxies([cidr])).toThrowError(expect.objectContaining({ code: 'core.proxy_list_invalid' }))
    },
  )
})

describe('address ranges', () => {
  const ours = addressRanges(['10.0.0.0/8', '192.0.2.1', 'fd00::/8', '::ffff:198.51.100.0/120'])

  it.each([
    ['10.1.2.3', true],
    ['11.0.0.1', false],
    ['192.0.2.1', true],
    ['192.0.2.2', false],
    ['fd00::1', true],
    ['fe80::1', false],
    ['198.51.100.7', true],
    [undefined, false],
  ])('%s: %s', (ip, inside) => {
    expect(ours(ip)).toBe(inside)
  })

  it('no range holds no address, and what is none is refused', () => {
    expect(addressRanges([])('10.0.0.1')).toBe(false)
    expect(() => addressRanges(['10.0.0.0/33'])).toThrow(expect.objectContaining({ code: 'core.proxy_list_invalid' }))
  })
})
