import { createHash } from 'node:crypto'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createPwnedPasswords, type PwnedPasswordsOptions } from '../src/breached.ts'
import { breachCheckSkipped } from '../src/events.ts'

const digest = createHash('sha1').update('hunter2 hunter2').digest('hex').toUpperCase()
const prefix = digest.slice(0, 5)
const suffix = digest.slice(5)
const other = '0'.repeat(35)

let server: Server
let origin: string
let answer: RequestListener
const seen: { method: string | undefined; url: string | undefined; headers: object; body: string }[] = []

beforeEach(async () => {
  seen.length = 0
  server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      seen.push({ method: request.method, url: request.url, headers: request.headers, body })
      answer(request, response)
    })
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((closed) => server.close(closed))
})

const lines =
  (...list: string[]): RequestListener =>
  (_, response) => {
    response.end(list.join('\r\n'))
  }
const pwned = (options: Partial<PwnedPasswordsOptions> = {}) =>
  createPwnedPasswords({ whenUnreachable: 'refuse', origin, timeout: 15_000, ...options })

describe('Have I Been Pwned (ASVS 6.2.12)', () => {
  it('knows a password that is in the range, and not one that is not', async () => {
    answer = lines(`${other}:12`, `${suffix}:3`)
    expect(await pwned().check('hunter2 hunter2')).toBe('breached')
    answer = lines(`${other}:12`)
    expect(await pwned().check('hunter2 hunter2')).toBe('clear')
  })

  it('k-anonymity: nothing but five digits of the SHA-1 leaves the process, and the answer is padded', async () => {
    answer = lines(`${other}:12`)
    await pwned().check('hunter2 hunter2')
    expect(seen).toHaveLength(1)
    const [{ method, url, headers, body } = seen[0]!] = seen
    expect({ method, url, body }).toEqual({ method: 'GET', url: `/range/${prefix}`, body: '' })
    expect(headers).toMatchObject({ 'add-padding': 'true' })
    const sent = JSON.stringify(headers).toUpperCase()
    expect(sent).not.toContain(suffix.slice(0, 8))
    expect(sent).not.toContain('HUNTER2')
    expect(sent).not.toContain(Buffer.from('hunter2').toString('base64').toUpperCase())
  })

  it('takes padding (seen 0 times) for what it is', async () => {
    answer = lines(`${suffix}:0`, `${other}:12`)
    expect(await pwned().check('hunter2 hunter2')).toBe('clear')
  })

  it('minds how often it was seen, where told', async () => {
    answer = lines(`${suffix}:9`)
    expect(await pwned({ leastCount: 10 }).check('hunter2 hunter2')).toBe('clear')
    expect(await pwned({ leastCount: 9 }).check('hunter2 hunter2')).toBe('breached')
  })

  it('asks about the NFC form', async () => {
    answer = lines(`${createHash('sha1').update('café').digest('hex').slice(5)}:1`)
    expect(await pwned().check('café'.normalize('NFD'))).toBe('breached')
  })

  it.each<[string, RequestListener]>([
    ['answers 503', (_, response) => response.writeHead(503).end()],
    ['answers 429', (_, response) => response.writeHead(429).end('slow down')],
    [
      'sends it elsewhere',
      (request, response) => {
        if (request.url === '/elsewhere') response.end(`${other}:1`)
        else response.writeHead(302, { location: '/elsewhere' }).end()
      },
    ],
    ['has a captive portal before it', (_, response) => response.end('<html>Accept our terms</html>')],
    ['answers nothing', (_, response) => response.end()],
    ['hangs up', (request) => request.socket.destroy()],
    ['answers without end', (_, response) => response.end(`${other}:1\r\n`.repeat(40_000))],
  ])('does what the application chose when the service %s', async (_, trouble) => {
    answer = trouble
    const heard: unknown[] = []
    const stop = breachCheckSkipped.subscribe(({ data }) => heard.push(data))
    expect(await pwned({ whenUnreachable: 'accept' }).check('hunter2 hunter2')).toBe('unchecked')
    expect(await pwned({ whenUnreachable: 'refuse' }).check('hunter2 hunter2')).toBe('unknown')
    stop()
    expect(heard).toEqual([{ accepted: true }, { accepted: false }])
  })

  it('does not wait longer than its deadline for a service that hangs, nor at all once it has hung three times', async () => {
    answer = () => {}
    const check = pwned({ timeout: 100 })
    for (let i = 0; i < 3; i++) expect(await check.check('hunter2 hunter2')).toBe('unknown')
    await check.check('hunter2 hunter2')
    expect(seen).toHaveLength(3)
  })

  it('takes an injected fetch, which may ask a mirror or go through a proxy', async () => {
    const asked: string[] = []
    const check = pwned({
      fetch: async (url) => {
        asked.push(String(url))
        return new Response(`${suffix}:1`)
      },
      origin: 'https://mirror.acme.test',
    })
    expect(await check.check('hunter2 hunter2')).toBe('breached')
    expect(asked).toEqual([`https://mirror.acme.test/range/${prefix}`])
  })

  it.each([
    ['no answer to what happens when it is unreachable', { whenUnreachable: undefined }],
    ['no URL', { origin: 'pwned' }],
    ['no time', { timeout: 0 }],
    ['no count', { leastCount: 0 }],
  ])('refuses %s', (_, options) => {
    const wrong = { whenUnreachable: 'accept', ...options } as PwnedPasswordsOptions
    expect(() => createPwnedPasswords(wrong)).toThrow(expect.objectContaining({ code: 'password.options_invalid' }))
  })
})
