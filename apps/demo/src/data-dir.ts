import { hkdfSync, randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSealer, type Sealer } from '@portcullis/core'
import { LedgerError } from './errors.ts'

/** Makes the folder that holds all of Ledger's state, for its owner alone. @throws LedgerError `ledger.data_dir_unusable` */
export async function openDataDir(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new LedgerError('ledger.data_dir_unusable', `DATA_DIR can't be made: ${codeOf(cause)}`, { cause })
  }
}

/** What this installation keeps to itself; all of its processes have the same. */
export interface Secrets {
  /** Seals what is secret at rest. */
  readonly sealer: Sealer
  /** Names whom limits count, where they are counted outside the process. */
  readonly limitKey: Uint8Array
  /** Makes the cookies by which a browser is known that somebody has signed in on. */
  readonly deviceKey: Uint8Array
}

/**
 * The secrets of this installation, all from one key. It is made at the first start, and lies beside the database, which is as far as a
 * demonstration goes: in production, keep it elsewhere, or whoever copies the folder has both.
 * @throws LedgerError `ledger.data_dir_unusable`
 */
export async function openSecrets(dataDir: string): Promise<Secrets> {
  const file = join(dataDir, 'sealing-key')
  const key = (await readKey(file)) ?? (await makeKey(file))
  // RFC 5869: one key for each purpose.
  const keyFor = (purpose: string): Uint8Array => new Uint8Array(hkdfSync('sha256', key, '', purpose, 32))
  return {
    sealer: createSealer({ current: 'k1', keys: { k1: key } }),
    limitKey: keyFor('ledger limits'),
    deviceKey: keyFor('ledger devices'),
  }
}

async function readKey(file: string): Promise<Uint8Array | undefined> {
  try {
    const key = Buffer.from((await readFile(file, 'utf8')).trim(), 'base64url')
    if (key.length !== 32) throw new LedgerError('ledger.data_dir_unusable', 'the sealing key is not 32 bytes in base64url')
    return key
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    if (cause instanceof LedgerError) throw cause
    throw new LedgerError('ledger.data_dir_unusable', `the sealing key can't be read: ${codeOf(cause)}`, { cause })
  }
}

async function makeKey(file: string): Promise<Uint8Array> {
  const draft = `${file}.${process.pid}`
  await writeFile(draft, randomBytes(32).toString('base64url'), { mode: 0o600 })
  try {
    // Whole or not at all, and of two processes that start together one wins: a link never replaces.
    await link(draft, file)
  } catch (cause) {
    if (codeOf(cause) !== 'EEXIST')
      throw new LedgerError('ledger.data_dir_unusable', `the sealing key can't be kept: ${codeOf(cause)}`, { cause })
  } finally {
    await rm(draft, { force: true })
  }
  const kept = await readKey(file)
  if (kept === undefined) throw new LedgerError('ledger.data_dir_unusable', 'the sealing key was taken away during start-up')
  return kept
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}
