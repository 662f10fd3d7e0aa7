#!/usr/bin/env node
import { breachFilterCommand } from './breach-filter-command.ts'

const { stdin: input, stdout: output, stderr: error } = process
breachFilterCommand(process.argv.slice(2), { input, output, error }).then((code) => {
  process.exitCode = code
})
