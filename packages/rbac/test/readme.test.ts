import { readFile } from 'node:fs/promises'
import { expect, test, vi } from 'vitest'

test('the example of the README is this file, and does what it says', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const example = await readFile(new URL('./readme-example.ts', import.meta.url), 'utf8')
  expect(readme).toContain(`\`\`\`ts\n${example}\`\`\``)

  const log = vi.spyOn(console, 'log').mockReturnValue()
  await import('./readme-example.ts')
  const lines = log.mock.calls.map((line) => line.join(' '))
  log.mockRestore()
  expect(lines).toEqual([
    'true accountant grants invoice:create',
    'false rbac.tenant_mismatch',
    `\
| method | route | rule | step-up | viewer | accountant | owner | suspended | clients |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| GET | /invoices/:id | invoice:read |  | allow | allow | allow | deny | allow |
| POST | /invoices/:id/refund | invoice:refund | within 300 s | deny | deny | allow | deny | deny |
`,
  ])
})
