import { createServer } from 'node:net'

// Below what systems give to connections by themselves (32768 and up on Linux, 49152 elsewhere): such a port could be taken in the
// moment in which a server is down. A Redis Cluster's nodes talk on the ports 10,000 above these, which are below that as well.
const LOWEST = 10_000
const HIGHEST = 19_999

/** A port of 127.0.0.1, from 10000 to 19999, on which nobody listens at the moment. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1))
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    await new Promise((resolve) => server.close(resolve))
    if (free) return port
  }
}
