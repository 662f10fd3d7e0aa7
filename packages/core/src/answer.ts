import type { Endpoint, Reply } from './decision.ts'
import { PortcullisError } from './errors.ts'
import { defineEvent, type EventType } from './events.ts'
import { problem } from './problem.ts'
import type { RequestView } from './view.ts'

/** Data of `core.endpoint_failed`. */
export interface EndpointFailedEvent {
  readonly route: string | undefined
  readonly error: string
  readonly code: string | undefined
}

/** An endpoint threw, and the client got a 500. */
export const endpointFailedEvent: EventType<'core.endpoint_failed', EndpointFailedEvent> = defineEvent('core.endpoint_failed')

/** Asks an endpoint. What the client did wrong is answered with its status; anything else with 500 and an event. Never rejects. */
export async function answer(request: RequestView, endpoint: Endpoint): Promise<Reply> {
  try {
    return await endpoint(request)
  } catch (error) {
    const known = error instanceof PortcullisError ? error : undefined
    if (known !== undefined && known.status < 500) return problem({ status: known.status })
    endpointFailedEvent.publish(
      { route: request.route?.pattern, error: error instanceof Error ? error.name : typeof error, code: known?.code },
      { request },
    )
    return problem({ status: known?.status ?? 500 })
  }
}
