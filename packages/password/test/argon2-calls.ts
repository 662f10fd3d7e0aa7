/** What reached the native code, in order, and how much of it ran at once. */
export interface NativeCalls {
  list: { work: number }[]
  running: number
  most: number
}

export const calls: NativeCalls = { list: [], running: 0, most: 0 }

export function resetCalls(): void {
  calls.list = []
  calls.most = 0
}

/** Memory × passes of everything since {@link resetCalls}: what the caller waited for. */
export function workDone(): number {
  return calls.list.reduce((sum, { work }) => sum + work, 0)
}

async function counted<T>(work: number, run: () => Promise<T>): Promise<T> {
  calls.list.push({ work })
  calls.running++
  calls.most = Math.max(calls.most, calls.running)
  try {
    return await run()
  } finally {
    calls.running--
  }
}

type Native = typeof import('@node-rs/argon2')

/** The real binding, with every call counted. */
export function counting(native: Native): Native {
  return {
    ...native,
    hashRaw: (password, options, signal) =>
      counted((options?.memoryCost ?? 0) * (options?.timeCost ?? 0), () => native.hashRaw(password, options, signal)),
    verify: (hashed, password, options, signal) => {
      const { memoryCost, timeCost } = native.parseOptions(hashed)
      return counted(memoryCost * timeCost, () => native.verify(hashed, password, options, signal))
    },
  }
}
