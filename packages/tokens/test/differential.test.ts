import { isDeepStrictEqual } from 'node:util'
import { type JWTVerifyOptions, jwtVerify } from 'jose'
import { expect, it } from 'vitest'
import { createVerifier, type Verifier } from '../src/index.ts'
import { audiences, type Base, base, Dice, issuer } from './bases.ts'
import { MUTATIONS } from './mutations.ts'
import { manualClock, now, START } from './support.ts'

// What is changed follows from it. Keys and signatures are new each time.
const SEED = Number(process.env['PORTCULLIS_SEED'] ?? 20_260_101)

// Most of them are cheap to verify; of each algorithm there are thousands.
const TOKENS = { HS256: 68_000, ES256: 12_000, EdDSA: 10_000, RS256: 8_000, PS256: 4_000 } as const
const BATCH = 500

/** Two sets of rules, said to both in their own words: an access token, and a token of any kind. */
interface Rules {
  readonly ours: Verifier
  readonly theirs: JWTVerifyOptions
}

function rulesFor({ alg, keys }: Base): readonly [Rules, Rules] {
  // At a whole second: jose drops what is left of one, we do not.
  const common = { issuer, audience: audiences, keys, algorithms: [alg], clock: manualClock(START) }
  const theirs = { issuer, audience: [...audiences], algorithms: [alg], currentDate: new Date(START), clockTolerance: 5 }
  const requiredClaims = ['sub', 'client_id', 'iat', 'jti', 'exp']
  return [
    { ours: createVerifier(common), theirs: { ...theirs, typ: 'at+jwt', requiredClaims } },
    { ours: createVerifier({ ...common, typ: null }), theirs: { ...theirs, requiredClaims: ['exp'] } },
  ]
}

/** Every class of tokens that jose accepts and we refuse, with all our reasons. A class that is not here is a change, and looked at. */
const STRICTER: Readonly<Record<string, readonly string[]>> = {
  // One token in many spellings (RFC 7515 §2): a list that holds one of them does not hold the others.
  'right padding in the claims, signed': ['tokens.malformed'],
  'right padding in the header, signed': ['tokens.malformed'],
  'right padding in the signature': ['tokens.malformed'],
  'trailing bits in the claims, signed': ['tokens.malformed'],
  'trailing bits in the header, signed': ['tokens.malformed'],
  'trailing bits in the signature': ['tokens.malformed'],
  'white space around the token': ['tokens.malformed'],
  'white space in the claims, signed': ['tokens.malformed'],
  'white space in the header, signed': ['tokens.malformed'],
  'white space in the signature': ['tokens.malformed'],
  // Two readers see two tokens (RFC 7515 §4, RFC 7519 §4; RFC 8259 §8.1).
  'claims with a byte order mark': ['tokens.claims_malformed'],
  'claims with a member named twice': ['tokens.claims_malformed'],
  'header with a byte order mark': ['tokens.malformed'],
  'header with a member named twice': ['tokens.malformed'],
  // No extension is understood; jose knows b64, and does not look at one that is not critical (RFC 7515 §4.1.11, RFC 7797 §6).
  'b64 without crit': ['tokens.critical_unknown'],
  'crit with b64': ['tokens.critical_unknown'],
  // The key by its name: jose was given one key and looks at no kid.
  'another kid': ['tokens.key_unknown'],
  'kid of another type': ['tokens.header_invalid'],
  'typ of another type': ['tokens.header_invalid'],
  // Registered claims with a wrong type or value (RFC 7519 §4.1).
  'aud that names one of ours beside something else': ['tokens.audience_mismatch'],
  'dates far away': ['tokens.claims_malformed', 'tokens.issued_in_future'],
  'iat around now': ['tokens.issued_in_future'],
  'sub, jti or client_id of another type': ['tokens.claims_malformed'],
}

/** The same, of classes where chance decides what the change comes to: our reasons are some of these. */
const BY_CHANCE: Readonly<Record<string, readonly string[]>> = {
  'a flipped bit in the claims, signed': ['tokens.claims_malformed', 'tokens.issued_in_future'],
  'a flipped bit in the header, signed': ['tokens.key_unknown'],
  'another character in the claims, signed': ['tokens.claims_malformed', 'tokens.issued_in_future'],
  'another character in the header, signed': ['tokens.key_unknown'],
}

class Tally {
  tokens = 0
  bothAccept = 0
  bothRefuse = 0
  readonly worse: string[] = []
  readonly different: string[] = []
  readonly stricter = new Map<string, Set<string>>()

  async compare(of: Base, { ours, theirs }: Rules, name: string, token: string): Promise<void> {
    const mine = now(ours.verify(token))
    const other = await jwtVerify(token, of.joseKey, theirs).catch(() => undefined)
    this.tokens += 1
    if (mine.ok && other === undefined) this.worse.push(`${of.alg}: ${name}: ${token}`)
    else if (mine.ok && other !== undefined) {
      this.bothAccept += 1
      const same = isDeepStrictEqual(mine.claims, other.payload) && isDeepStrictEqual(mine.header, other.protectedHeader)
      if (!same) this.different.push(`${of.alg}: ${name}: ${token}`)
    } else if (!mine.ok && other !== undefined) {
      const reasons = this.stricter.get(name) ?? new Set()
      this.stricter.set(name, reasons.add(mine.reason.code))
    } else this.bothRefuse += 1
  }

  /** The classes with their reasons; of those where chance decides, what is not in the list. */
  classes(): Record<string, readonly string[]> {
    const found = [...this.stricter].map(([name, reasons]): [string, string[]] => {
      return [name, [...reasons].filter((reason) => !BY_CHANCE[name]?.includes(reason)).sort()]
    })
    return Object.fromEntries(found.filter(([, reasons]) => reasons.length > 0))
  }
}

it(`of 102,000 mutated tokens we accept none that jose refuses, and read all others as jose does (PORTCULLIS_SEED=${SEED})`, async () => {
  // Of most tokens jose makes an error, and an error makes a trace that nobody reads.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const dice = new Dice(SEED)
  const tally = new Tally()
  for (const [alg, count] of Object.entries(TOKENS) as [keyof typeof TOKENS, number][]) {
    const of = await base(alg)
    const rules = rulesFor(of)
    for (let done = 0; done < count; done += BATCH) {
      const batch = Array.from({ length: BATCH }, (_, at) => {
        // Each class in its turn, so that none is left to chance.
        const { name, make } = MUTATIONS[(done + at) % MUTATIONS.length]!
        return tally.compare(of, rules[dice.below(2)]!, name, make(of, dice))
      })
      await Promise.all(batch)
    }
  }
  Error.stackTraceLimit = stackTraceLimit
  const { tokens, bothAccept, bothRefuse } = tally
  const stricter = tokens - bothAccept - bothRefuse - tally.worse.length
  console.info(
    `seed ${SEED}: ${tokens} tokens in ${MUTATIONS.length} classes; both accept ${bothAccept}, both refuse ${bothRefuse}, ` +
      `we refuse and jose accepts ${stricter} in ${tally.stricter.size} classes, jose refuses and we accept ${tally.worse.length}`,
  )
  expect(tally.worse).toEqual([])
  expect(tally.different).toEqual([])
  expect(tally.classes()).toEqual(STRICTER)
  expect(tokens).toBeGreaterThanOrEqual(100_000)
  // Or nothing would have been compared.
  expect(bothAccept).toBeGreaterThan(10_000)
  expect(bothRefuse).toBeGreaterThan(30_000)
}, 120_000)
