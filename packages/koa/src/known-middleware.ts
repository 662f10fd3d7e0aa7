import Router from '@koa/router'
import { closureOf } from '@portcullis/core/node'
import Koa from 'koa'

// Middleware that others have put together keeps its parts in a closure. A function is taken for what it looks like only when its
// source is the very source of that library's: one that answers by itself besides is none of these, and stays opaque.
const sourceOf = (known: unknown): string => Function.prototype.toString.call(known)

const allowedMethods = sourceOf(new Router().allowedMethods())
// Koa keeps the koa-compose it was made with; its types don't say so.
const composed = sourceOf((new Koa() as unknown as { compose(middleware: []): unknown }).compose([]))
/** koa-mount 4, less its white space and what it says for debugging. */
const mounted =
  'async function (ctx, upstream) { const prev = ctx.path const newPath = match(prev) if (!newPath) return await upstream() ' +
  'ctx.mountPath = prefix ctx.path = newPath try { await downstream(ctx, async () => { ctx.path = prev await upstream() ' +
  'ctx.path = newPath }) } finally { ctx.path = prev } }'

/** Whether something is what `router.allowedMethods()` gives: it answers with a list of methods, and with nothing else. */
export function isAllowedMethods(middleware: unknown): boolean {
  return typeof middleware === 'function' && sourceOf(middleware) === allowedMethods
}

/** Middleware that stands in another one, and where. */
export interface Mounted {
  /** Empty: nowhere else. */
  readonly prefix: string
  readonly middleware: readonly unknown[]
}

/** What koa-compose or koa-mount has put together; `undefined` for anything else, and where the engine does not say. */
export function mountedIn(outer: unknown): Mounted | undefined {
  if (typeof outer !== 'function') return undefined
  const source = sourceOf(outer)
  if (source === composed) {
    const { middleware } = closureOf(outer, ['middleware'])
    return Array.isArray(middleware) ? { prefix: '', middleware } : undefined
  }
  if (!source.includes('ctx.mountPath') || bare(source) !== mounted) return undefined
  const { prefix, downstream } = closureOf(outer, ['prefix', 'downstream'])
  if (typeof prefix !== 'string' || downstream === undefined) return undefined
  return { prefix: prefix.replace(/\/$/, ''), middleware: [downstream] }
}

function bare(source: string): string {
  return source
    .replace(/^\s*debug\(.*\)$/gm, '')
    .replace(/\s+/g, ' ')
    .trim()
}

/** The functions that a handler consists of: several, where koa-compose has put them together. */
export function stepsOf(handler: unknown): readonly unknown[] {
  const inside = mountedIn(handler)
  return inside?.prefix === '' ? inside.middleware.flatMap(stepsOf) : [handler]
}
