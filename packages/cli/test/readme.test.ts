import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { bundleApp, bundleBin, run } from './bin.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

it('the example of the README is this file, and the command says of it what the README says', async () => {
  const readme = read('../README.md')
  expect(readme).toContain(`\`\`\`ts\n${read('./readme-example.ts')}\`\`\``)
  const [bin, app] = await Promise.all([bundleBin(), bundleApp('readme-example')])
  const { code, output } = await run(bin, ['routes', '--app', app, '--out', '-'])
  expect(code).toBe(0)
  const table = /```md\n([\s\S]*?)```/.exec(readme)?.[1] ?? 'none'
  expect(output).toContain(table)
})

it.each(['routes', 'advise', 'probe', 'audit'])('the README names every option of %s', async (name) => {
  const { output } = await run(await bundleBin(), [name, '--help'])
  const readme = read('../README.md')
  for (const option of new Set(output.match(/--[a-z][a-z-]+/g))) expect(readme).toContain(option)
})
