import { type Clock, type Collection, type Json, type Store, systemClock, withDeadline } from '@portcullis/core'
import { type Access, type CompiledAccess, compiledOf, compileFor, followingAccess } from './access.ts'
import type { RoleDefinitions } from './definition.ts'
import { AccessError } from './errors.ts'
import { rulesChanged, rulesUnavailable } from './events.ts'
import type { RulesInForce } from './questions.ts'

/** Options of {@link createAccessSource}. */
export interface AccessSourceOptions<Permission extends string> {
  /** What the rules are checked against; its roles hold while the store has none. */
  readonly access: Access<Permission>
  readonly store: Store
  /** Where in the store. Default: `rules`. One store can keep the rules of several applications. */
  readonly id?: string
  /** Milliseconds from one look at the store to the next. 0: it is told, by `refresh`. Default: 5,000. */
  readonly every?: number
  /**
   * Milliseconds after which rules that could not be read again are not relied on any more. Default: 30,000. It is the bound: what was
   * published counts in every process within this time, or the process refuses everything.
   */
  readonly bound?: number
  /**
   * What becomes of questions past the bound. `refuse`, the default: everything is refused, routes with 503. `allow`: the rules as they
   * were last read decide, and decisions and events say `stale`.
   */
  readonly whenStale?: 'refuse' | 'allow'
  /** Milliseconds that the store has for an answer. Default: 2,000. */
  readonly timeout?: number
  readonly clock?: Clock
}

/** What came of publishing. */
export type PublishResult =
  | { readonly ok: true; readonly version: number }
  /** Somebody was faster. Read what he wrote, and try again. */
  | { readonly ok: false; readonly version: number | undefined }

/** Roles that are stored, and reach every process within a stated bound. */
export interface AccessSource<Permission extends string = string> {
  /** Decides by the rules as they are now; routes that it guards, too. */
  readonly access: Access<Permission>
  /** Of the rules that decide, as the store counts; `undefined`: the definition's own. */
  readonly version: number | undefined
  /** Whether the rules could not be read within the bound: they may have changed. */
  readonly stale: boolean
  /** The stored rules, for those who change them; `undefined`: there are none. @throws AccessError `rbac.rules_unavailable` */
  read(): Promise<{ readonly roles: RoleDefinitions; readonly version: number } | undefined>
  /**
   * Checks roles, and stores them for every process; here they count at once.
   * @param version that of the rules which they change, `undefined` where there were none: two changes at once don't undo one another
   * @throws AccessError as `defineAccess` and `rbac.condition_invalid` for a function, which can't be stored; `rbac.rules_unavailable`
   */
  publish(roles: RoleDefinitions, version: number | undefined): Promise<PublishResult>
  /** Looks now, as one does who was told of a change. Never throws: false, when the rules could not be read. */
  refresh(): Promise<boolean>
  /** Looks no more. The process may end, and the rules grow stale. */
  close(): void
}

interface StoredRules {
  readonly [member: string]: Json
  readonly roles: Json
}

/**
 * Roles from a store, checked against a definition. What is stored and can't be read (a permission that this version does not know) is
 * not taken: the rules before it hold until the bound, and `rbac.rules_unavailable` is published with the reason.
 * @throws AccessError `rbac.source_invalid`; where the first look fails, what was wrong: `rbac.rules_unavailable`, or as `defineAccess`
 * @example const { access } = await createAccessSource({ access: defineAccess({ … }), store, every: 5_000 })
 */
export async function createAccessSource<Permission extends string>(
  options: AccessSourceOptions<Permission>,
): Promise<AccessSource<Permission>> {
  const source = new Source(checkOptions(options))
  await source.load()
  source.poll()
  return source.published()
}

type Settings<Permission extends string> = Required<AccessSourceOptions<Permission>>

function checkOptions<Permission extends string>(options: AccessSourceOptions<Permission>): Settings<Permission> {
  const settings = {
    id: 'rules',
    every: 5_000,
    bound: 30_000,
    whenStale: 'refuse' as const,
    timeout: 2_000,
    clock: systemClock,
    ...options,
  }
  // Longer timers than this fire at once.
  const isTime = (value: number, least: number): boolean =>
    Number.isSafeInteger(value) && value >= least && value <= 2_147_483_647
  if (!isTime(settings.every, 0) || !isTime(settings.bound, 1) || !isTime(settings.timeout, 1)) {
    throw new AccessError('rbac.source_invalid', 'every, bound and timeout are whole milliseconds, at most 2,147,483,647')
  }
  if (settings.every > 0 && settings.bound < settings.every + settings.timeout) {
    throw new AccessError('rbac.source_invalid', 'bound leaves no time for one look at the store: it is below every + timeout')
  }
  return settings
}

class Source<Permission extends string> {
  readonly #settings: Settings<Permission>
  readonly #stored: Collection<StoredRules>
  readonly #original: CompiledAccess
  #compiled: CompiledAccess
  #version: number | undefined
  /** When the look began whose answer holds; milliseconds since the epoch. */
  #seen = Number.NEGATIVE_INFINITY
  #looks = 0
  #answered = 0
  #wasStale = false
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(settings: Settings<Permission>) {
    this.#settings = settings
    this.#stored = settings.store.collection({ name: 'rbac.rules' })
    this.#original = compiledOf(settings.access)
    this.#compiled = this.#original
  }

  published(): AccessSource<Permission> {
    const self = this
    const inForce: RulesInForce & CompiledAccess = {
      get rules() {
        return self.#compiled.rules
      },
      get roles() {
        return self.#compiled.roles
      },
      age: () => (this.#isStale() ? (this.#settings.whenStale === 'allow' ? 'stale' : 'unusable') : 'fresh'),
    }
    return Object.freeze({
      access: followingAccess(this.#settings.access, inForce),
      get version() {
        return self.#version
      },
      get stale() {
        return self.#isStale()
      },
      read: async () => {
        const stored = await this.#get()
        return stored && { roles: stored.value.roles as RoleDefinitions, version: stored.version }
      },
      publish: (roles: RoleDefinitions, version: number | undefined) => this.#publish(roles, version),
      refresh: () => this.#refresh(),
      close: () => this.#close(),
    })
  }

  /** @throws AccessError `rbac.rules_unavailable`, or what is wrong with the stored rules */
  async load(): Promise<void> {
    const { access, clock, id } = this.#settings
    const began = clock.now()
    this.#looks += 1
    const look = this.#looks
    const stored = await this.#get()
    // An answer that was overtaken by that of a later look is older than what holds.
    if (look < this.#answered) return
    const changed = stored?.version !== this.#version
    if (changed) {
      const compiled = stored === undefined ? this.#original : compileFor(access, stored.value.roles)
      this.#compiled = compiled
      this.#version = stored?.version
    }
    this.#answered = look
    this.#seen = began
    this.#wasStale = false
    if (changed) rulesChanged.publish({ id, version: this.#version }, { clock })
  }

  poll(): void {
    const { every } = this.#settings
    if (every === 0 || this.#closed) return
    this.#timer = setTimeout(() => void this.#refresh().then(() => this.poll()), every)
    this.#timer.unref()
  }

  async #refresh(): Promise<boolean> {
    try {
      await this.load()
      return true
    } catch (error) {
      const { id, clock } = this.#settings
      const reason = error instanceof AccessError ? error : unavailable(error)
      rulesUnavailable.publish({ id, version: this.#version, stale: this.#isStale(), reason }, { clock })
      return false
    }
  }

  async #publish(roles: RoleDefinitions, version: number | undefined): Promise<PublishResult> {
    compileFor(this.#settings.access, refuseFunctions(roles))
    const value: StoredRules = { roles: JSON.parse(JSON.stringify(roles)) }
    const { id } = this.#settings
    const written = await this.#inTime(() =>
      version === undefined ? this.#stored.create(id, value) : this.#stored.replace(id, version, value),
    )
    const now = await this.#get()
    await this.#refresh()
    if (!written || now === undefined) return { ok: false, version: now?.version }
    return { ok: true, version: now.version }
  }

  #get() {
    return this.#inTime(() => this.#stored.get(this.#settings.id))
  }

  async #inTime<T>(work: () => Promise<T>): Promise<T> {
    const late = (): Error => new AccessError('rbac.rules_unavailable', 'the store of the rules did not answer in time')
    try {
      return await withDeadline(this.#settings.timeout, work, late)
    } catch (error) {
      throw error instanceof AccessError ? error : unavailable(error)
    }
  }

  /** Asked at every question: a process whose timers hang knows it all the same. */
  #isStale(): boolean {
    const { bound, clock, id } = this.#settings
    const stale = clock.now() - this.#seen > bound
    if (stale && !this.#wasStale) {
      this.#wasStale = true
      const reason = new AccessError('rbac.rules_unavailable', `the rules were not read again within ${bound} ms`)
      rulesUnavailable.publish({ id, version: this.#version, stale, reason }, { clock })
    }
    return stale
  }

  #close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }
}

function unavailable(cause: unknown): AccessError {
  return new AccessError('rbac.rules_unavailable', 'the store of the rules failed', [], { cause })
}

/** JSON would leave a function out, and with it the condition. @throws AccessError `rbac.condition_invalid` */
function refuseFunctions(roles: RoleDefinitions): RoleDefinitions {
  JSON.stringify(roles, (name, value: unknown) => {
    if (typeof value !== 'function') return value
    throw new AccessError('rbac.condition_invalid', `${name} is a function, which can’t be stored`)
  })
  return roles
}
