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
    'true',
    'true',
    'false',
    'rbac.tenant_mismatch',
    `\
refused: invoice:update on this record (rbac.condition_unmet)
  clerk grants invoice:update only where createdBy is the caller’s subject and status is "draft"
  ✓ a role grants it
  ✓ the credential’s scope covers it
  ✓ no rule denies it
  ✓ the rule holds at this time
  ✓ the record is of a tenant in reach
  ✗ the rule’s condition is met
  ✗ clerk grants invoice:update: it does not apply
    ✗ createdBy is the caller’s subject and status is "draft"
      ✓ createdBy is the caller’s subject
      ✗ status is "draft"`,
    '(("tenant_id" = $1) and ("created_by" = $2) and ("status" = $3)) acme,grace,draft',
    'status',
    `\
| method | route | rule | step-up | viewer | clerk | owner | suspended | clients |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| GET | /invoices/:id | invoice:read |  | allow | allow | allow | deny | allow |
| POST | /invoices/:id/refund | invoice:refund | within 300 s | deny | deny | allow | deny | deny |
`,
  ])
})
