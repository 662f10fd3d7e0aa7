import Database from 'libsql'
import { it } from 'vitest'
import { openSqlite } from '../src/index.ts'
import { freshFile } from './directory.ts'
it('x', async () => {
    const filename = freshFile()
    const store = await openSqlite({ filename, Database, busyTimeout: 50 })
    const things = store.collection<number>({ name: 'a.things' })
    await things.create('a', 1)
    const other = new Database(filename)
    other.exec('begin immediate')
    console.log('1')
    await things.create('b', 1).catch((e: any) => console.log(e.code))
    console.log('2')
    const patient = await openSqlite({ filename, Database, busyTimeout: 1000 }).catch((e: any) => { console.log(e.code, e.cause, e.stack); throw e })
    console.log('3')
    const waiting = patient.collection<number>({ name: 'a.things' }).create('b', 1).catch((e: any) => console.log('w', e.code))
    const preparing = patient.collection<number>({ name: 'a.others' }).create('b', 1).catch((e: any) => console.log('p', e.code, e.cause))
    setTimeout(() => { console.log('commit'); other.exec('commit') }, 100)
    waiting.then(() => console.log('waiting'))
    preparing.then(() => console.log('preparing'))
    await Promise.all([waiting, preparing])
    await patient.close()
})
