import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PortcullisApp } from '@portcullis/cli'
import { access } from './access.ts'
import { readConfig } from './config.ts'
import { openLedger } from './ledger.ts'

/** What the command `portcullis` looks at: Ledger itself, on the framework of FRAMEWORK and an empty folder. */
export default async function portcullisApp(): Promise<PortcullisApp> {
  const folder = await mkdtemp(join(tmpdir(), 'ledger-access-'))
  const { FRAMEWORK } = process.env
  const config = readConfig({ DATA_DIR: folder, SEED: '0', ...(FRAMEWORK !== undefined && { FRAMEWORK }) })
  const ledger = await openLedger(config)
  return {
    access,
    routes: ledger.routes,
    async close() {
      await ledger.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
