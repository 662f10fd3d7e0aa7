// Run in a package before its build: what was built of a source that is gone must not be published.
import fs from 'node:fs'

fs.rmSync('dist', { recursive: true, force: true })
