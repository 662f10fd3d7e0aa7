import type { OutgoingMessage } from 'node:http'
import type { HeaderList } from './decision.ts'
import { mergeHeaders } from './headers.ts'
import type { NodeView } from './node-view.ts'

/** The response headers of a framework. */
export interface HeaderPort {
  get(name: string): number | string | readonly string[] | undefined
  /** Replaces. */
  set(name: string, value: string | string[]): void
}

/** The headers of Node's own response. */
export function nodeHeaderPort(res: OutgoingMessage): HeaderPort {
  return { get: (name) => res.getHeader(name), set: (name, value) => void res.setHeader(name, value) }
}

/**
 * Puts what guards and endpoints say on the answer. What the application has set before stays only where lines add up:
 * `Set-Cookie` and `Vary`.
 */
export function putHeaders(view: NodeView, lists: readonly HeaderList[], port: HeaderPort): void {
  for (const list of lists) {
    mergeHeaders(view.merged, list)
    for (const [name, value] of list) {
      const key = name.toLowerCase()
      if (key === 'set-cookie' || key === 'vary') port.set(name, [...linesOf(port.get(name)), value])
      else port.set(name, view.merged.get(key)?.value ?? value)
    }
  }
}

function linesOf(value: number | string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return []
  return Array.isArray(value) ? (value as readonly string[]) : [String(value)]
}
