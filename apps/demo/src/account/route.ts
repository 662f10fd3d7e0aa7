import type { EndpointRoute, Form, Reply, RequestView, RoutePolicy } from '@portcullis/core'
import type { Person } from './person.ts'

/** A page, or a form's end, for somebody who has signed in. There is no way past the door: who it is comes with the request. */
export interface AccountRoute extends Pick<EndpointRoute, 'path'> {
  readonly method: 'GET' | 'POST'
  /** That somebody has signed in, by default. */
  readonly policy?: RoutePolicy
  handle(req: RequestView, person: Person): Promise<Reply>
}

/** What a hidden field names. `undefined`: what was sent can be no id, and a store need not be asked. */
export function idIn(form: Form, field: string): string | undefined {
  const text = form[field]
  return text !== undefined && /^[\w-]{1,128}$/.test(text) ? text : undefined
}
