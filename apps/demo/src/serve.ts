import type { Server } from 'node:http'

/** Milliseconds that requests in flight are given to finish. */
const patience = 8000

/**
 * How a server ends: it takes no new connections, finishes what is in flight, closes what is behind it, and the process exits 0.
 * @returns what to call when the process is told to stop
 */
export function serve(server: Server, behind: { close(): Promise<void> }): () => void {
  let stopping = false
  return () => {
    if (stopping) return
    stopping = true
    const impatient = setTimeout(() => server.closeAllConnections(), patience)
    server.close(() => {
      clearTimeout(impatient)
      behind.close().then(
        () => process.exit(0),
        () => process.exit(1),
      )
    })
    server.closeIdleConnections()
  }
}
