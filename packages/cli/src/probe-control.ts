import { randomBytes } from 'node:crypto'
import type { MatrixRow } from '@portcullis/rbac'
import { CliError } from './errors.ts'
import { isSuccess, type ProbeClient, type ProbeResponse } from './probe-client.ts'

/**
 * What an application answers to a path that it cannot have, and on its front page: a page for every path (a single-page application) is
 * no finding.
 */
export class Control {
  readonly #bodies: ReadonlySet<string>
  readonly #answersHead: boolean

  private constructor(bodies: ReadonlySet<string>, answersHead: boolean) {
    this.#bodies = bodies
    this.#answersHead = answersHead
  }

  /** @throws CliError `cli.target_invalid` when nobody is there */
  static async measure(client: ProbeClient, rows: readonly MatrixRow[]): Promise<Control> {
    const nowhere = `/${randomBytes(12).toString('hex')}`
    const isGuarded = rows.some(({ pattern, clients }) => pattern === '/' && clients !== 'open')
    const pages = await Promise.all(
      [nowhere, ...(isGuarded ? [] : ['/'])].map((target) => client.send({ method: 'GET', target })),
    )
    if (pages.some(({ type }) => type === 'closed')) {
      throw new CliError('cli.target_invalid', `nobody answers at ${client.host}`)
    }
    const head = await client.send({ method: 'HEAD', target: nowhere })
    return new Control(new Set(pages.filter(isSuccess).map(({ body }) => body)), isSuccess(head))
  }

  isSame(method: string, response: Extract<ProbeResponse, { type: 'answer' }>): boolean {
    return method === 'HEAD' ? this.#answersHead : this.#bodies.has(response.body)
  }
}
