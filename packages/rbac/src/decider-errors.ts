import { PortcullisError } from '@portcullis/core'

/** The codes of {@link DeciderError}. */
export type DeciderErrorCode =
  /** An option is missing, or out of its bounds: found when something is made or declared. */
  | 'rbac.decider_options_invalid'
  /** There was no answer: nobody is there, it took too long, or the status was none that answers (503). */
  | 'rbac.decider_unavailable'
  /** There was an answer, but not one that this question can have (503). */
  | 'rbac.decider_answer_malformed'

/** A decider is put together wrongly, or could not be asked. A refusal is never an error: that is a decision. */
export class DeciderError extends PortcullisError<DeciderErrorCode> {}

/** @throws DeciderError `rbac.decider_options_invalid` unless it is a whole number within the bounds */
export function checkWhole(name: string, value: number, min: number, max: number): number {
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw optionsInvalid(`${name} is not a whole number from ${min} to ${max}`)
  return value
}

export function optionsInvalid(message: string): DeciderError {
  return new DeciderError('rbac.decider_options_invalid', message)
}

export function unavailable(message: string, cause?: unknown): DeciderError {
  return new DeciderError('rbac.decider_unavailable', message, { status: 503, ...(cause === undefined ? {} : { cause }) })
}

export function malformed(message: string): DeciderError {
  return new DeciderError('rbac.decider_answer_malformed', message, { status: 503 })
}
