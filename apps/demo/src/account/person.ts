import { epochSeconds, type Guard, type Refusal, type Reply, type RequestView } from '@portcullis/core'
import type { AssuranceDecision, Factor, FactorChange, Proof, Requirement } from '@portcullis/mfa'
import type { SignIn } from '@portcullis/oauth'
import { html } from '@portcullis/oauth/pages'
import type { Session } from '@portcullis/sessions'
import type { Account } from '../accounts.ts'
import { type AccountPage, messagePage, seeOther } from './page.ts'
import type { AccountParts } from './parts.ts'

/** Somebody who has signed in, as well as the account can be asked for. */
export interface Person {
  readonly account: Account
  readonly session: Session<SignIn>
  /** What the session has proven. */
  readonly proofs: readonly Proof[]
  /** What the account has. */
  readonly enrolled: readonly Factor[]
}

/** Where every request to the pages of an account comes in. */
export interface Door {
  /** Says who has signed in, and sends anybody else to the sign-in. */
  readonly guard: Guard<Person>
  /** Why a factor can't be changed now: the answer to send instead. `undefined`: it can (ASVS 6.4.4, 7.5.1). */
  refuseChange(person: Person, change: Pick<FactorChange, 'change' | 'factor'>): Reply | undefined
  /** Whether everything that the account can prove was proven within five minutes (ASVS 7.5.2). */
  isFresh(person: Person): boolean
  /** What it takes beyond what every sign-in takes. */
  decide(person: Person, requirement: Requirement): AssuranceDecision
  /** Ends the sessions of the account but for the one that asks, and what came out of them (ASVS 7.4.3). */
  endOthers(req: RequestView, person: Person): Promise<void>
  /**
   * The answer to a change of a factor or a password: the other sessions end, the one that asks gets a new id (ASVS 7.2.4).
   * @param proof what the change has proven; the session keeps it
   */
  changed(req: RequestView, person: Person, page: AccountPage, proof?: Proof): Promise<Reply>
}

/** Signing in once more, with everything. */
export const signInAgain: Reply = seeOther('/sign-in?return=/account&again=1')

const stranger: Refusal = {
  type: 'reply',
  reply: seeOther('/sign-in?return=/account'),
  cause: { code: 'ledger.not_signed_in', message: 'no session of an account that is good, or one that has not proven enough' },
}

export function createDoor({ accounts, factors, sessions, clock }: AccountParts): Door {
  const { assurance } = factors
  const question = ({ proofs, enrolled }: Pick<Person, 'proofs' | 'enrolled'>) => ({ proofs, enrolled, now: epochSeconds(clock) })

  async function personOf(req: RequestView): Promise<Person | undefined> {
    const session = await sessions.read(req)
    const account = session?.subject === undefined ? undefined : await accounts.find(session.subject)
    if (session === undefined || account === undefined || account.disabled) return undefined
    // The authorization server keeps them as they came, and reads nothing in them; the assurance checks what it weighs.
    const proofs = (session.data.proofs ?? []) as readonly Proof[]
    const person = { account, session, proofs, enrolled: await factors.enrolled(account.id) }
    // What was enough at the sign-in is not when a second factor has come since.
    return assurance.decide(question(person)).type === 'enough' ? person : undefined
  }

  async function endOthers(request: RequestView, { account, session }: Person): Promise<void> {
    await sessions.endAll(account.id, { except: session.handle, request })
  }

  const mayChange = (person: Person, change: Pick<FactorChange, 'change' | 'factor'>): AssuranceDecision =>
    assurance.decideChange({ ...change, ...question(person) })

  return {
    guard: async (req) => {
      const person = await personOf(req)
      if (person === undefined) return stranger
      const { id: subject, tenant, role } = person.account
      return { type: 'continue', facts: person, principal: { kind: 'user', subject, tenant, roles: [role] } }
    },
    refuseChange(person, change) {
      const decision = mayChange(person, change)
      if (decision.type === 'enough') return undefined
      return decision.type === 'impossible' ? impossiblePage(decision.reason.code === 'mfa.last_factor') : signInAgain
    },
    // Whoever may change a factor, which ends the other sessions, may as well look at them and end one.
    isFresh: (person) => mayChange(person, { change: 'replace', factor: { method: 'password' } }).type === 'enough',
    decide: (person, requirement) => assurance.decide({ ...question(person), requirement }),
    endOthers,
    async changed(req, person, content, proof) {
      await endOthers(req, person)
      const data = proof === undefined ? {} : { data: { proofs: [...without(person.proofs, proof), proof] } }
      // Without one when two changes come at once: the other one's answer has the new id.
      const headers = (await sessions.rotate(req, data))?.headers ?? []
      return messagePage({ ...content, headers: [...(content.headers ?? []), ...headers] })
    },
  }
}

/** One proof of a kind is enough to keep, the newest: sessions must not grow. */
function without(proofs: readonly Proof[], { method }: Proof): readonly Proof[] {
  return proofs.filter((proof) => proof.method !== method)
}

function impossiblePage(last: boolean): Reply {
  return messagePage({
    status: 422,
    title: 'This can’t be done',
    body: last
      ? html`<p>Without it you could not sign in any more. Set something else up first.</p>`
      : html`<p>Your account has nothing with which you could confirm this.</p>`,
  })
}
