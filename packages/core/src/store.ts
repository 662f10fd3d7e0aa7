/** A JSON value: what collections hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined }

/** A value as it is kept. */
export interface Stored<T> {
  readonly id: string
  readonly value: T
  /** Changes with every write; give it back to {@link Collection.replace}. */
  readonly version: number
  /** Milliseconds since the epoch; `undefined`: it does not expire. */
  readonly expiresAt: number | undefined
}

/** How a value is written. */
export interface WriteOptions {
  /** Milliseconds since the epoch, by the store's clock. Past that moment the value is not there, swept or not. */
  readonly expiresAt?: number
  /** A key for each declared index under which the value shall be found. An index left out is not set. */
  readonly index?: Readonly<Record<string, string>>
}

/** A page of {@link Collection.find}. */
export interface Page {
  /** Begin behind this id. */
  readonly after?: string
  /** At most this many. Without it: all. */
  readonly limit?: number
  /** By id, compared byte by byte; ascending by default. */
  readonly order?: 'ascending' | 'descending'
}

/**
 * Six verbs on which everything durable stands. One-time things are `take`; rotation is `replace`; replay protection is
 * `create` with an expiry. Nothing is read, changed and written back without a version.
 *
 * Values are copies: changing what was read, or what was given, changes nothing that is kept.
 */
export interface Collection<T extends Json> {
  get(id: string): Promise<Stored<T> | undefined>
  /** False: it exists already. An id whose value has expired is free. */
  create(id: string, value: T, options?: WriteOptions): Promise<boolean>
  /** Compare-and-set. False: it is gone, or somebody was faster. Expiry and index become what `options` say. */
  replace(id: string, version: number, value: T, options?: WriteOptions): Promise<boolean>
  /** Reads and removes at once: of any number of callers, one wins. */
  take(id: string): Promise<T | undefined>
  /** False: there was nothing. */
  remove(id: string): Promise<boolean>
  /** By a declared index, in order of id. @throws CoreError `core.index_undeclared` */
  find(index: string, key: string, page?: Page): AsyncIterable<Stored<T>>
}

/** What a package says of a collection before it uses it. Names match `/^[a-z][a-z0-9_]{0,39}(\.[a-z][a-z0-9_]{0,39})?$/`. */
export interface CollectionDeclaration {
  /** `package.noun`, for example `oauth.codes`. */
  readonly name: string
  /** Names of its indexes. */
  readonly indexes?: readonly string[]
  /**
   * Where `stores` puts it. `hot`: written and read all the time, short-lived, and the package's README says what it means when a
   * failover loses the last of it. Default: `durable`.
   */
  readonly keep?: Keep
}

/** How a collection wants to be kept. */
export type Keep = 'durable' | 'hot'

/** A place that keeps collections. */
export interface Store {
  /** @throws CoreError `core.collection_invalid` when a name is not well-formed, or was declared differently before */
  collection<T extends Json>(declaration: CollectionDeclaration): Collection<T>
}
