import { defineConfig } from 'vitest/config'

/** Every package tests its sources, and those of its neighbours, without a build. */
const conditions = ['portcullis:source', 'node', 'import', 'module', 'default']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    reporters: ['default', ['json', { outputFile: '.vitest/results.json' }]],
    testTimeout: 20_000,
  },
})
