import { assignmentsSuite } from '@portcullis/conformance/assignments'
import { describe } from 'vitest'
import { backends, skipped, storesOn } from './backends.ts'

for (const { name, start } of backends) {
  describe.skipIf(skipped)(`on a backend of its own: ${name}`, () => {
    const clients = start()
    assignmentsSuite({ name, open: async () => storesOn(clients()) })
  })
}
