import { readFile } from 'node:fs/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { freshDatabase, postgresIt, startPostgres } from './postgres.ts'

const SAID = [['code-1', true], [[{ user: 'grace' }]], [true], [true], [false], [true]]

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  vi.resetModules()
})

async function run(databaseUrl: string | undefined): Promise<unknown[][]> {
  vi.stubEnv('DATABASE_URL', databaseUrl)
  const log = vi.spyOn(console, 'log').mockReturnValue()
  await import('./readme-example.ts')
  return log.mock.calls
}

it('the example of the README is this file, and does what it says', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const example = await readFile(new URL('./readme-example.ts', import.meta.url), 'utf8')
  expect(readme).toContain(`\`\`\`ts\n${example}\`\`\``)
  expect(await run(undefined)).toEqual(SAID)
})

describe.skipIf(postgresIt.skipped)(postgresIt.title, () => {
  const server = startPostgres()
  it('it does the same', async () => {
    expect(await run(await freshDatabase(server()))).toEqual(SAID)
  })
})
