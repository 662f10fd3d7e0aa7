import type { Clock, Principal, RequestView } from '@portcullis/core'
import type { MemoryRateLimitStore, RateLimitStore, ScopedPolicy } from '../src/index.ts'

/** A clock that the test moves. */
export interface ManualClock extends Clock {
  time: number
}

export function manualClock(time = 1_800_000_000_000): ManualClock {
  return {
    time,
    now() {
      return this.time
    },
  }
}

/** A request from an address. */
export function request(ip: string | undefined, principal?: Principal): RequestView {
  const view: RequestView = {
    method: 'GET',
    target: '/',
    headers: {},
    client: { ip, secure: true, host: 'api.example' },
    socket: undefined,
    route: undefined,
    body: () => Promise.reject(new Error('no body')),
    signal: new AbortController().signal,
  }
  return principal === undefined ? view : Object.assign(view, { [Symbol.for('portcullis.state')]: { principal } })
}

export async function caught(work: () => unknown): Promise<{ code?: string; status?: number }> {
  try {
    await work()
  } catch (error) {
    return error as { code?: string }
  }
  throw new Error('nothing was thrown')
}

/** What a store was asked, by what a guard counts. */
export interface Call {
  readonly verb: 'consume' | 'adjust'
  readonly sorts: readonly (string | undefined)[]
  readonly units: number
}

/** A store that is listened to. */
export interface CountedStore {
  readonly store: RateLimitStore
  readonly calls: Call[]
  /** When each bucket that was asked for will have everything back. */
  full(): (number | undefined)[]
}

export function counted(memory: MemoryRateLimitStore): CountedStore {
  const calls: Call[] = []
  const buckets = new Map<string, { readonly key: string; readonly policies: readonly ScopedPolicy[] }>()
  const note = (verb: Call['verb'], keys: readonly string[], policies: readonly ScopedPolicy[], units: number): void => {
    calls.push({ verb, sorts: policies.map(({ scope }) => scope.split(':')[1]), units })
    for (const [i, policy] of policies.entries()) buckets.set(`${policy.scope} ${keys[i]}`, { key: keys[i]!, policies: [policy] })
  }
  const store: RateLimitStore = {
    consume(keys, policies, cost) {
      note('consume', keys, policies, cost)
      return memory.consume(keys, policies, cost)
    },
    adjust(keys, policies, units, reserved) {
      note('adjust', keys, policies, units)
      memory.adjust(keys, policies, units, reserved)
    },
  }
  const full = () => [...buckets.values()].map(({ key, policies }) => memory.consume([key], policies, 0).results[0]?.resetAt)
  return { store, calls, full }
}
