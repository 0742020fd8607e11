// Starts a headless Chromium for the browser checks and the pictures: Debian's, or the one named by AZIMUTH_CHROMIUM.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const executablePath = process.env.AZIMUTH_CHROMIUM ?? '/usr/bin/chromium';

export async function launch() {
  if (!existsSync(executablePath)) {
    throw new Error(`no Chromium at ${executablePath}: apt-get install chromium, or set AZIMUTH_CHROMIUM`);
  }
  return chromium.launch({
    executablePath,
    headless: true,
    // The background services would call home; the machine that runs the checks may have no way out.
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
