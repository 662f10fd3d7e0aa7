import { type Aal, amrOf, type Factor, type FactorKind, kindsOf, type Proof, resistsPhishing } from './proof.ts'

/** What proofs amount to, all together. */
export interface Assessment {
  /** NIST SP 800-63B-4 §2; `undefined`: nothing that counts was proven. */
  readonly aal: Aal | undefined
  /** The level as tokens carry it (RFC 9470); the same word. */
  readonly acr: string | undefined
  /** RFC 8176. */
  readonly amr: readonly string[]
  readonly phishingResistant: boolean
  /** Whether a recovery code is among the proofs: the person should set up a factor anew. */
  readonly recovered: boolean
  /**
   * `auth_time`, in seconds since the epoch: the latest moment from which on the whole level was proven. A password of ten o'clock and
   * a code of eleven are two factors of ten o'clock: whoever asks for a level and an age gets both.
   */
  readonly authTime: number | undefined
  /** The same for each kind of factor. */
  readonly authTimes: Readonly<Partial<Record<FactorKind, number>>>
}

/**
 * Proofs only ever add up. Two of one kind are one factor. A remembered device adds its kind to what a person proves, and alone it
 * is nothing: nobody was asked.
 */
export function weigh(proofs: readonly Proof[]): Assessment {
  const personal = proofs.filter(({ method }) => method !== 'remembered_device')
  const counted = personal.length === 0 ? [] : proofs
  const kinds = new Set(counted.flatMap(kindsOf))
  const aal = levelOf(counted, kinds)
  const authTimes: Partial<Record<FactorKind, number>> = {}
  for (const proof of personal) {
    for (const kind of kindsOf(proof)) authTimes[kind] = Math.max(authTimes[kind] ?? 0, proof.at)
  }
  const amr = new Set(counted.flatMap(amrOf))
  if (kinds.size > 1) amr.add('mfa')
  return {
    aal,
    acr: aal,
    amr: [...amr],
    phishingResistant: counted.some(resistsPhishing),
    recovered: counted.some(({ method }) => method === 'recovery_code'),
    authTime: provenSince(personal, aal, counted),
    authTimes,
  }
}

/** The oldest that is needed, of the newest that are enough. */
function provenSince(personal: readonly Proof[], aal: Aal | undefined, counted: readonly Proof[]): number | undefined {
  const others = counted.filter((proof) => !personal.includes(proof))
  const newest = [...personal].sort((a, b) => b.at - a.at)
  const needed = newest.findIndex((_, i) => {
    const these = [...newest.slice(0, i + 1), ...others]
    return levelOf(these, new Set(these.flatMap(kindsOf))) === aal
  })
  return newest[needed]?.at
}

function levelOf(proofs: readonly Factor[], kinds: ReadonlySet<FactorKind>): Aal | undefined {
  if (proofs.length === 0) return undefined
  if (kinds.size < 2) return 'aal1'
  return proofs.some(isHardware) ? 'aal3' : 'aal2'
}

/** NIST SP 800-63B-4 §2.3: a key that cannot be exported; what an authenticator says of itself is believed when an anchor vouches. */
function isHardware({ method, deviceBound, attested, aal }: Factor): boolean {
  return method === 'passkey' ? deviceBound === true && attested === true : method === 'federated' && aal === 'aal3'
}
