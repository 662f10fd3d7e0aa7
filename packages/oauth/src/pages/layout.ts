import { randomBytes } from 'node:crypto'
import type { HeaderList, Reply } from '@portcullis/core'
import { Html, html } from './html.ts'
import { STYLE, STYLE_SOURCE } from './style.ts'

/** A page, before it is a reply. */
export interface Page {
  /** 200 by default. */
  readonly status?: number
  readonly brand: string
  readonly title: string
  readonly body: Html
  /** Sources besides `'self'` that the page's form may end at: where a redirect after the POST leads. */
  readonly formAction?: string
  /**
   * A module script, by its path on this host. It may import others of this host and ask this host; the page allows it, and them, by
   * a nonce, and no other script whatever somebody manages to write into the page.
   */
  readonly script?: { readonly module: string }
  /** Room for more than a form. */
  readonly wide?: boolean
  readonly headers?: HeaderList
}

/** A page as a reply: never cached, never framed, with no script but the named one, and no form that leads elsewhere than it must. */
export function page({ status = 200, brand, title, body, formAction, script, wide = false, headers = [] }: Page): Reply {
  const nonce = script && randomBytes(16).toString('base64')
  const markup = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} · ${brand}</title>
<style>${Html.written(STYLE)}</style>
${script !== undefined && html`<script type="module" src="${script.module}" nonce="${nonce}"></script>`}
</head>
<body>
<main${wide && html` class="wide"`}>
<p class="brand">${brand}</p>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`
  return { status, headers: [...pageHeaders(formAction, nonce), ...headers], body: markup.toString() }
}

function pageHeaders(formAction: string | undefined, nonce: string | undefined): HeaderList {
  const policy = [
    "default-src 'none'",
    `style-src ${STYLE_SOURCE}`,
    // CSP Level 3 §8.1: what a module imports has its nonce.
    ...(nonce === undefined ? [] : [`script-src 'nonce-${nonce}'`, "connect-src 'self'"]),
    `form-action 'self'${formAction === undefined ? '' : ` ${formAction}`}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ]
  return [
    ['Content-Type', 'text/html; charset=utf-8'],
    ['Content-Security-Policy', policy.join('; ')],
    ['Cache-Control', 'no-store'],
    ['X-Frame-Options', 'DENY'],
    ['X-Content-Type-Options', 'nosniff'],
    // Not `no-referrer`: with it, browsers send `Origin: null` with our own forms, and cross-origin protection would refuse them.
    ['Referrer-Policy', 'same-origin'],
  ]
}
