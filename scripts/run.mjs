import { spawn } from 'node:child_process'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root folder. Every command runs there unless it says otherwise. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')

/**
 * Runs a command to its end and passes SIGINT and SIGTERM on to it.
 *
 * @param {readonly string[]} command the program and its arguments
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, quiet?: boolean, shell?: boolean }} [options]
 *   `quiet` keeps what it prints in `output`; otherwise that goes to the terminal
 * @returns {Promise<{ status: number, output: string }>} `status` is 128 + n when signal n ended it, as in a shell
 */
export function run([program = '', ...args], { cwd = root, env = process.env, quiet = false, shell = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, shell, stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit' })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    }
    const pass = (/** @type {NodeJS.Signals} */ signal) => child.kill(signal)
    process.on('SIGINT', pass).on('SIGTERM', pass)
    const settle = () => process.off('SIGINT', pass).off('SIGTERM', pass)
    child.once('error', (error) => {
      settle()
      reject(error)
    })
    child.once('close', (code, signal) => {
      settle()
      resolve({ status: code ?? 128 + (signal === null ? 0 : os.constants.signals[signal]), output })
    })
  })
}

/**
 * Runs a command quietly and ends this process with its status when it fails, showing what it printed.
 *
 * @param {readonly string[]} command
 * @param {Parameters<typeof run>[1]} [options]
 * @returns {Promise<string>} what it printed
 */
export async function must(command, options) {
  const { status, output } = await run(command, { quiet: true, ...options })
  if (status !== 0) {
    process.stderr.write(output)
    console.error(`${command.join(' ')} ended with status ${status}`)
    process.exit(status)
  }
  return output
}

/**
 * Calls `work` for each item, `lanes` of them at a time.
 *
 * @template T, R
 * @param {readonly T[]} items
 * @param {number} lanes
 * @param {(item: T) => Promise<R>} work
 * @returns {Promise<R[]>} in the order of `items`
 */
export async function each(items, lanes, work) {
  /** @type {R[]} */
  const results = new Array(items.length)
  const queue = items.entries()
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (const [index, item] of queue) results[index] = await work(item)
    }),
  )
  return results
}
