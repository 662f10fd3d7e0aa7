import { StoreError, type StoreErrorCode } from './errors.ts'

/** What an error means for whoever made the call. */
export interface Failure {
  readonly error: StoreError
  /** Whether to try again: nothing was done; it may have been done; trying again will not help. */
  readonly again: 'safe' | 'if repeatable' | 'no'
  /** Whether the connection is of no more use. */
  readonly broken: boolean
  /** Whether it says that nobody is there, and not that somebody declined. */
  readonly outage: boolean
}

type Meaning = readonly [
  state: string,
  code: StoreErrorCode,
  message: string,
  status: number,
  again: Failure['again'],
  flags?: 'broken' | 'outage',
]

const LOST = 'the connection to the database was lost'

// https://www.postgresql.org/docs/current/errcodes-appendix.html; the first prefix that fits.
const BY_STATE: readonly Meaning[] = [
  ['08', 'store_sql.unavailable', LOST, 503, 'if repeatable', 'outage'],
  // A replica: after a failover the address leads to another server, but this connection does not.
  ['25006', 'store_sql.read_only', 'the database takes no writes', 503, 'no', 'broken'],
  ['25P0', 'store_sql.unavailable', LOST, 503, 'if repeatable', 'broken'],
  ['28', 'store_sql.access_denied', 'the database does not accept this user', 500, 'no'],
  ['3D000', 'store_sql.access_denied', 'there is no such database', 500, 'no'],
  ['40001', 'store_sql.busy', 'others wrote at the same moment', 503, 'safe'],
  ['40P01', 'store_sql.busy', 'a deadlock', 503, 'safe'],
  ['42501', 'store_sql.access_denied', "the database user's privileges do not suffice", 500, 'no'],
  ['53100', 'store_sql.disk_full', 'the disk of the database is full', 503, 'no'],
  ['53300', 'store_sql.busy', 'the database has no connection left', 503, 'safe', 'outage'],
  ['53', 'store_sql.busy', 'the database has no room for this', 503, 'no'],
  ['55P03', 'store_sql.busy', 'others held a lock for too long', 503, 'no'],
  ['57014', 'store_sql.timeout', 'the database gave up on a statement that took too long', 503, 'no'],
  ['57P', 'store_sql.unavailable', LOST, 503, 'if repeatable', 'outage'],
  ['58', 'store_sql.unavailable', 'the machine of the database fails', 503, 'no'],
  ['XX00', 'store_sql.corrupt', 'the database is damaged: restore a backup', 500, 'no'],
]

const FAILED: Meaning = ['', 'store_sql.failed', 'the database could not do what it was asked', 500, 'no']

/** What went wrong while a statement was under way. */
export function statementFailure(thrown: unknown): Failure {
  if (thrown instanceof StoreError) return { error: thrown, again: 'no', broken: true, outage: false }
  const state = stateOf(thrown)
  const cause = withoutValues(thrown)
  if (state === undefined) {
    // The driver's own: of a connection that ended, or that it does not understand any more.
    const error = new StoreError('store_sql.unavailable', LOST, { cause, status: 503 })
    return { error, again: 'if repeatable', broken: true, outage: true }
  }
  const [, code, message, status, again, flag] = BY_STATE.find(([prefix]) => state.startsWith(prefix)) ?? FAILED
  const severity = thrown instanceof Error && 'severity' in thrown ? thrown.severity : undefined
  return {
    error: new StoreError(code, message, { cause, status }),
    again,
    broken: flag !== undefined || severity === 'FATAL' || severity === 'PANIC',
    outage: flag === 'outage',
  }
}

/** What went wrong before there was a connection: nothing was asked of it yet. */
export function connectFailure(thrown: unknown): Failure {
  const failure = statementFailure(thrown)
  if (failure.again !== 'if repeatable') return failure
  const error = new StoreError('store_sql.unavailable', 'the database cannot be reached', {
    cause: failure.error.cause,
    status: 503,
  })
  return { ...failure, error, again: 'safe' }
}

/** Classes whose messages name tables, roles and settings; those of others quote what was written. */
const MESSAGE_IS_SAFE = /^(08|25|28|3D|3F|40|42|53|55|57|58|XX)/

/**
 * What the driver threw, without what it may quote of a row: PostgreSQL's `detail` shows whole rows, its `where` parameters, and its
 * messages on data that does not fit show that data.
 */
function withoutValues(thrown: unknown): Error | undefined {
  if (!(thrown instanceof Error)) return undefined
  const state = stateOf(thrown)
  if (state === undefined) {
    const { message, name } = thrown
    const code = 'code' in thrown ? String(thrown.code) : undefined
    return Object.assign(new Error(message === '' ? name : message), code === undefined ? {} : { code })
  }
  const message = MESSAGE_IS_SAFE.test(state) ? thrown.message : 'see the log of the server'
  return Object.assign(new Error(`PostgreSQL ${state}: ${message}`), { code: state })
}

function stateOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('severity' in thrown) || !('code' in thrown)) return undefined
  return typeof thrown.code === 'string' && /^[0-9A-Z]{5}$/.test(thrown.code) ? thrown.code : undefined
}
