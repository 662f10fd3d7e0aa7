import { createServer } from 'node:net'

/** The lowest port that is drawn. */
const LOWEST = 10_000

/**
 * A port of 127.0.0.1 on which nobody listens at the moment.
 * @param highest below what most systems give by themselves (32768 and up), one is drawn
 */
export async function freePort(highest = 65_535): Promise<number> {
  for (;;) {
    const server = createServer()
    const wanted = highest === 65_535 ? 0 : LOWEST + Math.floor(Math.random() * (highest - LOWEST))
    const port = await new Promise<number>((resolve) => {
      server.once('error', () => resolve(0))
      server.listen(wanted, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
    })
    await new Promise((resolve) => server.close(resolve))
    if (port > 0 && port <= highest) return port
  }
}
