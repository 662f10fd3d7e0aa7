import type { HeaderList } from './decision.ts'
import { mergeHeaders } from './headers.ts'
import type { NodeView } from './node-view.ts'

/** How an adapter reaches the response of its framework. One for each adapter; `C` is whatever carries that response. */
export interface ResponsePort<C> {
  get(carrier: C, name: string): number | string | readonly string[] | undefined
  /** Replaces. */
  set(carrier: C, name: string, value: string | string[]): void
  /** Answers, with the headers that are set. */
  send(carrier: C, status: number, body: Buffer | undefined): void
}

/**
 * Puts what guards and endpoints say on the answer. What the application has set before stays only where lines add up:
 * `Set-Cookie` and `Vary`.
 */
export function putHeaders<C>(view: NodeView, lists: readonly HeaderList[], port: ResponsePort<C>, carrier: C): void {
  for (const list of lists) {
    mergeHeaders(view.merged, list)
    for (const [name, value] of list) {
      const key = name.toLowerCase()
      if (key === 'set-cookie') port.set(carrier, name, [...linesOf(port.get(carrier, name)), value])
      else if (key === 'vary') port.set(carrier, name, [...linesOf(port.get(carrier, name)), value].join(', '))
      else port.set(carrier, name, view.merged.get(key)?.value ?? value)
    }
  }
}

function linesOf(value: number | string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return []
  return Array.isArray(value) ? (value as readonly string[]) : [String(value)]
}
