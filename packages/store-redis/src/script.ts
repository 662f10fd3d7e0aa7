import { hash } from 'node:crypto'
import type { RedisClient } from './client.ts'
import { isScriptUnknown } from './failure.ts'

/** A Lua script: sent once to each server, and called by its digest after that. */
export class Script {
  readonly #source: string
  readonly #digest: string

  constructor(source: string) {
    this.#source = source
    this.#digest = hash('sha1', source)
  }

  /**
   * One round trip, two where the server does not know the script: after a restart, a failover, `SCRIPT FLUSH`, and once for each
   * node of a cluster.
   * @param unknown awaited in the latter case, before the script runs
   */
  async call(
    client: RedisClient,
    keys: readonly string[],
    args: readonly string[],
    unknown?: () => Promise<void>,
  ): Promise<unknown> {
    try {
      return await client.call('EVALSHA', this.#digest, String(keys.length), ...keys, ...args)
    } catch (error) {
      if (!isScriptUnknown(error)) throw error
      await unknown?.()
      return client.call('EVAL', this.#source, String(keys.length), ...keys, ...args)
    }
  }
}

/**
 * The time: the server's own, unless the caller has a clock and gives its time as the first argument. That clock may stand still, or be years
 * away from the server's, so what it lets expire is removed by the server a day later than would be by `now`, and by then is long ignored.
 */
export const CLOCK = `
local time = redis.call('TIME')
local now, ahead = time[1] * 1000 + math.floor(time[2] / 1000), 0
if ARGV[1] ~= '' then
  ahead = now - tonumber(ARGV[1]) + 86400000
  now = tonumber(ARGV[1])
end
local function whole(number) return string.format('%.0f', number) end
`
