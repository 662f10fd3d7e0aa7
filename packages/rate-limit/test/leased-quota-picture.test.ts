import { expect, it } from 'vitest'
import { draw, measure } from './leased-quota-picture.ts'

it('the picture in the README is what the simulation measures: `vitest -u` draws it anew', { timeout: 120_000 }, async () => {
  const { bySize, byLease } = await measure()
  for (const { points } of [...bySize, ...byLease]) {
    for (const { measured, bound } of points) expect(measured).toBeLessThanOrEqual(bound)
  }
  await expect(draw(bySize, byLease)).toMatchFileSnapshot('../docs/leased-quota.svg')
})
