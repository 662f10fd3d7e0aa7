import { Session } from 'node:inspector'
import { fileURLToPath } from 'node:url'

/**
 * Where functions are defined, as `file:line`, by asking the engine. Meant for start-up errors: it is slow.
 * An entry is `undefined` where the engine does not say, and all are when a debugger can't be attached.
 */
export function locate(functions: readonly unknown[]): readonly (string | undefined)[] {
  const session = new Session()
  const key = '__portcullis_locate__'
  const scripts = new Map<string, string>()
  const global = globalThis as unknown as Record<string, unknown>
  try {
    session.connect()
    session.on('Debugger.scriptParsed', ({ params }) => scripts.set(params.scriptId, params.url))
    session.post('Debugger.enable')
    global[key] = functions
    return functions.map((_, at) => locateOne(session, `${key}[${at}]`, scripts))
  } catch {
    return functions.map(() => undefined)
  } finally {
    delete global[key]
    session.disconnect()
  }
}

interface InternalProperty {
  readonly name: string
  readonly value?: { readonly value?: { readonly scriptId: string; readonly lineNumber: number } }
}

function locateOne(session: Session, expression: string, scripts: ReadonlyMap<string, string>): string | undefined {
  let found: string | undefined
  // `post` answers before it returns when the session is connected to its own thread.
  session.post('Runtime.evaluate', { expression }, (_error, evaluated) => {
    const objectId = evaluated?.result?.objectId
    if (objectId === undefined) return
    session.post('Runtime.getProperties', { objectId, ownProperties: true }, (_failed, properties) => {
      const internal = (properties?.internalProperties ?? []) as readonly InternalProperty[]
      const location = internal.find(({ name }) => name === '[[FunctionLocation]]')?.value?.value
      const url = location && scripts.get(location.scriptId)
      if (location && url) found = `${url.startsWith('file:') ? fileURLToPath(url) : url}:${location.lineNumber + 1}`
    })
  })
  return found
}
