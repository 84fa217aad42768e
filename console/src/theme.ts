// Light, dark, or as the system has it.
import { signal } from './signal';

type Theme = '' | 'light' | 'dark';
const place = 'wherry.theme';

function read(): Theme {
  try {
    return (localStorage.getItem(place) as Theme) ?? '';
  } catch {
    return '';
  }
}

export const theme = signal<Theme>(read());

export function dark(): boolean {
  return theme.get() === 'dark' || (theme.get() === '' && matchMedia('(prefers-color-scheme: dark)').matches);
}

export function show(next: Theme) {
  if (next) document.documentElement.dataset.theme = next;
  else delete document.documentElement.dataset.theme;
  try {
    localStorage.setItem(place, next);
  } catch {
    // A browser that keeps nothing shows what the system has, next time.
  }
  theme.set(next);
}

show(theme.get());
