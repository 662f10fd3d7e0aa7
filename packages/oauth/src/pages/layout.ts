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
  /** Room for more than a form. */
  readonly wide?: boolean
  readonly headers?: HeaderList
}

/** A page as a reply: never cached, never framed, without scripts, and with no form that leads elsewhere than it must. */
export function page({ status = 200, brand, title, body, formAction, wide = false, headers = [] }: Page): Reply {
  const markup = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} · ${brand}</title>
<style>${Html.written(STYLE)}</style>
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
  return { status, headers: [...pageHeaders(formAction), ...headers], body: markup.toString() }
}

function pageHeaders(formAction: string | undefined): HeaderList {
  const policy = [
    "default-src 'none'",
    `style-src ${STYLE_SOURCE}`,
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
