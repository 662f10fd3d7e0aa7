import { expect, it, vi } from 'vitest'
import { prepare } from '../src/profile.ts'

it('a long password as a lever: a megabyte is refused by its length, before anything that costs by length', () => {
  const normalize = vi.spyOn(String.prototype, 'normalize')
  expect(prepare('x'.repeat(1_000_000), 256)).toEqual({ flaw: 'password.too_long' })
  expect(normalize).not.toHaveBeenCalled()
  normalize.mockRestore()
})
