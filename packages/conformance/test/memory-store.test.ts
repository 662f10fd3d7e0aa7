import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
// The README's example is the suite on core's memory store: importing it declares the whole suite here.
import './readme-example.ts'

it('the example of the README is the file that runs here', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const example = await readFile(new URL('./readme-example.ts', import.meta.url), 'utf8')
  expect(readme).toContain(`\`\`\`ts\n${example}\`\`\``)
})
