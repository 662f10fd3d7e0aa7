import { defineConfig } from 'vitest/config'
import shared from '../../vitest.shared.ts'

// Without 'import' and 'module': vitest hands its conditions to Node, where they hold for require(), too, and pg requires its parts.
const conditions = ['portcullis:source', 'node', 'default']

export default defineConfig({ ...shared, resolve: { conditions }, ssr: { resolve: { conditions } } })
