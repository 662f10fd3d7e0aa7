import type { Reply, RequestView } from '@portcullis/core'
import { html } from '@portcullis/oauth/pages'
import { accountPage } from './page.ts'
import type { AccountParts } from './parts.ts'
import { passkeyScriptPath } from './passkey-script.ts'
import { passkeySection } from './passkeys.ts'
import { passwordSection } from './password.ts'
import type { Door, Person } from './person.ts'
import { recoverySection } from './recovery.ts'
import type { AccountRoute } from './route.ts'
import { sessionSection } from './sessions.ts'
import { totpSection } from './totp.ts'

/** The page that everything begins from. */
export function overviewRoute({ factors, sessions }: AccountParts, door: Door): AccountRoute {
  async function overview(_req: RequestView, person: Person): Promise<Reply> {
    const { account, session, enrolled } = person
    const [passkeys, codes, all] = await Promise.all([
      factors.passkeys.list(account.id),
      factors.recovery.status(account.id),
      sessions.list(account.id),
    ])
    return accountPage({
      title: account.name,
      ...(factors.passkeysWork && { script: { module: passkeyScriptPath } }),
      body: html`<p>${account.email}, ${account.role} at ${account.tenant}</p>
${account.role === 'owner' && html`<p><a href="/account/people">People of your company</a></p>`}
${passkeySection(passkeys, factors.passkeysWork)}
${totpSection(enrolled.some(({ method }) => method === 'totp'))}
${recoverySection(codes, enrolled)}
${passwordSection(account.email)}
${sessionSection(all, session.handle, door.isFresh(person))}
<p><a href="/">To the first page</a></p>`,
    })
  }
  return { method: 'GET', path: '/account', handle: overview }
}
