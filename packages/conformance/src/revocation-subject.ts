import type { RevocationCursor, RevocationFeed } from '@portcullis/tokens'
import { assert } from 'vitest'

/** A feed, opened. */
export interface RevocationFeedUnderTest {
  /** The same entries as two processes or more have them. A feed that lives in one process gives the same object twice. */
  readonly feeds: readonly [RevocationFeed, RevocationFeed, ...RevocationFeed[]]
  /** Makes what is behind the feeds stop answering, and answer again with everything that it had. */
  readonly outage?: { begin(): Promise<void>; end(): Promise<void> }
  close(): Promise<void>
}

/** One row of the suite. */
export interface FeedBehaviour {
  /** A sentence: what holds. */
  readonly title: string
  check(subject: RevocationFeedUnderTest): Promise<void>
}

/** Reads to the end. */
export async function readAll(cursor: RevocationCursor): Promise<string[]> {
  const entries: string[] = []
  for (let more = true; more; ) {
    const batch = await cursor.read()
    for (const { entry } of batch.entries) entries.push(entry)
    more = batch.more
  }
  return entries
}

/** What is in both, each once and sorted: entries may come more than once, and in any order. */
export function distinct(entries: readonly string[]): readonly string[] {
  return [...new Set(entries)].sort()
}

/** Waits for something that follows by itself. Fails after five seconds. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const until = Date.now() + 5000
  while (!(await holds())) {
    assert(Date.now() < until, `in vain for five seconds: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
