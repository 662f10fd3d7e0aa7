import { readFile } from 'node:fs/promises'
import { hasRedis, RedisServer } from '@portcullis/conformance/servers'
import { expect, it, vi } from 'vitest'

it('the example of the README is this file', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const example = await readFile(new URL('./readme-example.ts', import.meta.url), 'utf8')
  expect(readme).toContain(`\`\`\`ts\n${example}\`\`\``)
})

it.skipIf(!hasRedis())('the example of the README does what it says', async () => {
  const server = new RedisServer()
  await server.start('--maxmemory', '50mb', '--maxmemory-policy', 'noeviction')
  vi.stubEnv('REDIS_URL', server.socket)
  const log = vi.spyOn(console, 'log').mockReturnValue()
  try {
    await import('./readme-example.ts')
    expect(log.mock.calls).toEqual([[{ email: 'ada@example.com' }], [undefined], [true]])
  } finally {
    log.mockRestore()
    vi.unstubAllEnvs()
    await server.close()
  }
})
