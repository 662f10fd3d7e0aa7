import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type EndpointRoute, open } from '@portcullis/core'

/** Where Ledger serves {@link passkeyModuleEndpoint}. */
export const passkeyModule = '/passkeys.js'

/** The module of `@portcullis/mfa/browser`, as it lies in the package. */
export async function passkeyModuleEndpoint(): Promise<EndpointRoute> {
  const body = await readFile(fileURLToPath(import.meta.resolve('@portcullis/mfa/browser')), 'utf8')
  return {
    method: 'GET',
    path: passkeyModule,
    policy: open('a script of the sign-in pages'),
    endpoint: async () => ({
      status: 200,
      headers: [
        ['Content-Type', 'text/javascript; charset=utf-8'],
        ['Cache-Control', 'no-cache'],
      ],
      body,
    }),
  }
}
