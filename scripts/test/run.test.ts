import { describe, expect, it } from 'vitest'
import { each, run } from '../run.mjs'

const node = (code: string) => [process.execPath, '-e', code]

describe('a command', () => {
  it('keeps its exit status, and what it printed on either stream', async () => {
    const result = await run(node('console.log("out"); console.error("err"); process.exitCode = 3'), { quiet: true })
    expect(result.status).toBe(3)
    expect(result.output).toContain('out\n')
    expect(result.output).toContain('err\n')
  })

  it('that a signal ended has 128 and the number of the signal, as in a shell', async () => {
    expect((await run(node('process.kill(process.pid, "SIGKILL")'), { quiet: true })).status).toBe(128 + 9)
  })

  it('that is not there is an error', async () => {
    await expect(run(['no-such-program-anywhere'], { quiet: true })).rejects.toThrow('ENOENT')
  })

  it('gets the SIGTERM that its caller gets, and leaves no listener behind', async () => {
    const before = process.listenerCount('SIGTERM')
    const running = run(
      node('process.on("SIGTERM", () => process.exit(7)); setInterval(() => {}, 1000); process.kill(process.ppid, "SIGUSR2")'),
      {
        quiet: true,
      },
    )
    await new Promise((resolve) => process.once('SIGUSR2', resolve))
    process.emit('SIGTERM', 'SIGTERM')
    expect((await running).status).toBe(7)
    expect(process.listenerCount('SIGTERM')).toBe(before)
  })
})

describe('work in lanes', () => {
  it('answers in order, with no more than so many at once', async () => {
    let running = 0
    let most = 0
    const results = await each([3, 1, 2, 5, 4], 2, async (item) => {
      running += 1
      most = Math.max(most, running)
      await new Promise((resolve) => setImmediate(resolve))
      running -= 1
      return item * 10
    })
    expect(results).toEqual([30, 10, 20, 50, 40])
    expect(most).toBe(2)
  })
})
