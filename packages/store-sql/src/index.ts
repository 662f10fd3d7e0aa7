export { StoreError, type StoreErrorCode } from './errors.ts'
export type { MigrationStatus } from './migrator.ts'
export { openPostgres, type PostgresOptions } from './postgres.ts'
export type {
  PostgresClient,
  PostgresConnection,
  PostgresConstructor,
  PostgresPool,
  PostgresPoolConfig,
  PostgresQuery,
} from './postgres-pool.ts'
export type { Migrations, SqlStore } from './sql-store.ts'
export { openSqlite, type SqliteOptions } from './sqlite.ts'
export type { SqliteConnection, SqliteConstructor } from './sqlite-connection.ts'
