import shared from '../../vitest.shared.ts'

// Vitest hands these to Node as `--conditions` too, where `import` would make a `require` inside Express's dependencies load ESM.
const conditions = ['portcullis:source', 'node']

export default { ...shared, resolve: { conditions }, ssr: { resolve: { conditions } } }
