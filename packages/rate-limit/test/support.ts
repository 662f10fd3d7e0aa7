import type { Clock, Principal, RequestView } from '@portcullis/core'

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
