import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEntrance } from '../src/node.ts'

describe('the headers of a request', () => {
  const entrance = createEntrance({ production: true })
  const server = createServer((req, res) => {
    const { headers } = entrance.enter(req, res)
    res.end(JSON.stringify({ authorization: headers['authorization'], same: headers === req.headers }))
  })
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
  afterAll(() => new Promise((resolve) => server.close(resolve)))

  function ask(...lines: readonly string[]): Promise<unknown> {
    const { port } = server.address() as AddressInfo
    return new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port, headers: ['Host', 'x', ...lines], agent: false }, (res) => {
        let text = ''
        res.on('data', (chunk) => {
          text += String(chunk)
        })
        res.on('end', () => resolve(JSON.parse(text)))
      })
        .on('error', reject)
        .end()
    })
  }

  it('are those of Node, untouched', async () => {
    expect(await ask()).toEqual({ same: true })
    expect(await ask('Authorization', 'a')).toEqual({ authorization: 'a', same: true })
    // As long as the name that is looked for, and another.
    expect(await ask('Authorization', 'a', 'Authorizatiom', 'b')).toEqual({ authorization: 'a', same: true })
  })

  it('show every Authorization line: Node keeps the first, and whoever reads the last sees another caller', async () => {
    expect(await ask('Authorization', 'a', 'AUTHORIZATION', 'b')).toEqual({ authorization: ['a', 'b'], same: false })
    expect(await ask('authorization', 'a', 'X-A', 'x', 'authorization', 'a')).toMatchObject({ authorization: ['a', 'a'] })
  })
})
