import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import { type AuditHead, type AuditVerdict, createAuditLog } from '@portcullis/core'
import { loadApp } from './app-module.ts'
import { needed, readArguments, usage } from './arguments.ts'
import { exportAudit } from './audit-export.ts'
import { AuditFileStore, readHead } from './audit-file.ts'
import { CliError, type ExitCode, exitCodes } from './errors.ts'
import { failed } from './files.ts'
import type { Streams } from './streams.ts'

export const auditHelp = `portcullis audit verify --file FILE [--anchor SEQ:HASH] [--expired]
portcullis audit verify --app FILE [--log NAME] [--anchor SEQ:HASH]
portcullis audit export --app FILE [--log NAME] --out FILE

Recomputes the chain of an audit log, and names the first record, and the line, that is not what was written. Exporting verifies, too.

  --file FILE          an exported log
  --app FILE           the application's module; its default export gives { store }
  --log NAME           the name given to createAuditLog. Default: default
  --anchor SEQ:HASH    a head from before, kept elsewhere: without it, a log that was rewritten or cut by whoever can write to it is
                       taken for whole
  --expired            records in the middle of a file may be missing if they had expired before it was exported
  --out FILE           the file that is written; "-": standard output

Exit codes: 0 the chain is whole; 1 it is not; 2 wrong arguments; 4 something could not be read.
`

/** `portcullis audit` */
export async function auditCommand(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const [verb, ...rest] = args
  if (verb === 'verify') return verifyCommand(rest, streams)
  if (verb === 'export') return exportCommand(rest, streams)
  throw usage('audit is followed by verify or export')
}

async function verifyCommand(args: readonly string[], { output }: Streams): Promise<ExitCode> {
  const values = readArguments(args, {
    file: { type: 'string' },
    app: { type: 'string' },
    log: { type: 'string' },
    anchor: { type: 'string' },
    expired: { type: 'boolean', default: false },
  })
  const anchor = values.anchor === undefined ? undefined : readAnchor(values.anchor)
  if ((values.file === undefined) === (values.app === undefined)) throw usage('verify takes either --file or --app')
  if (values.file !== undefined) {
    if (values.log !== undefined) throw usage('--log goes with --app: a file says which log it is')
    return verifyFile(values.file, anchor, values.expired, output)
  }
  const app = await loadApp(needed(values.app, '--app'), ['store'])
  const verdict = await createAuditLog({ store: app.store, name: values.log ?? 'default' }).verify(anchor)
  await app.close?.()
  output.write(verdict.ok ? whole(verdict) : `record ${verdict.seq}: ${reasons[verdict.reason]}\n`)
  return verdict.ok ? exitCodes.fine : exitCodes.found
}

async function verifyFile(
  path: string,
  anchor: AuditHead | undefined,
  isExpiredFine: boolean,
  output: NodeJS.WritableStream,
): Promise<ExitCode> {
  const head = await readHead(path)
  const store = new AuditFileStore(path)
  // What had expired when it was exported may be missing; what expired since may not.
  const log = createAuditLog({ store, name: head.log, clock: { now: () => Math.min(head.exportedAt, Date.now()) } })
  const verdict = await log.verify(anchor ?? head.head ?? undefined).catch((error: unknown): ExitCode => {
    if (!(error instanceof CliError && error.code === 'cli.file_invalid')) throw error
    output.write(`${error.message}\n`)
    return exitCodes.found
  })
  if (typeof verdict === 'number') return verdict
  if (!verdict.ok) {
    const isCut = verdict.reason === 'missing' && store.records !== undefined && verdict.seq > store.records.to
    output.write(
      isCut
        ? `behind line ${store.line}: records ${(store.records?.to ?? 0) + 1} to ${verdict.seq} are missing\n`
        : `line ${store.line} (record ${verdict.seq}): ${reasons[verdict.reason]}\n`,
    )
    return exitCodes.found
  }
  const [gap] = store.gaps
  if (gap !== undefined && !isExpiredFine) {
    output.write(
      `before line ${gap.line}: records ${gap.from} to ${gap.to} are missing; they say that they had expired (--expired)\n`,
    )
    return exitCodes.found
  }
  // The file's own head proves the end alone together with the file's own first line.
  if (anchor !== undefined && head.head !== null && (verdict.head?.seq ?? 0) < head.head.seq) {
    output.write(`behind line ${store.line}: records up to ${head.head.seq} are missing\n`)
    return exitCodes.found
  }
  output.write(whole(verdict))
  return exitCodes.fine
}

const reasons: Readonly<Record<Extract<AuditVerdict, { ok: false }>['reason'], string>> = {
  changed: 'it is not what was written there: it, or what stood before it, was changed, removed or moved',
  missing: 'records before it are missing, and had not expired',
}

function whole({ from, head }: Extract<AuditVerdict, { ok: true }>): string {
  if (head === undefined) return 'The log is empty.\n'
  return `Records ${from} to ${head.seq} are what was written. Keep this elsewhere as an anchor: ${head.seq}:${head.hash}\n`
}

async function exportCommand(args: readonly string[], { output, error }: Streams): Promise<ExitCode> {
  const values = readArguments(args, { app: { type: 'string' }, log: { type: 'string' }, out: { type: 'string' } })
  const out = needed(values.out, '--out')
  const app = await loadApp(needed(values.app, '--app'), ['store'])
  const log = values.log === undefined ? {} : { log: values.log }
  const verdict =
    out === '-'
      ? await exportAudit({ store: app.store, output, ...log })
      : await intoFile(out, (file) => exportAudit({ store: app.store, output: file, ...log }))
  await app.close?.()
  error.write(verdict.ok ? whole(verdict) : `record ${verdict.seq}: ${reasons[verdict.reason]}\n`)
  return verdict.ok ? exitCodes.fine : exitCodes.found
}

/** @throws CliError `cli.file_failed` */
async function intoFile<T>(path: string, write: (file: NodeJS.WritableStream) => Promise<T>): Promise<T> {
  const file = createWriteStream(path)
  const closed = finished(file).catch((error: unknown) => {
    throw failed(path, 'written', error)
  })
  // A disk that is full ends the work, which would wait for it.
  const [done] = await Promise.all([Promise.race([write(file).finally(() => file.end()), closed.then(() => undefined)]), closed])
  if (done === undefined) throw failed(path, 'written', undefined)
  return done
}

function readAnchor(text: string): AuditHead {
  const [, seq, hash] = /^(\d{1,15}):([A-Za-z0-9_-]{43})$/.exec(text) ?? []
  if (seq === undefined || hash === undefined) throw usage('--anchor is not SEQ:HASH')
  return { seq: Number(seq), hash }
}
