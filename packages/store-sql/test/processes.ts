import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { build } from 'rolldown'

export type Child = ChildProcessByStdio<null, Readable, Readable>

/** Bundles child.ts, so that Node 20 runs it without a build of the packages. Inside this package: there the drivers are found. */
export async function bundleChild(): Promise<string> {
  const file = join(import.meta.dirname, '../.vitest/child.mjs')
  await build({
    input: join(import.meta.dirname, 'child.ts'),
    platform: 'node',
    external: ['libsql', 'pg'],
    resolve: { conditionNames: ['portcullis:source', 'node', 'import', 'default'] },
    output: { file, format: 'esm', codeSplitting: false },
    logLevel: 'silent',
  })
  return file
}

export function start(bundle: string, ...parameters: string[]): Child {
  return spawn(process.execPath, [bundle, ...parameters], { stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Everything that a child says until it ends by itself. */
export async function output(child: Child): Promise<string> {
  const [said, complaints, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  if (code !== 0) throw new TypeError(`the child ended with ${String(code)}: ${complaints}`)
  return said
}

/** Kills a child with SIGKILL as soon as it has said so many lines. @returns all whole lines that came through */
export async function killAfter(child: Child, lines: number): Promise<string[]> {
  const exit = once(child, 'exit')
  const said: string[] = []
  let rest = ''
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    const parts = (rest + String(chunk)).split('\n')
    rest = parts.pop() ?? ''
    said.push(...parts)
    if (said.length >= lines && !child.killed) child.kill('SIGKILL')
  }
  const [, signal] = await exit
  if (signal !== 'SIGKILL') throw new TypeError(`the child was not killed: ${await text(child.stderr)}`)
  return said
}
