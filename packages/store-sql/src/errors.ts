import { PortcullisError } from '@portcullis/core'

/** The codes of {@link StoreError}. */
export type StoreErrorCode =
  | 'store_sql.options_invalid'
  | 'store_sql.file_unavailable'
  | 'store_sql.file_exposed'
  | 'store_sql.corrupt'
  | 'store_sql.unavailable'
  | 'store_sql.timeout'
  | 'store_sql.outcome_unknown'
  | 'store_sql.busy'
  | 'store_sql.disk_full'
  | 'store_sql.read_only'
  | 'store_sql.access_denied'
  | 'store_sql.closed'
  | 'store_sql.migration_unknown'
  | 'store_sql.migration_pending'
  | 'store_sql.revert_refused'
  | 'store_sql.failed'

/** The database could not do what it was asked. Messages name what failed, and never an id, a key or a value. */
export class StoreError extends PortcullisError<StoreErrorCode> {}
