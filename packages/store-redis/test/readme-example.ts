import { createRedisRevocationFeed } from '@portcullis/store-redis'
import { createRevocations } from '@portcullis/tokens'
import { Redis } from 'ioredis'

const client = new Redis(process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379')
const feed = createRedisRevocationFeed({ client, prefix: 'ledger' })

// In every process: createVerifier({ …, revocations })
const revocations = createRevocations({ feed })
await revocations.start()

// Somebody signs out: no process takes a token of the session any more, within 250 ms or so.
await revocations.revoke({ kind: 'session', id: 'session-1' })

const now = Math.floor(Date.now() / 1000)
const claims = { iss: 'https://login.example.com', aud: 'api', iat: now, exp: now + 300, sid: 'session-1' }
console.log(revocations.check(claims)?.reason.code) // tokens.revoked
console.log(revocations.status().inSync) // true

await revocations.close()
await feed.close()
await client.quit()
