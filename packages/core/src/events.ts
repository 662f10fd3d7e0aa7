import { type Channel, channel } from 'node:diagnostics_channel'
import { type Clock, systemClock } from './clock.ts'
import { correlationId } from './facts.ts'
import type { RequestView } from './view.ts'

/** The channel that carries every event of every package. */
export const EVENTS_CHANNEL = 'portcullis'

/** Something that happened, as subscribers get it. Never holds a secret. */
export interface SecurityEvent<Type extends string = string, Data extends object = object> {
  /** `package.what_happened`, for example `core.decision`. */
  readonly type: Type
  /** Milliseconds since the Unix epoch. */
  readonly time: number
  /** The same for all events of one request. */
  readonly correlationId: string | undefined
  /** The client's address, where a request is behind the event. */
  readonly ip: string | undefined
  readonly data: Data
}

/** What an event is published with: the request behind it, and the clock of whoever publishes. */
export interface EventContext {
  readonly request?: RequestView | undefined
  readonly clock?: Clock | undefined
}

/** One kind of event: declared once by the package it belongs to. */
export interface EventType<Type extends string, Data extends object> {
  readonly type: Type
  /** Whether publishing would reach anybody. Ask before building costly data. */
  readonly observed: boolean
  publish(data: Data, context?: EventContext): void
  /** Listens to this kind alone; returns how to stop. A listener that throws does not reach the request. */
  subscribe(listener: (event: SecurityEvent<Type, Data>) => void): () => void
}

/**
 * Declares a kind of event. It is published on `node:diagnostics_channel` twice: on `portcullis` with all the others, and on
 * `portcullis:<type>` by itself.
 */
export function defineEvent<const Type extends string, Data extends object>(type: Type): EventType<Type, Data> {
  const all = channel(EVENTS_CHANNEL)
  const own = channel(`${EVENTS_CHANNEL}:${type}`)
  return {
    type,
    get observed() {
      return all.hasSubscribers || own.hasSubscribers
    },
    publish(data, context = {}) {
      if (!all.hasSubscribers && !own.hasSubscribers) return
      const { request, clock = systemClock } = context
      const event: SecurityEvent<Type, Data> = Object.freeze({
        type,
        time: clock.now(),
        correlationId: request && correlationId(request),
        ip: request?.client.ip,
        data,
      })
      all.publish(event)
      own.publish(event)
    },
    subscribe: (listener) => listen(own, listener as (event: SecurityEvent) => void),
  }
}

/** Listens to every event of every package; returns how to stop. */
export function subscribe(listener: (event: SecurityEvent) => void): () => void {
  return listen(channel(EVENTS_CHANNEL), listener)
}

function listen(on: Channel, listener: (event: SecurityEvent) => void): () => void {
  // Node turns what a subscriber throws into an uncaught exception: a broken logger would end the process.
  const receive = (message: unknown): void => {
    try {
      listener(message as SecurityEvent)
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error), 'PortcullisListenerWarning')
    }
  }
  on.subscribe(receive)
  return () => {
    on.unsubscribe(receive)
  }
}
