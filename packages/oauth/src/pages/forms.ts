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

/** What a page needs to offer passkeys. The form is hidden until a script has found that the browser can use them. */
export interface PasskeyForm {
  /** Which question the passkey answers. */
  readonly step: 'sign_in' | 'second_factor'
  /** Paths: where the answer goes, where the options come from, and the script. */
  readonly action: string
  readonly options: string
  readonly script: string
}

/** What went wrong with the attempt before. */
export type Notice = { readonly type: 'refused' } | { readonly type: 'limited'; readonly retryAfter: number }

/** The sign-in page. @param form.username what the field begins with */
export function signInPage(
  form: FormPage & {
    readonly client: string
    readonly username: string
    readonly resetPath: string | undefined
    readonly passkey?: PasskeyForm
    readonly notice?: Notice
  },
): Reply {
  return formPage(form, {
    title: 'Sign in',
    // The same words whether the user exists or not.
    refusal: 'The user name, the password or the passkey is not right.',
    before: html`<p>to continue to <strong>${form.client}</strong></p>`,
    fields: html`<label for="username">User name</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="256" required value="${form.username}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="1024" required>
<button type="submit">Sign in</button>`,
    after:
      form.resetPath !== undefined && html`<p class="quiet-text"><a href="${form.resetPath}">The password is forgotten</a></p>`,
    passkeyWords: 'Sign in with a passkey',
  })
}

/**
 * The page that asks for a second factor.
 * @param form.code which sort of code is asked for; `false`: a passkey alone will do
 * @param form.otherUrl the same page for the other sort
 */
export function secondFactorPage(
  form: FormPage & {
    readonly code: 'authenticator' | 'recovery' | false
    readonly otherUrl?: string
    readonly passkey?: PasskeyForm
    readonly notice?: Notice
  },
): Reply {
  const onPaper = form.code === 'recovery'
  const words = onPaper ? 'Enter one of the recovery codes that you have kept.' : 'Enter the code that your authenticator shows.'
  return formPage(form, {
    title: 'Second factor',
    refusal: 'This is not right, or was used before.',
    before: html`<p>${form.code === false ? 'Use your passkey. It needs JavaScript.' : words}</p>`,
    fields:
      form.code !== false &&
      html`<label for="code">${onPaper ? 'Recovery code' : 'Code'}</label>
<input id="code" name="code"${!onPaper && html` inputmode="numeric"`} autocomplete="one-time-code" autocapitalize="none" spellcheck="false" maxlength="64" required>
<button type="submit">Continue</button>`,
    after:
      form.otherUrl !== undefined &&
      html`<p class="quiet-text"><a href="${form.otherUrl}">${onPaper ? 'Not a recovery code' : 'Use a recovery code'}</a></p>`,
    passkeyWords: 'Use a passkey',
  })
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
  return formPage(form, {
    title: `Allow ${form.client}?`,
    before: html`<p><strong>${form.client}</strong> asks to:</p>
<ul>
${form.words.map((words) => html`<li>${words}</li>\n`)}</ul>
<p class="quiet-text">You are signed in as <strong>${form.signedInAs}</strong>. <a href="${form.switchUrl}">Use another account</a></p>
<p class="quiet-text">The answer goes to <strong>${form.redirectHost}</strong>.</p>`,
    fields: html`<button type="submit" name="decision" value="approve">Allow</button>
<button type="submit" name="decision" value="deny" class="quiet">Deny</button>`,
  })
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

interface FormParts {
  readonly title: string
  /** What is said where the attempt before was refused. */
  readonly refusal?: string
  readonly before: Html
  /** `false`: there is no form but the passkey's. */
  readonly fields: Html | false
  readonly after?: Html | false
  readonly passkeyWords?: string
}

function formPage(form: FormPage & { readonly passkey?: PasskeyForm; readonly notice?: Notice }, parts: FormParts): Reply {
  const { title, refusal = '', before, fields, after, passkeyWords = '' } = parts
  const hidden = html`<input type="hidden" name="interaction" value="${form.interaction}">
<input type="hidden" name="form_token" value="${form.formToken}">`
  const { notice, passkey } = form
  const body = html`${noticeOf(notice, refusal)}${before}
${
  fields !== false &&
  html`<form method="post" action="${form.action}">
${hidden}
${fields}
</form>`
}${
  // The script presses its button, so that the page has one button to submit; and it comes second, for whoever fills in the first form.
  passkey !== undefined &&
  html`
<form method="post" action="${passkey.action}" id="passkey" data-options="${passkey.options}" hidden>
${hidden}
<input type="hidden" name="step" value="${passkey.step}">
<input type="hidden" name="response" value="">
<button type="button" class="quiet">${passkeyWords}</button>
<p class="alarm" role="alert" hidden>This did not work. Try once more, or another way.</p>
</form>`
}${after}`
  return page({
    brand: form.brand,
    title,
    body,
    formAction: form.formAction,
    ...(passkey !== undefined && { script: { module: passkey.script } }),
    ...statusOf(notice),
  })
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
