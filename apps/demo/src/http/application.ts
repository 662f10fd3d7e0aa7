import type { RequestListener } from 'node:http'
import type { EndpointRoute, RouteInfo } from '@portcullis/core'
import type { EntranceOptions } from '@portcullis/core/node'
import type { ApiRoute } from '../api.ts'

/** Ledger, before a framework has it. */
export interface Application {
  readonly entrance: EntranceOptions
  readonly api: readonly ApiRoute[]
  readonly endpoints: readonly EndpointRoute[]
}

/** Ledger on a framework: every route declares its policy, or there is none of this. */
export interface Assembled {
  readonly listener: RequestListener
  readonly routes: readonly RouteInfo[]
  close(): Promise<void>
}
