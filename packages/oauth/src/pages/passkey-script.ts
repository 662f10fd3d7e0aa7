/**
 * The script behind the button of a page that offers passkeys: asks for options, hands them to the browser, and submits the answer as
 * a form, so that what follows is a page like any other.
 * @param module path of a module with `passkeySupport` and `signInWithPasskey`
 */
export function passkeyScript(module: string): string {
  return `import { passkeySupport, signInWithPasskey } from ${JSON.stringify(module)}

const form = document.getElementById('passkey')
const button = form.querySelector('button')
const alarm = form.querySelector('[role="alert"]')

async function answer() {
  const reply = await fetch(form.dataset.options, { method: 'POST', body: new URLSearchParams(new FormData(form)) })
  if (!reply.ok) throw new Error(String(reply.status))
  return signInWithPasskey(await reply.json())
}

button.addEventListener('click', async () => {
  button.disabled = true
  alarm.hidden = true
  try {
    form.elements.response.value = JSON.stringify(await answer())
    form.submit()
  } catch {
    alarm.hidden = false
    button.disabled = false
  }
})

if ((await passkeySupport()).passkeys) form.hidden = false
`
}
