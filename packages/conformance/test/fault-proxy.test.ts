import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { FaultProxy, type FaultProxyOptions } from '../src/servers.ts'

/** A server that answers each line with itself, and keeps what it got. */
let server: Server
let received: string[]
let proxy: FaultProxy
const clients: Socket[] = []

beforeEach(async () => {
  received = []
  server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      received.push(String(chunk))
      socket.write(`${chunk}!`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await proxy.close()
  server.close()
})

it('passes bytes in both directions, in their order, and the end of either side', async () => {
  await through({})
  const client = await open()
  client.write('a')
  expect(await next(client)).toBe('a!')
  client.end('last')
  expect(await next(client)).toBe('last!')
  await once(client, 'close')
  expect(received).toEqual(['a', 'last'])
  expect(proxy.accepted).toBe(1)
})

it('leads to a unix socket as well', async () => {
  const path = join(tmpdir(), `portcullis-proxy-${process.pid}.sock`)
  const local = createServer((socket) => socket.pipe(socket))
  await new Promise<void>((resolve) => local.listen(path, resolve))
  await through({ target: { path } })
  const client = await open()
  client.write('a')
  expect(await next(client)).toBe('a')
  local.close()
})

it('carries megabytes, whole', async () => {
  await through({ delay: 1 })
  server.removeAllListeners('connection')
  server.on('connection', (socket) => socket.pipe(socket))
  const client = await open()
  const sent = Buffer.alloc(8 * 1024 * 1024, 'abcdefg')
  client.end(sent)
  const chunks: Buffer[] = []
  for await (const chunk of client) chunks.push(chunk)
  expect(Buffer.concat(chunks).equals(sent)).toBe(true)
})

it('delays each chunk, in each direction, and keeps their order when the delay changes', async () => {
  await through({ delay: 50 })
  const client = await open()
  const started = performance.now()
  client.write('a')
  await next(client)
  expect(performance.now() - started).toBeGreaterThanOrEqual(99)
  client.write('b')
  await eventually(() => received.length === 1)
  proxy.delay = 0
  client.write('c')
  await eventually(() => received.join('') === 'abc')
})

it('drops every third connection after its first bytes: the server has them, the client gets no answer', async () => {
  await through({ dropEvery: 3 })
  const outcomes: (string | undefined)[] = []
  for (let n = 0; n < 6; n++) {
    const client = await open()
    client.write(`${n}`)
    outcomes.push(await next(client))
  }
  expect(outcomes).toEqual(['0!', '1!', undefined, '3!', '4!', undefined])
  expect(received).toEqual(['0', '1', '2', '3', '4', '5'])
})

it('hangs: old connections stall, new ones are accepted and get nothing, and all goes on when it resumes', async () => {
  await through({})
  const before = await open()
  before.write('a')
  expect(await next(before)).toBe('a!')
  proxy.hang()
  const during = await open()
  before.write('b')
  during.write('c')
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(received).toEqual(['a'])
  proxy.resume()
  expect([await next(before), await next(during)]).toEqual(['b!', 'c!'])
})

it('cuts all connections, and accepts new ones', async () => {
  await through({})
  const [one, other] = [await open(), await open()]
  for (const client of [one, other]) {
    client.write('a')
    await next(client)
  }
  proxy.cut()
  expect([await next(one), await next(other)]).toEqual([undefined, undefined])
  const again = await open()
  again.write('b')
  expect(await next(again)).toBe('b!')
})

it('swallows the answer of one request, of the one it was told of, which the server has carried out', async () => {
  await through({})
  const client = await open()
  const swallowed = proxy.swallowNextAnswer('COMMIT')
  client.write('BEGIN')
  expect(await next(client)).toBe('BEGIN!')
  client.write('COMMIT')
  expect(await next(client)).toBeUndefined()
  await swallowed
  expect(received).toEqual(['BEGIN', 'COMMIT'])
  const again = await open()
  again.write('COMMIT')
  expect(await next(again)).toBe('COMMIT!')
})

it('refuses: connections are cut and further ones are refused, until it accepts again on the same port', async () => {
  await through({})
  const { port } = proxy
  const client = await open()
  client.write('a')
  await next(client)
  await proxy.refuse()
  expect(await next(client)).toBeUndefined()
  await expect(open()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await proxy.accept()
  expect(proxy.port).toBe(port)
  const again = await open()
  again.write('b')
  expect(await next(again)).toBe('b!')
})

it('cuts a connection that the server refuses', async () => {
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  await through({ target: { port } })
  const client = await open()
  expect(await next(client)).toBeUndefined()
})

async function through(options: Partial<FaultProxyOptions>): Promise<void> {
  const { port } = (server.address() ?? { port: 0 }) as { port: number }
  proxy = new FaultProxy({ target: { port }, ...options })
  await proxy.start()
}

async function open(): Promise<Socket> {
  const client = connect({ port: proxy.port, host: '127.0.0.1' })
  clients.push(client)
  await once(client, 'connect')
  client.on('error', () => undefined)
  return client
}

/** What comes next; `undefined`: nothing more will. */
function next(client: Socket): Promise<string | undefined> {
  if (client.destroyed) return Promise.resolve(undefined)
  return new Promise((resolve) => {
    client.once('data', (chunk) => resolve(String(chunk)))
    client.once('close', () => resolve(undefined))
  })
}

async function eventually(holds: () => boolean): Promise<void> {
  for (const until = Date.now() + 5000; !holds(); ) {
    expect(Date.now()).toBeLessThan(until)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
