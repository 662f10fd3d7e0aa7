import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LedgerError } from './errors.ts'

/** The frameworks that Ledger runs on. */
export const frameworks = ['express', 'fastify', 'koa'] as const
export type Framework = (typeof frameworks)[number]

/** How Ledger runs; see the table in the README. */
export interface Config {
  readonly port: number
  readonly host: string
  /** The issuer, and the base of every URL that is handed out; without a slash at the end. */
  readonly publicUrl: string
  readonly framework: Framework
  readonly dataDir: string
  /** PostgreSQL, for what must last; `undefined`: SQLite in the data folder. */
  readonly databaseUrl: string | undefined
  /** Redis, for what is hot: one server, or several nodes of a cluster; empty: the database has it all. */
  readonly redisUrls: readonly string[]
  readonly trustedProxies: readonly string[]
  readonly seed: boolean
  /** `off` lifts the flood limits, never the brute-force guards. */
  readonly limits: 'demo' | 'off'
  readonly production: boolean
}

type Environment = Readonly<Record<string, string | undefined>>

// Variables of the contract whose work is not in this version: silently ignoring them would lose somebody's TLS.
const unsupported = ['TLS', 'HTTP_PORT'] as const

/**
 * Reads the environment. An empty variable counts as unset.
 * @throws LedgerError `ledger.setting_invalid`, `ledger.setting_unsupported`, `ledger.seed_in_production`
 */
export function readConfig(environment: Environment): Config {
  const get = (name: string): string | undefined => environment[name] || undefined
  for (const name of unsupported) {
    if (get(name) !== undefined && get(name) !== '0') {
      throw new LedgerError('ledger.setting_unsupported', `${name} is set, but this version of Ledger does not support it yet`)
    }
  }
  const production = get('NODE_ENV') === 'production'
  const seed = oneOf('SEED', get('SEED') ?? (production ? '0' : '1'), ['0', '1'] as const) === '1'
  if (production && seed) {
    throw new LedgerError('ledger.seed_in_production', 'SEED=1 in production: the seeded accounts and clients are public')
  }
  const port = wholeNumber('PORT', get('PORT') ?? '3000')
  return {
    port,
    host: get('HOST') ?? '127.0.0.1',
    publicUrl: baseUrl('PUBLIC_URL', get('PUBLIC_URL') ?? `http://localhost:${port}`),
    framework: oneOf('FRAMEWORK', get('FRAMEWORK') ?? 'express', frameworks),
    dataDir: resolve(get('DATA_DIR') ?? join(dirname(fileURLToPath(import.meta.url)), '..', '.data')),
    databaseUrl: get('DATABASE_URL') && serverUrl('DATABASE_URL', get('DATABASE_URL') ?? '', ['postgres:', 'postgresql:']),
    redisUrls: list(get('REDIS_URL')).map((url) => serverUrl('REDIS_URL', url, ['redis:', 'rediss:'])),
    trustedProxies: list(get('TRUST_PROXY')),
    seed,
    limits: oneOf('LIMITS', get('LIMITS') ?? 'demo', ['demo', 'off'] as const),
    production,
  }
}

function list(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** The message has nothing of the value: there may be a password in it. */
function serverUrl(name: string, value: string, protocols: readonly string[]): string {
  if (!URL.canParse(value) || !protocols.includes(new URL(value).protocol)) {
    throw invalid(name, `is a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`)
  }
  return value
}

function oneOf<const T extends readonly string[]>(name: string, value: string, allowed: T): T[number] {
  if (!allowed.includes(value)) throw invalid(name, `is one of ${allowed.join(', ')}`)
  return value
}

function wholeNumber(name: string, value: string): number {
  const number = Number(value)
  if (!/^\d{1,5}$/.test(value) || number < 1 || number > 65_535) throw invalid(name, 'is a whole number from 1 to 65535')
  return number
}

function baseUrl(name: string, value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw invalid(name, 'is an http or https URL without user, query or fragment')
  }
  return url.href.replace(/\/$/, '')
}

function invalid(name: string, rule: string): LedgerError {
  return new LedgerError('ledger.setting_invalid', `${name} ${rule}`)
}
