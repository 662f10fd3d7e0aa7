import { PortcullisError } from '@portcullis/core'

/** The codes of {@link TokenError}. */
export type TokenErrorCode =
  | 'tokens.options_invalid'
  | 'tokens.key_malformed'
  | 'tokens.key_use'
  | 'tokens.key_operations'
  | 'tokens.key_unsupported'
  | 'tokens.key_algorithm_mismatch'
  | 'tokens.key_size'
  | 'tokens.key_exponent'
  | 'tokens.key_weak'
  | 'tokens.key_private'
  | 'tokens.key_public'
  | 'tokens.key_symmetric'
  | 'tokens.key_off_curve'
  | 'tokens.key_id_duplicate'
  | 'tokens.key_kinds_mixed'
  | 'tokens.keys_unavailable'
  | 'tokens.proofs_unavailable'
  | 'tokens.lifetime_too_long'
  | 'tokens.claim_reserved'
  | 'tokens.claim_invalid'
  | 'tokens.header_reserved'
  | 'tokens.grant_invalid'
  | 'tokens.refresh_contended'
  | 'tokens.revocation_invalid'
  | 'tokens.revocations_unavailable'
  | 'tokens.revocations_full'

/** An error of this package. A token that is refused is no error: see `VerifyResult`. */
export class TokenError extends PortcullisError<TokenErrorCode> {}
