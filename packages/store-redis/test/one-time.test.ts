import { oneTimeSuite } from '@portcullis/conformance/one-time'
import { describe } from 'vitest'
import { backends, skipped, storesOn } from './backends.ts'

for (const { name, start } of backends) {
  describe.skipIf(skipped)(`on a backend of its own: ${name}`, () => {
    const clients = start()
    oneTimeSuite({ name, open: async () => storesOn(clients()) })
  })
}
