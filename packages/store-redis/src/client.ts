import { RedisStoreError } from './errors.ts'

/** The part of ioredis' client, or of its cluster client, that is used here. Replies are strings, as they are by default. */
export interface RedisClient {
  call(command: string, ...args: string[]): Promise<unknown>
}

/** Calls given up on that the client may still send, or wait for. More of them would pile up behind a server that hangs. */
const MOST_PENDING = 64
// A client that never settles them must not be the end either: then one more is tried, once a minute.
const TRY_AGAIN_AFTER = 60_000

/**
 * A client with a deadline on each command. The client's own patience is longer: ioredis keeps commands for a connection that it
 * does not have yet, and waits for one that has died until TCP gives it up.
 */
export class RedisCommands {
  readonly #client: RedisClient
  readonly #timeout: number
  #abandoned = 0
  #abandonedAt = 0

  /** @param timeout milliseconds */
  constructor(client: RedisClient, timeout: number) {
    this.#client = client
    this.#timeout = timeout
  }

  /**
   * Sends a command. One that is late may be carried out all the same.
   * @throws RedisStoreError `store_redis.timeout`, `store_redis.failed` (503, both)
   */
  async send(command: string, ...args: string[]): Promise<unknown> {
    if (this.#abandoned >= MOST_PENDING && performance.now() - this.#abandonedAt < TRY_AGAIN_AFTER) {
      throw late(`${command} was not sent: ${this.#abandoned} commands have not been answered`)
    }
    let timer: NodeJS.Timeout | undefined
    let pending = true
    const reply = this.#client.call(command, ...args).finally(() => {
      if (!pending) this.#abandoned -= 1
      pending = false
    })
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(late(`${command} had no answer within ${this.#timeout} ms`)), this.#timeout)
    })
    try {
      return await Promise.race([reply, deadline])
    } catch (cause) {
      if (cause instanceof RedisStoreError) throw cause
      throw new RedisStoreError('store_redis.failed', `${command} failed`, { cause, status: 503 })
    } finally {
      clearTimeout(timer)
      if (pending) {
        pending = false
        this.#abandoned += 1
        this.#abandonedAt = performance.now()
        reply.catch(() => undefined)
      }
    }
  }
}

function late(message: string): RedisStoreError {
  return new RedisStoreError('store_redis.timeout', message, { status: 503 })
}
