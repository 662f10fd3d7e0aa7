import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '@portcullis/conformance/servers'

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url))

/** A Ledger process: the built one, as `npm start` runs it. */
export interface LedgerProcess {
  /** Its public address: of several processes, the one that they share. */
  readonly url: string
  /** Its own address. */
  readonly address: string
  readonly stdout: string
  readonly stderr: string
  /** Ends it with a signal, and says how it went. */
  end(signal: NodeJS.Signals): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

/** Settings; `PORT` and `DATA_DIR` are chosen when they are not given. */
export type Settings = Readonly<Record<string, string>>

/** A folder for one process's data, gone after the test. */
export async function dataDir(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'ledger-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

/**
 * Starts Ledger and waits for its ready line.
 * @param program another one than the built
 * @throws when it exits first, with what it said
 */
export async function startLedger(settings: Settings, program: string = main): Promise<LedgerProcess> {
  const port = settings['PORT'] ?? String(await freePort())
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env['PATH'], PORT: port, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const out = collect(child)
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  await Promise.race([
    out.ready,
    ended.then(({ code }) => {
      throw new Error(`Ledger exited with ${code} before it was ready:\n${out.stderr}`)
    }),
  ])
  return {
    url: settings['PUBLIC_URL'] ?? `http://localhost:${port}`,
    address: `http://localhost:${port}`,
    get stdout() {
      return out.stdout
    },
    get stderr() {
      return out.stderr
    },
    end(signal) {
      child.kill(signal)
      return ended
    },
  }
}

/** Runs Ledger where it should refuse to start. */
export async function failToStart(
  settings: Settings,
  program: string = main,
): Promise<{ readonly code: number | null; readonly stderr: string }> {
  const dir = await dataDir()
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env['PATH'], DATA_DIR: dir.path, PORT: '1', ...settings },
  })
  const out = collect(child)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  await dir.remove()
  return { code, stderr: out.stderr }
}

function collect(child: ChildProcess) {
  const out = { stdout: '', stderr: '', ready: Promise.resolve() }
  child.stderr?.on('data', (chunk) => {
    out.stderr += chunk
  })
  out.ready = new Promise((resolve) => {
    child.stdout?.on('data', (chunk) => {
      out.stdout += chunk
      if (out.stdout.includes('\n')) resolve()
    })
  })
  return out
}
