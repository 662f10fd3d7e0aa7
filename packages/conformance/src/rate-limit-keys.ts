import { scopePolicies } from '@portcullis/rate-limit'
import { expect } from 'vitest'
import { codeOf, type RateLimitBehaviour } from './rate-limit-subject.ts'
import { HOSTILE_KEYS } from './store-hostile.ts'

/** Keys here, though no ids: what encoders make alike, and what other backends refuse. */
const MORE_KEYS = [
  ...['', '\0', 'a\0', 'a\0b', 'a', 'b'],
  ...['\uD800', '\uD801', '\uDC00', '\uDC00\uD800', 'a\uD800', '\uFFFD', 'a\uFFFD', '?'.repeat(2), '\uFFFD\uFFFD'],
  ...['{', '}', '{}', '{}a', '{b}', '}{', '{a}b', '{a}c', 'a}{b', 'x{a}'],
  ...['x'.repeat(64), 'x'.repeat(65), 'x'.repeat(66), `#${'0'.repeat(64)}`, 'x'.repeat(10_000), `${'x'.repeat(9_999)}y`],
  ...['203.0.113.7', '203.0.113.70', '::ffff:203.0.113.7', '2001:db8::/64', '2001:DB8::/64'],
  ...['a,b', 'a, b', 'a|b', 'a b', 'b a', '["a"]'],
]

/** What tells buckets apart, and what a caller can get wrong. */
export const keys: readonly RateLimitBehaviour[] = [
  {
    title: 'keys are data: braces, NUL, lone surrogates, look-alikes and very long ones are keys like any other, each its own',
    async check({ consume, limiter, remaining }) {
      const policies = limiter({ name: 'p', quota: 3, window: 3600 })
      const all = [...new Set<string>([...HOSTILE_KEYS, ...MORE_KEYS])]
      for (const key of all) {
        expect(await consume([key], policies, 2), JSON.stringify(key)).toMatchObject({
          allowed: true,
          results: [{ remaining: 1 }],
        })
      }
      for (const key of all) expect(await remaining(key, policies), JSON.stringify(key)).toBe(1)
    },
  },
  {
    title: 'the keys of one check are kept apart: a pair is not its reverse, and no two pairs run together',
    async check({ consume, limiter }) {
      const pairs = [
        ['a', 'b'],
        ['b', 'a'],
        ['ab', ''],
        ['', 'ab'],
        ['a:b', 'c'],
        ['a', 'b:c'],
      ] as const
      for (const [n, pair] of pairs.entries()) {
        const policies = limiter({ name: 'p', quota: 5, window: 60 }, { name: 'q', quota: 9, window: 60 })
        for (const other of pairs.slice(0, n)) await consume(other, policies, 1)
        const before = pairs.slice(0, n)
        const expected = [5 - before.filter(([p]) => p === pair[0]).length, 9 - before.filter(([, q]) => q === pair[1]).length]
        expect((await consume(pair, policies, 0)).results.map(({ remaining }) => remaining)).toEqual(expected)
      }
    },
  },
  {
    title: 'scopes are apart: two limiters, and two policies of one limiter, share nothing under the same key',
    async check({ consume, limiter, remaining }) {
      const [one, other] = [limiter({ name: 'p', quota: 5, window: 60 }), limiter({ name: 'p', quota: 5, window: 60 })]
      const both = limiter({ name: 'p', quota: 5, window: 60 }, { name: 'pp', quota: 5, window: 60 })
      await consume(['k'], one, 5)
      expect(await remaining('k', other)).toBe(5)
      await consume(['k', 'l'], both, 2)
      expect((await consume(['l', 'k'], both, 0)).results).toMatchObject([{ remaining: 5 }, { remaining: 5 }])
    },
  },
  {
    title: 'where the name ends and the key begins cannot be moved: name:policy with key k is not name with key policy:k',
    async check({ consume, name, remaining }) {
      const policy = { quota: 5, window: 60 }
      const short = scopePolicies(name, [{ name: 'p', ...policy }])
      const long = scopePolicies(`${name}:p`, [{ name: 'k', ...policy }])
      await consume(['k:x'], short, 5)
      for (const key of ['x', ':x', 'k:x']) expect(await remaining(key, long)).toBe(5)
    },
  },
  {
    title: 'two declarations that say the same share their counts, also over connections',
    async check({ connections, name }) {
      const declare = () => scopePolicies(name, [{ name: 'p', quota: 10, window: 60 }])
      for (const [n, store] of [...connections, ...connections].entries()) {
        const { results } = await store.consume(['k'], declare(), 1)
        expect(results).toMatchObject([{ remaining: 9 - n }])
      }
    },
  },
  {
    title: 'a scope that is declared with other numbers is rate_limit.policy_conflict',
    async check({ store, name }) {
      const declare = (numbers: { quota: number; window: number; burst?: number }) =>
        scopePolicies(name, [{ name: 'p', ...numbers }])
      const first = declare({ quota: 5, window: 60 })
      store.declare?.(first)
      await store.consume(['k'], first, 1)
      for (const numbers of [
        { quota: 6, window: 60 },
        { quota: 5, window: 61 },
        { quota: 5, window: 60, burst: 4 },
      ]) {
        const other = declare(numbers)
        if (store.declare !== undefined) expect(await codeOf(() => store.declare?.(other))).toBe('rate_limit.policy_conflict')
        expect(await codeOf(() => store.consume(['k'], other, 1))).toBe('rate_limit.policy_conflict')
        expect(await codeOf(() => store.adjust(['k'], other, 1))).toBe('rate_limit.policy_conflict')
      }
      store.declare?.(declare({ quota: 5, window: 60, burst: 5 }))
      expect((await store.consume(['k'], first, 0)).results).toMatchObject([{ remaining: 4 }])
    },
  },
  {
    title: 'a cost that is no whole number from 0 to 1,000,000,000 is rate_limit.cost_invalid, and charges nothing',
    async check({ store, limiter, remaining }) {
      const policies = limiter({ name: 'p', quota: 5, window: 60 })
      const costs = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 1_000_000_001, 2 ** 53, '1' as unknown as number]
      for (const cost of costs) expect(await codeOf(() => store.consume(['k'], policies, cost))).toBe('rate_limit.cost_invalid')
      for (const units of [0.5, -0.5, Number.NaN, -2_000_000_000, 2_000_000_000]) {
        expect(await codeOf(() => store.adjust(['k'], policies, units))).toBe('rate_limit.cost_invalid')
      }
      expect(await remaining('k', policies)).toBe(5)
    },
  },
  {
    title: 'a policy without a key is rate_limit.key_missing, and nothing is charged to the others',
    async check({ store, consume, limiter }) {
      const policies = limiter({ name: 'p', quota: 5, window: 60 }, { name: 'q', quota: 5, window: 60 })
      expect(await codeOf(() => store.consume(['k'], policies, 1))).toBe('rate_limit.key_missing')
      expect(await codeOf(() => store.consume([], policies, 1))).toBe('rate_limit.key_missing')
      expect((await consume(['k', 'k'], policies, 0)).results).toMatchObject([{ remaining: 5 }, { remaining: 5 }])
    },
  },
]
