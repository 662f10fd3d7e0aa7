import type { HeaderList, Reply } from '@portcullis/core'
import { type Html, html, page } from '@portcullis/oauth/pages'

/** A page of the account. */
export interface AccountPage {
  readonly title: string
  readonly body: Html
  /** 200 by default. */
  readonly status?: number
  readonly headers?: HeaderList
  /** See `script` of `page`. */
  readonly script?: { readonly module: string }
}

/** A page in Ledger's frame: never cached, like all of them. */
export function accountPage(content: AccountPage): Reply {
  return page({ brand: 'Ledger', wide: true, ...content })
}

/** What was done, or why it was not, and the way back. */
export function messagePage({ body, ...content }: AccountPage): Reply {
  return accountPage({ ...content, body: html`${body}\n<p><a href="/account">Back to your account</a></p>` })
}

/** What was wrong with a form, above it. */
export function alarm(words: readonly string[]): Html {
  return html`${words.map((line) => html`<p class="alarm" role="alert">${line}</p>\n`)}`
}

/** Nothing was checked: there were too many attempts, or too much is going on. @param retryAfter seconds */
export function laterPage(status: 429 | 503, retryAfter: number): Reply {
  const seconds = String(Math.max(1, Math.ceil(retryAfter)))
  const why = status === 429 ? 'There were too many attempts.' : 'There is too much going on at the moment.'
  return messagePage({
    status,
    title: 'Try again later',
    headers: [['Retry-After', seconds]],
    body: html`<p>${why} Try again in ${seconds} seconds.</p>`,
  })
}

/** To somewhere else on this host, after a form. */
export function seeOther(path: string, headers: HeaderList = []): Reply {
  return { status: 303, headers: [['Location', path], ['Cache-Control', 'no-store'], ...headers] }
}

/** A moment, to the minute. @param time milliseconds since the epoch */
export function moment(time: number): Html {
  const text = new Date(time).toISOString()
  return html`<time datetime="${text}">${text.slice(0, 16).replace('T', ' ')} UTC</time>`
}
