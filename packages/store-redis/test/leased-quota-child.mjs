// Node 20 does not run TypeScript, and the packages need not be built: the child is loaded as the tests are.
import { fileURLToPath } from 'node:url'
import { createViteServer } from 'vitest/node'

const conditions = ['portcullis:source', 'node', 'import', 'module', 'default']
const vite = await createViteServer({
  root: fileURLToPath(new URL('..', import.meta.url)),
  configFile: false,
  logLevel: 'silent',
  appType: 'custom',
  server: { middlewareMode: true, ws: false, watch: null },
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  optimizeDeps: { noDiscovery: true },
})
const { child } = await vite.ssrLoadModule('/test/leased-quota-child.ts')
await child.run(process.argv[2])
await vite.close()
