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
const [module, ...parameters] = process.argv.slice(2)
const { child } = await vite.ssrLoadModule(`/test/${module}.ts`)
await child.run(...parameters)
await vite.close()
