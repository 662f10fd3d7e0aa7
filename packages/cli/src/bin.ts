#!/usr/bin/env node
import { exitCodes } from './errors.ts'
import { portcullis } from './portcullis.ts'

// Until it is known: an application whose promise never resolves lets the process end early, and that is no success.
process.exitCode = exitCodes.failed
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
// Whoever reads may have enough: `portcullis probe … | head`.
process.stdout.on('error', () => {})
const { stdout: output, stderr: error, env } = process

portcullis(process.argv.slice(2), { output, error, env, signal: stop.signal }).then((code) => {
  process.exitCode = code
  // Applications leave connections open that nobody closes: once all is written, the process ends.
  output.write('', () => error.write('', () => process.exit()))
})
