import { RedisStoreError } from './errors.ts'

/** What a rejected command means. */
export interface Failure {
  readonly error: RedisStoreError
  /** Nobody is there who could answer. */
  readonly outage: boolean
  /** Whether the command was carried out: `no`, it may be sent again whatever it does; `unknown`: the connection was lost, perhaps after it. */
  readonly done: 'no' | 'unknown' | 'refused'
}

type Kind = readonly [code: RedisStoreError['code'], outage: boolean, done: Failure['done'], message: string]

const GONE: Kind = ['store_redis.unavailable', true, 'no', 'Redis does not serve at the moment']
const MOVING: Kind = ['store_redis.unavailable', false, 'no', 'the slot of a key is moving to another node']
const READ_ONLY: Kind = ['store_redis.read_only', false, 'refused', 'Redis takes no writes at the moment']

/** By the first word of an error that the server answered. */
const KINDS: Readonly<Record<string, Kind>> = {
  OOM: ['store_redis.full', false, 'refused', 'Redis has reached its maxmemory'],
  READONLY: READ_ONLY,
  // Fewer replicas than min-replicas-to-write; a snapshot or an append-only file that could not be written.
  NOREPLICAS: READ_ONLY,
  MISCONF: READ_ONLY,
  CLUSTERDOWN: GONE,
  MASTERDOWN: GONE,
  LOADING: GONE,
  BUSY: GONE,
  TRYAGAIN: MOVING,
  MOVED: MOVING,
  ASK: MOVING,
}
const LOST: Kind = ['store_redis.unavailable', true, 'unknown', 'the connection to Redis was lost']
const NOT_SENT: Kind = ['store_redis.unavailable', true, 'no', 'there is no connection to Redis']
const REFUSED: Kind = ['store_redis.failed', false, 'refused', 'Redis refused a command']

/** Reads the error that a client rejected a command with. What a reply says is an answer; anything else is a connection's end. */
export function failureOf(cause: unknown): Failure {
  const [code, outage, done, message] = kindOf(cause)
  return { error: new RedisStoreError(code, message, { cause: withoutCommand(cause), status: 503 }), outage, done }
}

/** ioredis hangs the command on its errors, ids and values included, and Redis quotes one that it does not know: no log should have them. */
function withoutCommand(cause: unknown): unknown {
  if (!(cause instanceof Error)) return undefined
  const bare = new Error(cause.message.replace(/,? with args beginning with:.*/s, ''))
  bare.name = cause.name
  return bare
}

/** A script that the server does not know: it was restarted, has failed over, or its scripts were flushed. */
export function isScriptUnknown(error: unknown): boolean {
  return textOf(error).startsWith('NOSCRIPT')
}

/**
 * An error that a script met, and gave as an answer: what a client would have made of it. Redis 6.2 says first where that was:
 * `@user_script: 3: -OOM …`.
 */
export function replyError(text: string): Error {
  const error = new Error(text.replace(/^@\S+ \d+: -?/, '').trim())
  error.name = 'ReplyError'
  return error
}

function kindOf(cause: unknown): Kind {
  const text = textOf(cause)
  // ioredis: the connection is not there, and no queue is kept for it.
  if (/enableOfflineQueue options is false/.test(text)) return NOT_SENT
  const last = /Too many Cluster redirections\. Last error: (?:ReplyError: )?(.*)/s.exec(text)?.[1]
  if (last === undefined && !(cause instanceof Error && cause.name === 'ReplyError')) return LOST
  return (last ?? text).includes('Connection is closed') ? LOST : (KINDS[wordOf(last ?? text)] ?? REFUSED)
}

/** Redis 6.2 wraps what a script ran into: `ERR Error running script (call to f_…): @user_script:3: @user_script: 3: -OOM …`. */
function wordOf(text: string): string {
  if (text.includes('non local key')) return 'TRYAGAIN'
  const inner = /^ERR .*script.*: -?([A-Z]{3,}) /.exec(text)?.[1]
  return inner ?? /^[A-Z]+/.exec(text)?.[0] ?? ''
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : ''
}
