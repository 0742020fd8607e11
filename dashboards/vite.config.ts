// How the screens are built and served while developing. The build obeys the collector's strict CSP: no inline script, no
// inline style, no polyfill snippet; `npm run dev` proxies the API to a collector or to the fake one.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    // Data URLs for fetched assets would need connect-src data:, which the CSP rightly refuses.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: {
    proxy: { '/api': process.env['AZIMUTH_URL'] ?? 'http://127.0.0.1:8361' },
  },
  test: { include: ['src/**/*.test.ts', 'dev/**/*.test.ts', 'grafana/**/*.test.ts'] },
});
