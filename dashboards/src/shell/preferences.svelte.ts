// What belongs to the reader and not to the view: theme and language. Kept in this browser; `?theme=` and `?lang=` override
// them for one visit, which is how a link or a test asks for a look.

import type { Theme } from '../draw/colour.ts';

export const THEME_CHOICES = ['auto', 'light', 'dark'] as const;
export type ThemeChoice = (typeof THEME_CHOICES)[number];
export const CONTRAST_CHOICES = ['auto', 'more'] as const;
export type ContrastChoice = (typeof CONTRAST_CHOICES)[number];
export const LANGUAGES = ['en', 'fr'] as const;
export type Language = (typeof LANGUAGES)[number];

function stored(name: string): string | null {
  try {
    return localStorage.getItem(`azimuth.${name}`);
  } catch {
    return null; // storage may be forbidden; preferences then last one visit
  }
}

function store(name: string, value: string): void {
  try {
    localStorage.setItem(`azimuth.${name}`, value);
  } catch {
    // see stored()
  }
}

function choice<T extends string>(name: string, allowed: readonly T[], fallback: T): T {
  const asked = new URLSearchParams(window.location.search).get(name) ?? stored(name);
  return allowed.includes(asked as T) ? (asked as T) : fallback;
}

function browserLanguage(): Language {
  const first = navigator.languages.find((tag) => LANGUAGES.some((one) => tag.startsWith(one)));
  return first?.startsWith('fr') ? 'fr' : 'en';
}

class Preferences {
  #theme = $state<ThemeChoice>(choice('theme', THEME_CHOICES, 'auto'));
  #contrast = $state<ContrastChoice>(choice('contrast', CONTRAST_CHOICES, 'auto'));
  #language = $state<Language>(choice('lang', LANGUAGES, browserLanguage()));
  #singleKeys = $state(choice('keys', ['on', 'off'], 'on') === 'on');
  #systemDark = $state(false);

  constructor() {
    const dark = window.matchMedia('(prefers-color-scheme: dark)');
    this.#systemDark = dark.matches;
    dark.addEventListener('change', () => (this.#systemDark = dark.matches));
    this.#apply();
  }

  get theme(): ThemeChoice {
    return this.#theme;
  }
  set theme(value: ThemeChoice) {
    this.#theme = value;
    store('theme', value);
    this.#apply();
  }

  /** The theme in effect: charts on canvas need to know it. */
  get look(): Theme {
    if (this.#theme === 'auto') return this.#systemDark ? 'dark' : 'light';
    return this.#theme;
  }

  /** `auto` follows the system's wish for more contrast. */
  get contrast(): ContrastChoice {
    return this.#contrast;
  }
  set contrast(value: ContrastChoice) {
    this.#contrast = value;
    store('contrast', value);
    this.#apply();
  }

  get language(): Language {
    return this.#language;
  }
  set language(value: Language) {
    this.#language = value;
    store('lang', value);
    this.#apply();
  }

  /** Whether a key alone does something, such as `?`. */
  get singleKeys(): boolean {
    return this.#singleKeys;
  }
  set singleKeys(value: boolean) {
    this.#singleKeys = value;
    store('keys', value ? 'on' : 'off');
  }

  #apply(): void {
    document.documentElement.dataset['theme'] = this.#theme;
    document.documentElement.dataset['contrast'] = this.#contrast;
    document.documentElement.lang = this.#language;
  }
}

export const preferences = new Preferences();
