import type { Reply } from '@portcullis/core'
import { type Html, html } from './html.ts'
import { type Page, page } from './layout.ts'

/** What every form of an interaction has. */
export interface FormPage {
  readonly brand: string
  /** Where the form goes: a path. */
  readonly action: string
  readonly interaction: string
  readonly formToken: string
  /** See {@link Page.formAction}. */
  readonly formAction: string
}

/** What went wrong with the attempt before. */
export type Notice = { readonly type: 'refused' } | { readonly type: 'limited'; readonly retryAfter: number }

/** The sign-in page. @param options.username what the field begins with */
export function signInPage(
  form: FormPage & { readonly client: string; readonly username: string; readonly notice?: Notice },
): Reply {
  // The same words whether the user exists or not.
  const refusal = 'The user name or the password is not right.'
  return formPage(
    form,
    'Sign in',
    form.notice,
    refusal,
    html`<p>to continue to <strong>${form.client}</strong></p>`,
    html`<label for="username">User name</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="256" required value="${form.username}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="1024" required>
<button type="submit">Sign in</button>`,
  )
}

/** The page that asks for a one-time code. */
export function secondFactorPage(form: FormPage & { readonly notice?: Notice }): Reply {
  return formPage(
    form,
    'Second factor',
    form.notice,
    'The code is not right, or was used before.',
    html`<p>Enter the code that your authenticator shows.</p>`,
    html`<label for="code">Code</label>
<input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="64" required>
<button type="submit">Continue</button>`,
  )
}

/** The consent page: who asks, for what, in whose name, and where the answer goes (ASVS 10.7.2). */
export function consentPage(
  form: FormPage & {
    readonly client: string
    readonly words: readonly string[]
    readonly signedInAs: string
    readonly redirectHost: string
    readonly switchUrl: string
  },
): Reply {
  return formPage(
    form,
    `Allow ${form.client}?`,
    undefined,
    '',
    html`<p><strong>${form.client}</strong> asks to:</p>
<ul>
${form.words.map((words) => html`<li>${words}</li>\n`)}</ul>
<p class="quiet-text">You are signed in as <strong>${form.signedInAs}</strong>. <a href="${form.switchUrl}">Use another account</a></p>
<p class="quiet-text">The answer goes to <strong>${form.redirectHost}</strong>.</p>`,
    html`<button type="submit" name="decision" value="approve">Allow</button>
<button type="submit" name="decision" value="deny" class="quiet">Deny</button>`,
  )
}

/** Asks before a browser is signed out: a link from anywhere must not be enough (ASVS 10.6.2). */
export function signOutPage(
  form: Omit<FormPage, 'interaction' | 'formAction'> & {
    readonly formAction?: string | undefined
    readonly request: string
    readonly signedInAs: string
  },
): Reply {
  const body = html`<p>You are signed in as <strong>${form.signedInAs}</strong>.</p>
<form method="post" action="${form.action}">
<input type="hidden" name="request" value="${form.request}">
<input type="hidden" name="form_token" value="${form.formToken}">
<button type="submit">Sign out</button>
</form>`
  return page({
    brand: form.brand,
    title: 'Sign out?',
    body,
    ...(form.formAction !== undefined && { formAction: form.formAction }),
  })
}

function formPage(form: FormPage, title: string, notice: Notice | undefined, refusal: string, before: Html, fields: Html): Reply {
  const body = html`${noticeOf(notice, refusal)}${before}
<form method="post" action="${form.action}">
<input type="hidden" name="interaction" value="${form.interaction}">
<input type="hidden" name="form_token" value="${form.formToken}">
${fields}
</form>`
  return page({ brand: form.brand, title, body, formAction: form.formAction, ...statusOf(notice) })
}

function noticeOf(notice: Notice | undefined, refusal: string): Html | undefined {
  if (notice === undefined) return undefined
  const words = notice.type === 'refused' ? refusal : `Too many attempts. Try again in ${waitOf(notice.retryAfter)}.`
  return html`<p class="alarm" role="alert">${words}</p>`
}

function statusOf(notice: Notice | undefined): Partial<Page> {
  if (notice === undefined) return {}
  if (notice.type === 'refused') return { status: 422 }
  return { status: 429, headers: [['Retry-After', String(Math.max(1, Math.ceil(notice.retryAfter)))]] }
}

function waitOf(retryAfter: number): string {
  const minutes = Math.max(1, Math.ceil(retryAfter / 60))
  return minutes === 1 ? 'a minute' : `${minutes} minutes`
}
