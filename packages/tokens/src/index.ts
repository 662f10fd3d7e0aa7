export type { AttemptGuard } from '@portcullis/core'
export type { AccessTokenRequest, Confirmation } from './access-token.ts'
export type { Algorithm, AsymmetricAlgorithm, HmacAlgorithm } from './algorithms.ts'
export type { ApiKeyInfo, ApiKeyOwner } from './api-key.ts'
export {
  type ApiKeyReasonCode,
  type ApiKeyRefusal,
  type ApiKeyRequest,
  type ApiKeyResult,
  type ApiKeys,
  type ApiKeysOptions,
  createApiKeys,
  type IssuedApiKey,
  type RotateKeyOptions,
} from './api-keys.ts'
export type { ChallengeOptions } from './bearer-scheme.ts'
export { type ChoiceReasonCode, chooseVerifier } from './choose-verifier.ts'
export type { Claims, ClaimsReasonCode } from './claims.ts'
export { type ClientCertificates, type ClientCertificatesOptions, createClientCertificates } from './client-certificate.ts'
export { type DecodeResult, decodeUnsafe, type UnverifiedToken } from './decode-unsafe.ts'
export { createDpopVerifier, type DpopResult, type DpopVerifier, type DpopVerifierOptions, type PresentedProof } from './dpop.ts'
export { createDpopNonces, type DpopNonces, type DpopNoncesOptions } from './dpop-nonce.ts'
export type { DpopReasonCode } from './dpop-proof.ts'
export { createDpopProver, type DpopProver, type DpopProverOptions, type ProofRequest } from './dpop-prover.ts'
export {
  jwksEndpoint,
  type ProtectedResourceMetadata,
  protectedResourceMetadata,
  protectedResourceMetadataUrl,
} from './endpoints.ts'
export { TokenError, type TokenErrorCode } from './errors.ts'
export {
  type ApiKeyEvent,
  apiKeyIssuedEvent,
  apiKeyRevokedEvent,
  apiKeyRotatedEvent,
  introspectionFailedEvent,
  issuedEvent,
  jwksFailedEvent,
  jwksRefreshedEvent,
  keyAddedEvent,
  keyRemovedEvent,
  keyRevokedEvent,
  opaqueRevokedEvent,
  type RefreshEvent,
  refreshEndedEvent,
  refreshIssuedEvent,
  refreshReuseEvent,
  refreshRotatedEvent,
  rejectedEvent,
  revocationFeedLostEvent,
  revocationFeedRestoredEvent,
  revokedEvent,
} from './events.ts'
export type { Fetch } from './fetch-json.ts'
export { type BearerFacts, type BearerOptions, bearer, principalFromClaims } from './guard.ts'
export type { IntrospectionCredentials, IntrospectionEndpointOptions } from './introspection-endpoint.ts'
export {
  createIntrospectionVerifier,
  type IntrospectionReasonCode,
  type IntrospectionVerifierOptions,
  type UnstatedMember,
} from './introspection-verifier.ts'
export { createTokenIssuer, type IssuedToken, type SignRequest, type TokenIssuer, type TokenIssuerOptions } from './issuer.ts'
export {
  createJweDecrypter,
  encryptJwe,
  type JweDecrypter,
  type JweDecrypterOptions,
  type JweHeader,
  type JweReasonCode,
  type JweResult,
} from './jwe.ts'
export type { JweAlgorithm, JweEncryption } from './jwe-algorithms.ts'
export {
  type DecryptionKey,
  type EncryptionKey,
  importDecryptionKey,
  importEncryptionKey,
  type JweKeyOptions,
} from './jwe-keys.ts'
export { type JwsHeader, type JwsOptions, type JwsReasonCode, type JwsResult, verifyJws } from './jws.ts'
export { type SignJwsOptions, signJws } from './jws-sign.ts'
export type { KeyGuessCode } from './key-guesses.ts'
export { createKeyRing, type KeyRing, type KeyRingOptions } from './key-ring.ts'
export { createKeySet, type KeyHint, type KeySource } from './key-source.ts'
export { type ImportOptions, importHmacKey, importVerificationKey, type VerificationKey } from './keys.ts'
export { createMemoryRevocationFeed, type MemoryRevocationFeedOptions } from './memory-revocation-feed.ts'
export { createNestedVerifier, encryptJwt, type NestedReasonCode, type NestedVerifierOptions } from './nested.ts'
export { createOpaqueTokens, type IntrospectionAnswer, type OpaqueTokens, type OpaqueTokensOptions } from './opaque-tokens.ts'
export type { HeaderMembers } from './protected-header.ts'
export type { ReferenceOptions, ReferenceReasonCode } from './reference-record.ts'
export {
  createRefreshTokens,
  type IssuedRefreshToken,
  type RefreshGrant,
  type RefreshReasonCode,
  type RefreshTokens,
  type RefreshTokensOptions,
  type RefreshUse,
  type RotateResult,
} from './refresh.ts'
export type { ClientAnswer, Refused } from './refused.ts'
export { createRemoteJwks, type JwksLocation, type RemoteJwks, type RemoteJwksOptions } from './remote-jwks.ts'
export type { Revocation, RevocationCheck, RevocationKind, RevocationReasonCode, Revoker } from './revocation.ts'
export type { PublishedRevocation, RevocationBatch, RevocationCursor, RevocationFeed } from './revocation-feed.ts'
export { createRevocations, type Revocations, type RevocationsOptions, type RevocationsStatus } from './revocations.ts'
export type { RingAlgorithm } from './ring-key.ts'
export type { RingKeyInfo } from './ring-picture.ts'
export { importSigner, type Signer } from './signer.ts'
export { createStoreRevocationFeed, type StoreRevocationFeedOptions } from './store-revocation-feed.ts'
export type { VerifiedTokensOptions } from './verified-tokens.ts'
export { createVerifier, type Verifier, type VerifierOptions, type VerifyReasonCode, type VerifyResult } from './verifier.ts'
