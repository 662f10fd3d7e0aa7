import type { Reply } from '@portcullis/core'
import { html } from './html.ts'
import { page } from './layout.ts'

/**
 * The page for what can't be answered to the client: its redirect URI is not known to be its own.
 * @param message.code the protocol's error, for the client's developer
 */
export function errorPage(message: {
  readonly brand: string
  readonly words: string
  readonly code?: string
  readonly status?: number
}): Reply {
  const body = html`<p>${message.words}</p>
<p>Go back to the application and begin again.</p>
${message.code !== undefined && html`<p class="quiet-text">Error: <code>${message.code}</code></p>`}`
  return page({ status: message.status ?? 400, brand: message.brand, title: 'This did not work', body })
}

/** What is left to say after signing out, where no application waits. */
export function signedOutPage(brand: string): Reply {
  return page({ brand, title: 'You are signed out', body: html`<p>You can close this page.</p>` })
}
