import { createServer } from 'node:http'
import { backendLostEvent, backendRestoredEvent, PortcullisError } from '@portcullis/core'
import { readConfig } from './config.ts'
import { openLedger } from './ledger.ts'
import { serve } from './serve.ts'

async function main(): Promise<void> {
  const config = readConfig(process.env)
  for (const type of [backendLostEvent, backendRestoredEvent]) {
    type.subscribe((event) => {
      const { type: what, time, data } = event
      process.stderr.write(`${JSON.stringify({ level: 'warn', what, time: new Date(time).toISOString(), ...data })}\n`)
    })
  }
  const ledger = await openLedger(config)
  const server = createServer(ledger.listener)
  const stop = serve(server, ledger)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  server.once('error', (error: NodeJS.ErrnoException) => {
    fail(`can't listen on ${config.host}:${config.port}: ${error.code}`)
  })
  server.listen(config.port, config.host, () => {
    process.stdout.write(`Ledger on ${config.publicUrl} (${[config.framework, ...ledger.backends].join(', ')})\n`)
  })
}

function fail(message: string): void {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

main().catch((error: unknown) => {
  // Our own errors say what to do; anything else is a bug, and needs its stack.
  if (error instanceof PortcullisError) fail(`${error.code}: ${error.message}`)
  else fail(error instanceof Error ? (error.stack ?? error.message) : String(error))
})
