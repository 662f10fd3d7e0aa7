import { PortcullisError } from '@portcullis/core'

/** The codes of {@link RateLimitError}. */
export type RateLimitErrorCode =
  | 'rate_limit.policy_invalid'
  | 'rate_limit.policy_conflict'
  | 'rate_limit.options_invalid'
  | 'rate_limit.key_missing'
  | 'rate_limit.cost_invalid'
  | 'rate_limit.plan_missing'
  | 'rate_limit.priority_invalid'

/** An error of this package: what the caller got wrong. That a request is over its limit is a value, not an error. */
export class RateLimitError extends PortcullisError<RateLimitErrorCode> {}
