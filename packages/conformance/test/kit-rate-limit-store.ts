import {
  type Calendar,
  charge,
  checkCost,
  type Entry,
  type Found,
  type FoundLog,
  type GcraFound,
  type GcraMeter,
  giveBack,
  keyOf,
  type LiveLog,
  type LogFound,
  type LogMeter,
  type LogMoment,
  lets,
  liveLog,
  logFound,
  type Meter,
  meterOf,
  type Period,
  type RateLimitResult,
  type RateLimitStore,
  type RateLimitVerdict,
  requireSameNumbers,
  reservedStart,
  type ScopedPolicy,
  verdictOf,
} from '@portcullis/rate-limit/store'

/** A theoretical arrival time: whole milliseconds since the epoch, and ticks of that millisecond. */
export type Arrival = readonly [ms: number, ticks: number]

/** What connections share: buckets by GCRA, and logs. */
export interface Kept {
  readonly arrivals: Map<string, Arrival>
  readonly logs: Map<string, readonly Entry[]>
}

/** A bucket by GCRA that a check looks at. */
export interface GcraLook extends GcraFound {
  readonly bucket: string
}

/** A log that a check looks at. */
export interface LogLook extends FoundLog {
  readonly bucket: string
  readonly live: LiveLog
}

export type Look = GcraLook | LogLook

export function nothingKept(): Kept {
  return { arrivals: new Map(), logs: new Map() }
}

/** A store as one on a server is made, from the kit. Its parts can be overridden, for mistakes. */
export class KitStore implements RateLimitStore {
  readonly kept: Kept
  readonly #clock: { now(): number }
  readonly #declared = new Map<string, ScopedPolicy>()

  constructor(clock: { now(): number }, kept: Kept = nothingKept()) {
    this.#clock = clock
    this.kept = kept
  }

  async consume(keys: readonly string[], policies: readonly ScopedPolicy[], cost: number): Promise<RateLimitVerdict> {
    this.checkUnits(cost)
    this.declare(policies)
    const now = this.now()
    const looks = this.look(keys, policies, now)
    const allowed = looks.every((look) => lets(look, now, cost))
    // Nothing is awaited where there is nothing to await: that is what makes it one step.
    const between = this.between(looks)
    if (between !== undefined) await between
    for (const look of looks) {
      const charged = this.charge(look, cost, allowed, now)
      if (charged !== 0) this.add(look, charged, now)
    }
    return this.answer(
      looks.map((look) => (isLog(look) ? { ...look, log: this.found(look, cost, allowed ? cost : 0) } : look)),
      now,
      cost,
    )
  }

  async adjust(
    keys: readonly string[],
    policies: readonly ScopedPolicy[],
    units: number,
    reserved?: RateLimitVerdict,
  ): Promise<void> {
    this.checkUnits(Math.abs(units))
    this.declare(policies)
    const now = this.now()
    for (const [i, look] of this.look(keys, policies, now).entries()) {
      if (units < 0 && this.isBack(reserved, i, now)) continue
      this.settle(look, units, now, reserved?.results[i])
    }
  }

  declare(policies: readonly ScopedPolicy[]): void {
    for (const policy of policies) {
      const before = this.#declared.get(policy.scope) ?? policy
      this.#declared.set(policy.scope, before)
      requireSameNumbers(before, policy)
    }
  }

  now(): number {
    return this.#clock.now()
  }

  checkUnits(units: number): void {
    checkCost(units)
  }

  look(keys: readonly string[], policies: readonly ScopedPolicy[], now: number): Look[] {
    return policies.map((policy, i) => {
      const bucket = this.bucket(policy.scope, this.key(keys, i))
      const meter = this.meter(policy)
      if (meter.kind === 'gcra') return { policy, meter, bucket, lead: this.lead(bucket, meter, now) }
      const moment = { now, period: meter.calendar && this.period(meter.calendar, now) }
      const live = this.live(meter, this.kept.logs.get(bucket) ?? [], moment)
      return { policy, meter, bucket, live, log: logFound(meter, live, 0, 0), from: moment.period?.from }
    })
  }

  meter(policy: ScopedPolicy): Meter {
    return meterOf(policy)
  }

  key(keys: readonly string[], i: number): string {
    return keyOf(keys, i)
  }

  bucket(scope: string, key: string): string {
    return `${scope}|${key}`
  }

  lead(bucket: string, { scale }: GcraMeter, now: number): number {
    const [ms, ticks] = this.kept.arrivals.get(bucket) ?? [now, 0]
    return Math.max(0, (ms - now) * scale + ticks)
  }

  period(calendar: Calendar, now: number): Period {
    return calendar.at(now)
  }

  live(meter: LogMeter, entries: readonly Entry[], moment: LogMoment): LiveLog {
    return liveLog(meter, entries, moment)
  }

  found({ meter, live }: LogLook, cost: number, charged: number): LogFound {
    return logFound(meter, live, cost, charged)
  }

  between(_looks: readonly Look[]): Promise<void> | undefined {
    return undefined
  }

  charge(_look: Look, cost: number, allowed: boolean, _now: number): number {
    return allowed ? cost : 0
  }

  add(look: Look, units: number, now: number): void {
    if (isLog(look)) this.writeLog(look, this.chargeLog(look, units))
    else this.write(look, look.lead + units * look.meter.increment, now)
  }

  settle(look: Look, units: number, now: number, reserved: RateLimitResult | undefined): void {
    if (!isLog(look)) this.write(look, this.settled(look, units), now)
    else if (units > 0) this.add(look, units, now)
    else this.writeLog(look, this.giveBack(look.live, -units, reserved && reservedStart(look.meter, reserved)))
  }

  settled({ lead, meter: { increment } }: GcraLook, units: number): number {
    return Math.max(0, lead + units * increment)
  }

  chargeLog({ live }: LogLook, units: number): readonly Entry[] {
    return charge(live, units)
  }

  giveBack(live: LiveLog, units: number, from: number | undefined): readonly Entry[] {
    return giveBack(live, units, from)
  }

  isBack(reserved: RateLimitVerdict | undefined, i: number, now: number): boolean {
    const before = reserved?.results[i]
    return before !== undefined && before.resetAt <= now
  }

  write({ bucket, meter: { scale } }: GcraLook, lead: number, now: number): void {
    const ms = Math.floor(lead / scale)
    this.kept.arrivals.set(bucket, [now + ms, lead - ms * scale])
  }

  writeLog({ bucket }: LogLook, entries: readonly Entry[]): void {
    this.kept.logs.set(bucket, entries)
  }

  answer(looks: readonly Found[], now: number, cost: number): RateLimitVerdict {
    return verdictOf(looks, now, cost)
  }
}

export type Kind = typeof KitStore

/** A mistake, a part of the title of the row that finds it, and a store that makes it. */
export type Defect = readonly [mistake: string, found: string, Kind]

/** A store with some of its parts made otherwise. */
export function overriding(parts: Partial<KitStore> & ThisType<KitStore>): Kind {
  const Store = class extends KitStore {}
  Object.assign(Store.prototype, parts)
  return Store
}

export function isLog(look: Look): look is LogLook {
  return 'live' in look
}
