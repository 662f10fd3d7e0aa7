/*
 * For browsers: one module without imports, loaded as it is with <script type="module">. It turns the JSON of `beginRegistration`,
 * `beginSignIn` and `beginSecondFactor` into what `navigator.credentials` takes, and its answer into JSON again.
 */

/** Stable codes of {@link PasskeyError}. */
export type PasskeyErrorCode =
  /** This browser, or this page (no HTTPS, a frame without permission), has no passkeys. */
  | 'unsupported'
  /** The person declined, took too long, or has no passkey that fits: browsers do not say which. */
  | 'not_allowed'
  /** `signal`, or another call, ended it. */
  | 'cancelled'
  /** The authenticator has a passkey of this account already. */
  | 'already_registered'
  /** The page is not on the domain that the options name. */
  | 'wrong_domain'
  /** No authenticator can do what the options ask for. */
  | 'unable'
  | 'failed'

/** Why there is no answer. */
export class PasskeyError extends Error {
  readonly code: PasskeyErrorCode

  constructor(code: PasskeyErrorCode, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'PasskeyError'
    this.code = code
  }
}

/** What the server gave: `beginRegistration`'s options. */
export interface CreationOptions {
  readonly challenge: string
  readonly user: { readonly id: string }
  readonly excludeCredentials?: readonly { readonly id: string }[]
}

/** What the server gave: `beginSignIn`'s or `beginSecondFactor`'s options. */
export interface RequestOptions {
  readonly challenge: string
  readonly allowCredentials?: readonly { readonly id: string }[]
}

/** What the server takes: `response` of `finish…`. */
export interface CredentialJson {
  readonly id: string
  readonly rawId: string
  readonly type: string
  readonly response: { readonly [field: string]: unknown }
  readonly [field: string]: unknown
}

/** What this browser can do. */
export interface PasskeySupport {
  /** Passkeys at all. */
  readonly passkeys: boolean
  /** An authenticator in this device that verifies the person. */
  readonly platform: boolean
  /** Passkeys among the suggestions of an input field with `autocomplete="username webauthn"`. */
  readonly conditional: boolean
}

/** Options of a call. */
export interface CallOptions {
  readonly signal?: AbortSignal
}

/** Options of {@link signInWithPasskey}. */
export interface SignInOptions extends CallOptions {
  /** Offers passkeys in the input field and waits; the next call ends it. */
  readonly conditional?: boolean
}

// The parts of the DOM that are used here; the rest of the package is for Node.js, whose types have none of it.
interface PublicKeyCredential {
  readonly id: string
  readonly type: string
  readonly rawId: ArrayBuffer
  readonly authenticatorAttachment?: string | null
  readonly response: {
    readonly clientDataJSON: ArrayBuffer
    readonly attestationObject?: ArrayBuffer
    readonly authenticatorData?: ArrayBuffer
    readonly signature?: ArrayBuffer
    readonly userHandle?: ArrayBuffer | null
    getTransports?(): string[]
  }
  getClientExtensionResults(): { readonly [name: string]: unknown }
  toJSON?(): CredentialJson
}

interface PublicKeyCredentialStatics {
  readonly prototype: { toJSON?: unknown }
  isUserVerifyingPlatformAuthenticatorAvailable(): Promise<boolean>
  isConditionalMediationAvailable?(): Promise<boolean>
  parseCreationOptionsFromJSON?(options: CreationOptions): object
  parseRequestOptionsFromJSON?(options: RequestOptions): object
}

interface Browser {
  readonly PublicKeyCredential?: PublicKeyCredentialStatics
  readonly navigator: {
    readonly credentials?: {
      create(options: object): Promise<PublicKeyCredential | null>
      get(options: object): Promise<PublicKeyCredential | null>
    }
  }
}

const browser = globalThis as unknown as Browser

/** Browsers allow one at a time: a pending conditional call must make way for the button that the person presses. */
let pending: AbortController | undefined

/** What this browser can do; never throws. */
export async function passkeySupport(): Promise<PasskeySupport> {
  const credential = browser.PublicKeyCredential
  if (credential === undefined) return { passkeys: false, platform: false, conditional: false }
  const [platform = false, conditional = false] = await Promise.all([
    credential.isUserVerifyingPlatformAuthenticatorAvailable().catch(() => false),
    credential.isConditionalMediationAvailable?.().catch(() => false),
  ])
  return { passkeys: true, platform, conditional }
}

/**
 * Makes a passkey. Call it when a button was pressed.
 * @param options what `beginRegistration` gave
 * @returns the `response` for `finishRegistration`
 * @throws PasskeyError every code
 */
export function registerPasskey(options: CreationOptions, { signal }: CallOptions = {}): Promise<CredentialJson> {
  return call(signal, async (credential, credentials, end) => {
    const publicKey = credential.parseCreationOptionsFromJSON?.(options) ?? {
      ...options,
      challenge: toBytes(options.challenge),
      user: { ...options.user, id: toBytes(options.user.id) },
      excludeCredentials: (options.excludeCredentials ?? []).map(descriptor),
    }
    return credentials.create({ publicKey, signal: end })
  })
}

/**
 * Uses a passkey.
 * @param options what `beginSignIn` or `beginSecondFactor` gave
 * @returns the `response` for `finishSignIn` or `finishSecondFactor`
 * @throws PasskeyError every code but `already_registered`
 * @example
 * const response = await signInWithPasskey(await (await fetch('/passkey/begin', { method: 'POST' })).json())
 */
export function signInWithPasskey(
  options: RequestOptions,
  { signal, conditional = false }: SignInOptions = {},
): Promise<CredentialJson> {
  return call(signal, async (credential, credentials, end) => {
    if (conditional && !(await credential.isConditionalMediationAvailable?.())) {
      throw new PasskeyError('unsupported', 'this browser offers no passkeys in input fields')
    }
    const publicKey = credential.parseRequestOptionsFromJSON?.(options) ?? {
      ...options,
      challenge: toBytes(options.challenge),
      allowCredentials: (options.allowCredentials ?? []).map(descriptor),
    }
    return credentials.get({ publicKey, signal: end, ...(conditional ? { mediation: 'conditional' } : {}) })
  })
}

async function call(
  signal: AbortSignal | undefined,
  work: (
    credential: PublicKeyCredentialStatics,
    credentials: NonNullable<Browser['navigator']['credentials']>,
    end: AbortSignal,
  ) => Promise<PublicKeyCredential | null>,
): Promise<CredentialJson> {
  const { PublicKeyCredential: credential, navigator } = browser
  if (credential === undefined || navigator.credentials === undefined) {
    throw new PasskeyError('unsupported', 'this browser, or this page, has no passkeys')
  }
  pending?.abort()
  const own = new AbortController()
  pending = own
  const abort = (): void => own.abort()
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  try {
    const answer = await work(credential, navigator.credentials, own.signal)
    if (answer === null) throw new PasskeyError('failed', 'the browser gave no passkey')
    return toJson(answer)
  } catch (error) {
    throw coded(error)
  } finally {
    signal?.removeEventListener('abort', abort)
    if (pending === own) pending = undefined
  }
}

const codes: Readonly<Record<string, PasskeyErrorCode>> = {
  NotAllowedError: 'not_allowed',
  AbortError: 'cancelled',
  InvalidStateError: 'already_registered',
  SecurityError: 'wrong_domain',
  ConstraintError: 'unable',
  NotSupportedError: 'unable',
}

function coded(error: unknown): PasskeyError {
  if (error instanceof PasskeyError) return error
  const name = error instanceof Error ? error.name : ''
  return new PasskeyError(codes[name] ?? 'failed', `the browser answered ${name || 'with an error'}`, error)
}

function toJson(credential: PublicKeyCredential): CredentialJson {
  if (typeof credential.toJSON === 'function') return credential.toJSON()
  const { id, type, response, authenticatorAttachment } = credential
  const { clientDataJSON, attestationObject, authenticatorData, signature, userHandle } = response
  const parts = { clientDataJSON, attestationObject, authenticatorData, signature, userHandle }
  const texts: Record<string, unknown> = {}
  for (const [name, bytes] of Object.entries(parts)) if (bytes) texts[name] = toText(bytes)
  if (attestationObject) texts['transports'] = response.getTransports?.() ?? []
  return {
    id,
    rawId: id,
    type,
    response: texts,
    clientExtensionResults: credential.getClientExtensionResults(),
    ...(authenticatorAttachment ? { authenticatorAttachment } : {}),
  }
}

function descriptor<T extends { readonly id: string }>(of: T): Omit<T, 'id'> & { readonly id: Uint8Array } {
  return { ...of, id: toBytes(of.id) }
}

function toBytes(base64url: string): Uint8Array {
  const text = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

function toText(bytes: ArrayBuffer): string {
  const text = Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join('')
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
