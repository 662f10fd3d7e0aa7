import { createMemoryStore } from '@portcullis/core'
import { factorRaces } from './races.ts'

factorRaces('memory', async () => [createMemoryStore()])
