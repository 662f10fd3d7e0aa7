import { defineEvent, type EventType } from '@portcullis/core'

/** What a {@link plaintextRefused} event says. */
export interface PlaintextRefusedData {
  readonly method: string
  /** What the request called this server. */
  readonly host: string
  /** Whether it carried an `Authorization` or a `Cookie` header: that credential went over the wire in clear. */
  readonly credentialExposed: boolean
}

/** A request came over plain HTTP and was refused. */
export const plaintextRefused: EventType<'transport.plaintext_refused', PlaintextRefusedData> =
  defineEvent('transport.plaintext_refused')

/** What a {@link crossOriginRefused} event says. The texts are the client's own, cut at 256 characters. */
export interface CrossOriginRefusedData {
  readonly method: string
  /** What the request called this server. */
  readonly host: string
  readonly origin: string | undefined
  readonly fetchSite: string | undefined
}

/** A browser's request that another origin caused was refused. */
export const crossOriginRefused: EventType<'transport.cross_origin_refused', CrossOriginRefusedData> =
  defineEvent('transport.cross_origin_refused')
