import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext } from 'playwright-core';

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface Browser {
  readonly context: BrowserContext;
  stop(): Promise<void>;
}

/** Starts a browser of its own. @throws Error with how to get one when there is none */
export async function startBrowser(): Promise<Browser> {
  const executablePath = process.env['CHROME_PATH'] ?? '/usr/bin/chromium';
  if (!existsSync(executablePath)) {
    throw new Error(
      `there is no browser at ${executablePath}: install Chromium (Debian, Ubuntu: apt-get install chromium), or set ` +
        'CHROME_PATH to the path of a Chromium or Chrome that is installed',
    );
  }
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-browser-'));
  const context = await chromium.launchPersistentContext(folder, { executablePath, headless: true, args: flags });
  return {
    context,
    stop: async () => {
      await context.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
