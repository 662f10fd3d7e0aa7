import { RateLimitError } from './errors.ts'

/** A period of the calendar. Weeks begin on Monday (ISO 8601). */
export type CalendarPeriod = 'hour' | 'day' | 'week' | 'month' | 'year'

/** One period: from `from`, which is part of it, to `until`, which is not. Milliseconds since the epoch. */
export interface Period {
  readonly from: number
  readonly until: number
}

/** The most seconds that a period has: a day of 25 hours where a summer time ends, and as much for what holds one. */
export const LONGEST_PERIOD: Readonly<Record<CalendarPeriod, number>> = {
  hour: 3600,
  day: 25 * 3600,
  week: 169 * 3600,
  month: 745 * 3600,
  year: 366 * 86_400,
}

const HOUR = 3_600_000

/** The civil date and time in a zone. */
interface Civil {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
}

/**
 * Periods of a time zone's calendar. They begin at the first moment of their first day, which is not midnight where a summer time
 * begins at midnight. The last period is remembered: a check inside it costs two comparisons.
 */
export class Calendar {
  readonly #period: CalendarPeriod
  readonly #format: Intl.DateTimeFormat
  #last: Period = { from: 0, until: 0 }

  /** @param timeZone a name of the IANA database. @throws RateLimitError `rate_limit.policy_invalid` */
  constructor(period: CalendarPeriod, timeZone: string) {
    if (!Object.hasOwn(LONGEST_PERIOD, period)) throw invalid('period is hour, day, week, month or year')
    this.#period = period
    this.#format = formatOf(timeZone)
  }

  /** @param at milliseconds since the epoch */
  at(at: number): Period {
    if (at >= this.#last.from && at < this.#last.until) return this.#last
    this.#last = this.#period === 'hour' ? this.#hour(at) : this.#days(at)
    return this.#last
  }

  /** An hour by the clock on the wall: where an offset is not of whole hours, neither are its beginnings in UTC. */
  #hour(at: number): Period {
    const start = this.#hourOf(at)
    // Where a clock was set by half an hour since (Lord Howe Island), what is left of the hour begins with that.
    const before = this.#hourOf(start)
    return { from: before === start ? start : before + HOUR, until: start + HOUR }
  }

  #hourOf(at: number): number {
    const { minute, second } = this.#civil(at)
    return Math.floor(at / 1000) * 1000 - (minute * 60 + second) * 1000
  }

  #days(at: number): Period {
    const { year, month, day } = this.#civil(at)
    if (this.#period === 'year') return this.#between([year, 1, 1], [year + 1, 1, 1])
    if (this.#period === 'month') return this.#between([year, month, 1], [year, month + 1, 1])
    if (this.#period === 'day') return this.#between([year, month, day], [year, month, day + 1])
    const monday = day - ((new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 6) % 7)
    return this.#between([year, month, monday], [year, month, monday + 7])
  }

  #between(first: readonly [number, number, number], next: readonly [number, number, number]): Period {
    return { from: this.#startOf(...first), until: this.#startOf(...next) }
  }

  /** The first moment of a day. Days before the first of a month and after its last are those of its neighbours. */
  #startOf(year: number, month: number, day: number): number {
    const wanted = Date.UTC(year, month - 1, day)
    // Offsets are within 14 hours. Of the moments around, the first that shows this day: civil days only ever grow.
    let [before, after] = [wanted - 15 * HOUR, wanted + 15 * HOUR]
    while (after - before > 1000) {
      const middle = before + Math.floor((after - before) / 2000) * 1000
      if (this.#dayOf(middle) >= wanted) after = middle
      else before = middle
    }
    return after
  }

  #dayOf(at: number): number {
    const { year, month, day } = this.#civil(at)
    return Date.UTC(year, month - 1, day)
  }

  #civil(at: number): Civil {
    const found: Partial<Record<string, number>> = {}
    for (const { type, value } of this.#format.formatToParts(at)) found[type] = Number(value)
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = found
    return { year, month, day, hour, minute, second }
  }
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-u-ca-iso8601-nu-latn', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  } catch {
    throw invalid('timeZone is a name of the IANA database, as Europe/Berlin or UTC')
  }
}

function invalid(why: string): RateLimitError {
  return new RateLimitError('rate_limit.policy_invalid', why)
}
