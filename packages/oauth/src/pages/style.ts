import { createHash } from 'node:crypto'

/** The style of every page; in the page itself, so that it needs no other request, and named by its hash in the policy. */
export const STYLE = `
:root{color-scheme:light dark;--ink:#1b1f24;--quiet:#57606a;--paper:#fff;--ground:#f3f4f6;--line:#8c959f;--strong:#0b57d0;--on:#fff;--alarm:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--quiet:#a3abb5;--paper:#1d2127;--ground:#121519;--line:#6e7781;--strong:#a8c7fa;--on:#062e6f;--alarm:#f2b8b5}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:26rem;padding:2rem;background:var(--paper);border-radius:.75rem;box-shadow:0 1px 4px rgb(0 0 0/.2)}
main.wide{max-width:48rem}
h1{margin:0 0 1rem;font-size:1.375rem;line-height:1.3}
.brand{margin:0 0 .25rem;color:var(--quiet)}
label{display:block;margin:1rem 0 .25rem;font-weight:600}
input{width:100%;padding:.625rem .75rem;border:1px solid var(--line);border-radius:.375rem;background:var(--paper);color:inherit;font:inherit}
button{width:100%;margin-top:1rem;padding:.6875rem;border:1px solid var(--strong);border-radius:.375rem;background:var(--strong);color:var(--on);font:inherit;font-weight:600;cursor:pointer}
button.quiet{background:transparent;color:var(--strong)}
a{color:var(--strong)}
:focus-visible{outline:3px solid var(--strong);outline-offset:2px}
.alarm{padding:.625rem .75rem;border-left:4px solid var(--alarm);color:var(--alarm)}
.quiet-text{color:var(--quiet);overflow-wrap:anywhere}
h2{margin:1.5rem 0 .5rem;font-size:1.125rem}
pre{overflow-x:auto;padding:.75rem;border-radius:.375rem;background:var(--ground);font-size:.875rem;line-height:1.45}
code{overflow-wrap:anywhere}
ul{padding-left:1.25rem}
`

/** For `style-src`. */
export const STYLE_SOURCE: string = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`
