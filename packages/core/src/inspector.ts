import { Session } from 'node:inspector'

/** A property that the engine keeps for itself, such as `[[Scopes]]`. */
export interface Internal {
  readonly name: string
  readonly value?: {
    readonly objectId?: string
    readonly value?: { readonly scriptId: string; readonly lineNumber: number }
  }
}

/** A property as the engine describes it. */
export interface Described {
  readonly name: string
  readonly value?: { readonly type: string; readonly objectId?: string; readonly value?: unknown; readonly description?: string }
}

/** What may be asked of the engine about values of this process. */
export interface Engine {
  /** URLs of the scripts that were loaded, by their ids. */
  readonly scripts: ReadonlyMap<string, string>
  /** The engine's handle of the subject at an index. */
  handleOf(at: number): string | undefined
  /** What stands in an object, and what the engine keeps beside it. */
  propertiesOf(handle: string): { readonly own: readonly Described[]; readonly internal: readonly Internal[] }
  /** The value behind a handle: an object or a function. */
  valueOf(handle: string): unknown
}

const KEY = '__portcullis_inspected__'

/**
 * Asks the engine about values of this process, on its own thread and before this returns. Meant for start-up: it is slow.
 * `undefined` when the engine lets nobody ask.
 */
export function inspect<T>(subjects: readonly unknown[], scriptsToo: boolean, ask: (engine: Engine) => T): T | undefined {
  const session = new Session()
  const scripts = new Map<string, string>()
  const shared: { readonly subjects: readonly unknown[]; found?: unknown } = { subjects }
  const global = globalThis as unknown as Record<string, unknown>
  try {
    session.connect()
    if (scriptsToo) {
      session.on('Debugger.scriptParsed', ({ params }) => scripts.set(params.scriptId, params.url))
      session.post('Debugger.enable')
    }
    global[KEY] = shared
    return ask(engineOf(session, scripts, shared))
  } catch {
    return undefined
  } finally {
    delete global[KEY]
    session.disconnect()
  }
}

// `post` answers before it returns when the session is connected to its own thread.
function engineOf(session: Session, scripts: ReadonlyMap<string, string>, shared: { found?: unknown }): Engine {
  return {
    scripts,
    handleOf(at) {
      let handle: string | undefined
      session.post('Runtime.evaluate', { expression: `${KEY}.subjects[${at}]` }, (_failed, evaluated) => {
        handle = evaluated?.result?.objectId
      })
      return handle
    },
    propertiesOf(handle) {
      let own: readonly Described[] = []
      let internal: readonly Internal[] = []
      session.post('Runtime.getProperties', { objectId: handle, ownProperties: true }, (_failed, properties) => {
        own = (properties?.result ?? []) as readonly Described[]
        internal = (properties?.internalProperties ?? []) as readonly Internal[]
      })
      return { own, internal }
    },
    valueOf(handle) {
      shared.found = undefined
      const functionDeclaration = `function () { ${KEY}.found = this }`
      session.post('Runtime.callFunctionOn', { objectId: handle, functionDeclaration })
      return shared.found
    },
  }
}
