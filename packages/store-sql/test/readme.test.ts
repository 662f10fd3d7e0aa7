import { readFile } from 'node:fs/promises'
import { expect, it, vi } from 'vitest'

it('the example of the README is this file, and does what it says', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const example = await readFile(new URL('./readme-example.ts', import.meta.url), 'utf8')
  expect(readme).toContain(`\`\`\`ts\n${example}\`\`\``)

  const log = vi.spyOn(console, 'log').mockReturnValue()
  await import('./readme-example.ts')
  expect(log.mock.calls).toEqual([['code-1', true], [[{ user: 'grace' }, undefined]], ['0001_collections', true]])
  log.mockRestore()
})
