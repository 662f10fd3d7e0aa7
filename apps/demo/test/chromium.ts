import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { expect, it } from 'vitest'

const executablePath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .flatMap((folder) => ['chromium', 'chromium-browser', 'google-chrome'].map((name) => join(folder, name)))
  .find((path) => existsSync(path))

/** Whether there is a browser. */
export const hasChromium: boolean = executablePath !== undefined

/** Declares the test that fails in CI where there is no browser. */
export function requireChromium(): void {
  it('Chromium is on the PATH, or this is not CI and the suite below is skipped by name', () => {
    if (process.env['CI'] === 'true') expect(executablePath).toBeDefined()
  })
}

/** The browser of the machine. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    ...(executablePath === undefined ? {} : { executablePath }),
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
