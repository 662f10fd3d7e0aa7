import { createMemoryStore, type Store } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import { type Account, createAccounts } from '../src/accounts.ts'

const ada: Account = {
  id: 'usr_ada',
  email: 'ada@acme.test',
  name: 'Ada Lovelace',
  tenant: 'acme',
  role: 'owner',
  passwordHash: 'first',
  disabled: false,
}

describe('accounts', () => {
  it('get one of many new passwords at once, where each is to replace the same one', async () => {
    const accounts = createAccounts({ store: createMemoryStore() })
    await accounts.seed(ada)
    const wanted = Array.from({ length: 50 }, (_, i) => `hash ${i}`)
    const results = await Promise.all(wanted.map((hash) => accounts.changePassword('usr_ada', 'first', hash)))
    const won = wanted.filter((_, i) => results[i])
    expect(won.length).toBe(1)
    expect((await accounts.find('usr_ada'))?.passwordHash).toBe(won[0])
  })

  it('lose neither a new password nor being disabled, when both come at once', async () => {
    const accounts = createAccounts({ store: createMemoryStore() })
    await accounts.seed(ada)
    await Promise.all([accounts.changePassword('usr_ada', 'first', 'second'), accounts.setDisabled('usr_ada', true)])
    expect(await accounts.find('usr_ada')).toMatchObject({ passwordHash: 'second', disabled: true })
  })

  it('keep a new password that came while an old one was hashed anew', async () => {
    const accounts = createAccounts({ store: createMemoryStore() })
    await accounts.seed(ada)
    await accounts.changePassword('usr_ada', 'first', 'second')
    await accounts.rehash(ada, 'first, but stronger')
    expect((await accounts.find('usr_ada'))?.passwordHash).toBe('second')
  })

  it('are found by address and by tenant, also after they were changed', async () => {
    const accounts = createAccounts({ store: createMemoryStore() })
    await accounts.seed(ada)
    await accounts.seed({ ...ada, id: 'usr_abel', email: 'abel@acme.test' })
    await accounts.seed({ ...ada, id: 'usr_linus', email: 'linus@globex.test', tenant: 'globex' })
    await accounts.setDisabled('usr_ada', true)
    await accounts.changePassword('usr_abel', 'first', 'second')
    expect((await accounts.ofTenant('acme')).map(({ id }) => id)).toEqual(['usr_abel', 'usr_ada'])
    expect((await accounts.findByEmail('ADA@acme.test'))?.id).toBe('usr_ada')
    expect(await accounts.setDisabled('usr_nobody', true)).toBe(false)
    expect(await accounts.changePassword('usr_nobody', 'first', 'second')).toBe(false)
  })

  it('give up on a store that lets no change through', async () => {
    const store = createMemoryStore()
    const stubborn: Store = {
      collection: (declaration) => Object.assign(store.collection(declaration), { replace: async () => false }) as never,
    }
    const accounts = createAccounts({ store: stubborn })
    await accounts.seed(ada)
    await expect(accounts.setDisabled('usr_ada', true)).rejects.toMatchObject({ code: 'ledger.account_contended', status: 503 })
  })
})
