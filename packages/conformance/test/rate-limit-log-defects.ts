import {
  type Entry,
  type GcraMeter,
  giveBack,
  type LiveLog,
  type LogMeter,
  lets,
  liveLog,
  meterOf,
  type ScopedPolicy,
} from '@portcullis/rate-limit/store'
import { type Defect, isLog, type Kind, KitStore, type LogLook, overriding } from './kit-rate-limit-store.ts'

/** Mistakes that a log can have. */
export const LOG_DEFECTS: readonly Defect[] = [
  [
    'a strict window begins with its first unit',
    'strict: at the edge of a window there is no second quota',
    metered('strict', ({ window }) => ({ grain: window })),
  ],
  ['a strict unit comes back a millisecond early', 'strict: at the edge', metered('strict', ({ life }) => ({ life: life - 1 }))],
  ['a strict unit comes back a millisecond late', 'strict: at the edge', metered('strict', ({ life }) => ({ life: life + 1 }))],
  [
    'strict units are capped in number',
    'strict: 1,000 units at 1,000 moments',
    overriding({
      writeLog({ bucket }, entries) {
        this.kept.logs.set(bucket, entries.slice(-999))
      },
    }),
  ],
  [
    'retryAt of a strict limit is when the oldest unit has gone, whatever the cost',
    'strict: a cost passes when',
    overriding({ found: ({ log, live }) => ({ ...log, freed: live.entries[0]?.start ?? 0 }) }),
  ],
  [
    'retryAt of a strict limit does not know of what was charged just now',
    'strict: a cost passes when',
    class extends KitStore {
      override found(look: LogLook, cost: number): LogLook['log'] {
        return super.found(look, cost, 0)
      }
    },
  ],
  [
    'a fixed window ends a millisecond early',
    'fixed: a window begins',
    metered('fixed', ({ life }) => ({ life: life - 1, grain: life - 1 })),
  ],
  [
    'a fixed window ends a millisecond late',
    'fixed: a window begins',
    metered('fixed', ({ life }) => ({ life: life + 1, grain: life + 1 })),
  ],
  [
    'a fixed window begins with a minute of the clock',
    'fixed: a window begins',
    metered('fixed', ({ window }) => ({ align: window })),
  ],
  ['a fixed window goes on with each unit', 'fixed: a window begins', metered('fixed', () => ({ grain: 1 }))],
  [
    'a sliding window forgets the one before',
    'sliding: of the window before',
    metered('sliding', ({ window }) => ({ life: window })),
  ],
  ['the window before counts whole', 'sliding: of the window before', metered('sliding', () => ({ fades: false }))],
  ['a sliding window begins with its first unit', 'sliding: a window begins', metered('sliding', () => ({ align: 1 }))],
  [
    'of the window before, whole units count',
    'sliding: of the window before',
    overriding({
      live(meter, entries, moment) {
        const live = liveLog(meter, entries, moment)
        if (!meter.fades) return live
        const gone = (start: number): number => Math.min(1, Math.max(0, (live.time - start) / meter.window - 1))
        const whole = ({ start, units }: Entry): Entry => ({ start, units: Math.floor(units * (1 - gone(start))) })
        return { ...live, entries: entries.map(whole) }
      },
    }),
  ],
  [
    'a day is one of UTC, whatever its zone',
    'calendar: a day is one of its time zone',
    overriding({ meter: (policy) => meterOf({ ...policy, timeZone: 'UTC' }) }),
  ],
  [
    'a day is as long as days can be',
    'calendar: a day is one of its time zone',
    overriding({ period: (calendar, now) => ({ ...calendar.at(now), from: now - (now % 90_000_000) }) }),
  ],
  [
    'a clock that goes back over the edge of a period grants its quota again',
    'of no algorithm does a clock that goes back',
    overriding({
      live(meter, entries, moment) {
        const { period } = moment
        if (period === undefined) return liveLog(meter, entries, moment)
        return liveLog(
          meter,
          entries.filter(({ start }) => start >= period.from && start < period.until),
          moment,
        )
      },
    }),
  ],
  [
    'what was charged after the time that it is does not count',
    'of no algorithm does a clock that goes back',
    overriding({
      live: (meter, entries, moment) =>
        liveLog(
          meter,
          entries.filter(({ start }) => start <= moment.now),
          moment,
        ),
    }),
  ],
  [
    'what is charged by a clock that went back goes to its time, not to that of the log',
    'stands still for a log',
    overriding({
      live(meter, entries, moment) {
        const live = liveLog(meter, entries, moment)
        return meter.grain === 1 ? { ...live, time: moment.now, start: moment.now } : live
      },
    }),
  ],
  [
    'a refund goes to the newest units, whatever was reserved',
    'what was reserved comes back to the moment',
    overriding({ giveBack: (live, units) => giveBack(live, units, undefined) }),
  ],
  [
    'a refund of what time has given back goes to newer units',
    'what was reserved comes back to the moment',
    overriding({ isBack: () => false, giveBack: toNewestWhereGone }),
  ],
  [
    'a refund of what was given back already goes to other units',
    'given back a second time is not taken from other units',
    overriding({ giveBack: toNewestWhereGone }),
  ],
  [
    'without a reservation the oldest units are given back',
    'what is given back without a reservation',
    overriding({
      giveBack(live, units, from) {
        if (from !== undefined) return giveBack(live, units, from)
        return giveBack({ ...live, entries: live.entries.toReversed() }, units, from).toReversed()
      },
    }),
  ],
  [
    'a log is charged what another policy refused',
    'policies by several algorithms in one check',
    overriding({ charge: (look, cost, allowed, now) => (allowed || (isLog(look) && lets(look, now, cost)) ? cost : 0) }),
  ],
  [
    'nothing is charged to a log beyond its quota',
    'what is charged beyond a quota is waited for',
    class extends KitStore {
      override chargeLog(look: LogLook, units: number): readonly Entry[] {
        return super.chargeLog(look, Math.min(units, look.meter.quota - look.log.units))
      }
    },
  ],
]

/** A store whose logs of one algorithm have other numbers. */
function metered(algorithm: ScopedPolicy['algorithm'], change: (meter: LogMeter) => Partial<LogMeter>): Kind {
  return class extends KitStore {
    override meter(policy: ScopedPolicy): GcraMeter | LogMeter {
      const meter = super.meter(policy)
      return meter.kind === 'log' && policy.algorithm === algorithm ? { ...meter, ...change(meter) } : meter
    }
  }
}

/** Whoever looks for the entry, and takes what there is where it is missing. */
function toNewestWhereGone(live: LiveLog, units: number, from: number | undefined): readonly Entry[] {
  return giveBack(live, units, live.entries.some(({ start }) => start === from) ? from : undefined)
}
