export type { BreachCheck, BreachVerdict } from './breach-check.ts'
export { type BreachFilter, loadBreachFilter, readBreachFilter } from './breach-filter.ts'
export { type BreachSourceOptions, type BuiltBreachFilter, buildBreachFilter } from './breach-source.ts'
export { createPwnedPasswords, type PwnedPasswordsOptions } from './pwned-passwords.ts'
