import { defineConfig } from 'vitest/config'

/** Every package tests its sources, and those of its neighbours, without a build. */
const conditions = ['portcullis:source', 'node', 'import', 'module', 'default']

// Turbo keeps this report with the result; a run by hand in the same folder must not write over it.
const underTurbo = process.env['TURBO_HASH'] !== undefined

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    reporters: underTurbo ? ['default', ['json', { outputFile: '.vitest/results.json' }]] : ['default'],
    testTimeout: 20_000,
  },
})
