/*
 * For browsers: one module without imports, loaded as it is with <script type="module">. It reads the JSON of `snapshotOf`, so that
 * a page can leave out what the server would refuse. The server decides all the same.
 */

/** What the server sends: {@link createSnapshot} reads it. */
export interface AccessSnapshot {
  readonly version: 1
  /** When it was made: seconds since the epoch. */
  readonly issuedAt: number
  /** From when on it allows nothing: seconds since the epoch. */
  readonly expiresAt: number
  /** Actions that the user may do with some records, by resource. */
  readonly permissions: Readonly<Record<string, readonly string[]>>
}

/** What was given is no snapshot; `code` is `snapshot_malformed`. */
export class SnapshotError extends Error {
  readonly code = 'snapshot_malformed'

  constructor(message: string) {
    super(message)
    this.name = 'SnapshotError'
  }
}

/** What the user may do, as far as the server said. */
export interface Snapshot<Permission extends string = string> {
  /** In the server's order. Empty once it has expired. */
  readonly permissions: readonly Permission[]
  /** Milliseconds until it allows nothing any more; 0 from then on. Fetch a new one before. */
  readonly expiresIn: number
  /** "May some": whether to show the way to it. Not whether any one record may be touched. Nothing may be done once it has expired. */
  canSome(permission: Permission): boolean
}

/**
 * Reads a snapshot.
 * @param json what the server sent, parsed
 * @param options.now milliseconds since the epoch; give one that knows the server's time where the machine's clock may be wrong.
 * Default: `Date.now`
 * @throws SnapshotError when it is no snapshot, for example the answer to somebody who is not signed in
 * @example
 * const access = createSnapshot(await (await fetch('/access/snapshot')).json())
 * refundButton.hidden = !access.canSome('invoice:refund')
 */
export function createSnapshot<Permission extends string = string>(
  json: unknown,
  options: { readonly now?: () => number } = {},
): Snapshot<Permission> {
  const { now = () => Date.now() } = options
  const { expiresAt, permissions } = read(json)
  const allowed = new Set<Permission>()
  for (const [resource, actions] of Object.entries(permissions)) {
    for (const action of actions) allowed.add(`${resource}:${action}` as Permission)
  }
  const expiresIn = (): number => Math.max(0, expiresAt * 1000 - now())
  return Object.freeze({
    get permissions() {
      return expiresIn() > 0 ? [...allowed] : []
    },
    get expiresIn() {
      return expiresIn()
    },
    canSome: (permission: Permission) => expiresIn() > 0 && allowed.has(permission),
  })
}

function read(json: unknown): AccessSnapshot {
  const { version, issuedAt, expiresAt, permissions } = isObject(json) ? json : {}
  if (version !== 1) throw new SnapshotError('this is no snapshot of version 1')
  // NaN and Infinity would never expire.
  if (!Number.isSafeInteger(issuedAt) || !Number.isSafeInteger(expiresAt)) throw new SnapshotError('the snapshot has no times')
  const lists = isObject(permissions) && Object.values(permissions).every(isListOfTexts)
  if (!lists) throw new SnapshotError('the permissions are not lists of actions')
  return json as unknown as AccessSnapshot
}

function isListOfTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
