// Runs in a process of its own, bundled by processes.ts: what it does is the first argument, on the database that is the second.
import Database from 'libsql'
import pg from 'pg'
import { openPostgres, openSqlite } from '../src/index.ts'

const [, , task, address = '', name = ''] = process.argv
const store = address.startsWith('postgres:')
  ? await openPostgres({ connectionString: address, Pool: pg.Pool, timeout: task === 'close' ? 1000 : 30_000, poolSize: 2 })
  : await openSqlite({ filename: address, Database, busyTimeout: 30_000 })
const numbers = store.collection<number>({ name: 'test.numbers', indexes: ['writer'] })

if (task === 'write') {
  // A line for each write that was acknowledged, until somebody ends the process.
  for (let n = 0; ; n++) {
    const id = `${name}-${String(n).padStart(8, '0')}`
    if (!(await numbers.create(id, n, { index: { writer: name } }))) throw new TypeError('not written')
    const one = await numbers.get(id)
    if (!(await numbers.replace(id, one?.version ?? 0, -n, { index: { writer: name } }))) throw new TypeError('not replaced')
    process.stdout.write(`${id}\n`)
  }
}
if (task === 'open') {
  await store.prepare()
  process.stdout.write(`${JSON.stringify(await store.migrations.list())}\n`)
  await store.close()
}
if (task === 'take') {
  const taken: number[] = []
  for (let n = 0; n < 300; n++) {
    const value = await numbers.take(`code-${n}`)
    if (value !== undefined) taken.push(value)
  }
  process.stdout.write(`${JSON.stringify(taken)}\n`)
  await store.close()
}
if (task === 'close') {
  // Once nobody answers any more. The read that says so takes one connection with it; another stays idle.
  await Promise.all([numbers.get('x'), numbers.get('x')])
  process.stdout.write('ready\n')
  while ((await numbers.get('x').catch(() => 'lost')) !== 'lost');
  await store.close()
}
