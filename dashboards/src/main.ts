// Starts the web application: over the collector, or over a snapshot when the address asks for one; or one panel of it alone.

import { mount } from 'svelte';
import { snapshotAsked } from './api/frozen.ts';
import App from './App.svelte';
import './app.css';

const target = document.getElementById('app')!;
const id = snapshotAsked(window.location);
if (window.location.pathname === '/embed')
  void import('./embed/EmbedPage.svelte').then(({ default: EmbedPage }) => mount(EmbedPage, { target }));
else if (id === null) mount(App, { target });
else
  void import('./snapshot/open.ts').then(async ({ openSnapshot }) => {
    const fault = await openSnapshot(id);
    if (fault === null) mount(App, { target });
    else mount((await import('./snapshot/Missing.svelte')).default, { target, props: { fault } });
  });
