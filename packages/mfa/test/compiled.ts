import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const folder = fileURLToPath(new URL('..', import.meta.url))

/** One file of the sources as the build makes it: what a site serves. */
export async function compiled(name: string): Promise<string> {
  const out = await mkdtemp(join(tmpdir(), 'portcullis-mfa-'))
  try {
    const config = join(out, 'tsconfig.json')
    const compilerOptions = {
      rootDir: join(folder, 'src'),
      outDir: out,
      declaration: true,
      declarationMap: false,
      sourceMap: false,
      types: ['node'],
      typeRoots: [join(folder, 'node_modules/@types')],
    }
    await writeFile(
      config,
      JSON.stringify({
        extends: join(folder, 'tsconfig.build.json'),
        include: [],
        files: [join(folder, 'src', `${name}.ts`)],
        compilerOptions: { ...compilerOptions },
      }),
    )
    const compiler = dirname(createRequire(import.meta.url).resolve('typescript/package.json'))
    await promisify(execFile)(process.execPath, [join(compiler, 'bin/tsc'), '-p', config])
    return await readFile(join(out, `${name}.js`), 'utf8')
  } finally {
    await rm(out, { recursive: true })
  }
}
