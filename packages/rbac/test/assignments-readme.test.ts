import { readFileSync } from 'node:fs'
import { expect, test, vi } from 'vitest'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

test.each<[path: string, run: () => Promise<unknown>, printed: readonly string[]]>([
  [
    './assignments-readme-example.ts',
    () => import('./assignments-readme-example.ts'),
    ['rbac.roles_exclusive', 'true', 'rbac.own_request', 'accountant,owner true'],
  ],
  [
    './relations-readme-example.ts',
    () => import('./relations-readme-example.ts'),
    ['document:plan#viewer → folder:eng#viewer → group:staff#member → user:grace', 'true false', 'plan'],
  ],
])('the README shows %s as it runs', async (path, run, printed) => {
  expect(read('../README.md')).toContain(`\`\`\`ts\n${read(path)}\`\`\``)
  const log = vi.spyOn(console, 'log').mockReturnValue()
  await run()
  const lines = log.mock.calls.map((line) => line.join(' '))
  log.mockRestore()
  expect(lines).toEqual(printed)
})
