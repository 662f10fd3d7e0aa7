import { createHash } from 'node:crypto'
import { type AttemptContext, type AttemptGuard, type EventContext, PortcullisError, type Reason } from '@portcullis/core'

/** A token was not looked at. */
export interface TooManyAttempts {
  readonly ok: false
  readonly reason: Reason & { readonly code: 'password.too_many_attempts' }
  /** Whole seconds. */
  readonly retryAfter: number
}

/**
 * Asking for a mail. One that is sent stays counted; one that is not, because enough are under way, costs nothing, so that whoever uses
 * up somebody's attempts has had that many mails sent to him. Refused, it does nothing and says nothing.
 * @param work answers whether there was something to send, for nobody too
 */
export async function asking(
  guard: AttemptGuard | undefined,
  identifier: string,
  context: AttemptContext | undefined,
  work: () => Promise<boolean>,
): Promise<void> {
  if (guard === undefined) return void (await work())
  const address = context?.request?.client.ip
  const attempt = await guard.attempt({ account: identifier, address, device: context?.device }, context)
  if (!attempt.allowed) return
  const settle = settling(attempt)
  if (!(await orElse(work, settle))) await settle('unchecked')
}

/**
 * Typing in a token. What is guessed at is the token itself, so that nobody who does not have it can use up what its owner has; whoever
 * tries many is limited by address. One that is right is given back, whatever became of it.
 */
export async function typingIn<T extends { readonly ok: true } | { readonly ok: false; readonly reason: Reason }>(
  guard: AttemptGuard | undefined,
  token: string,
  context: EventContext | undefined,
  work: () => Promise<T>,
): Promise<T | TooManyAttempts> {
  if (guard === undefined) return work()
  // A hash of its own: neither the token nor the id that it is stored under leaves for the guard's store.
  const account = createHash('sha256').update(`password.attempt\0${token}`).digest('base64url')
  const attempt = await guard.attempt({ account, address: context?.request?.client.ip }, context)
  if (!attempt.allowed) {
    const reason = { code: 'password.too_many_attempts', message: 'too many tokens were tried from this address' } as const
    return { ok: false, reason, retryAfter: attempt.retryAfter }
  }
  const settle = settling(attempt)
  const result = await orElse(work, settle)
  await settle(!result.ok && result.reason.code === 'password.token_unknown' ? 'failure' : 'success')
  return result
}

type Settle = (outcome: 'success' | 'failure' | 'unchecked') => Promise<void>

/** The guard's store is down: the attempt stays counted until time gives it back, and nobody is turned away for it. */
function settling(attempt: { readonly settle: Settle }): Settle {
  return async (outcome) => {
    try {
      await attempt.settle(outcome)
    } catch (error) {
      if (!(error instanceof PortcullisError && error.status === 503)) throw error
    }
  }
}

async function orElse<T>(work: () => Promise<T>, settle: Settle): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await settle('unchecked')
    throw error
  }
}
