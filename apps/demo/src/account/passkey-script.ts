import type { Reply } from '@portcullis/core'

/** Where the page's script is, beside the module of `@portcullis/mfa/browser` that it imports from `/passkeys.js`. */
export const passkeyScriptPath = '/account/passkeys.js'

// A redirect means that the session has not proven enough, or is over: the person goes there, and presses the button once more.
const source = `import { registerPasskey } from '/passkeys.js'

const form = document.getElementById('add-passkey')
const alarm = document.getElementById('passkey-alarm')
const words = {
  unsupported: 'This browser has no passkeys.',
  not_allowed: 'Nothing was added: it was declined, or took too long.',
  already_registered: 'This device has a passkey for your account already.',
  unable: 'This device can’t make a passkey.',
}

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  alarm.hidden = true
  try {
    const answer = await fetch('/account/passkeys/options', { method: 'POST', redirect: 'manual' })
    if (answer.type === 'opaqueredirect') return location.assign('/sign-in?return=/account&again=1')
    if (!answer.ok) throw new Error('refused')
    form.elements.namedItem('response').value = JSON.stringify(await registerPasskey(await answer.json()))
    form.submit()
  } catch (error) {
    alarm.textContent = words[error.code] ?? 'This did not work. Try again.'
    alarm.hidden = false
  }
})
`

/** The script of the account's page. */
export const passkeyScript: Reply = {
  status: 200,
  headers: [
    ['Content-Type', 'text/javascript; charset=utf-8'],
    ['Cache-Control', 'no-cache'],
    ['X-Content-Type-Options', 'nosniff'],
  ],
  body: source,
}
