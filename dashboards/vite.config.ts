// How the screens are built and served while developing. The build obeys the collector's strict CSP: no inline script, no
// inline style, no polyfill snippet; `npm run dev` proxies the API to a collector or to the fake one.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

/** Which styles have which class. */
const scopes = new Map<string, string>();
/** A class for a component's styles, shorter than Svelte's own: a hundred of those weigh a kilobyte. */
function cssHash({ css, hash }: { css: string; hash: (text: string) => string }): string {
  const name = `s${hash(css).slice(0, 4)}`;
  const other = scopes.get(name) ?? css;
  if (other !== css)
    throw new Error(`two components' styles come to ${name}; keep one digit more in vite.config.ts`);
  scopes.set(name, css);
  return name;
}

export default defineConfig({
  plugins: [svelte({ compilerOptions: { cssHash } })],
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    // Data URLs for fetched assets would need connect-src data:, which the CSP rightly refuses.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        // What every screen imports is one file: a dozen small ones are asked for one by one, and packed worse.
        codeSplitting: { groups: [{ name: 'base', test: /src\/(api|i18n|numbers|url|clock)/ }] },
      },
    },
  },
  server: {
    proxy: { '/api': process.env['AZIMUTH_URL'] ?? 'http://127.0.0.1:8361' },
  },
  test: { include: ['src/**/*.test.ts', 'dev/**/*.test.ts', 'grafana/**/*.test.ts'] },
});
