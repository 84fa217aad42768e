// Where one is: the part of the address behind "#", so that every page can be linked to and "back" works.
import { signal } from './signal';

export interface Place {
  parts: string[]; // Decoded.
  query: URLSearchParams;
}

function read(): Place {
  const [path, query] = location.hash.replace(/^#/, '').split('?');
  const decode = (text: string) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  return { parts: path.split('/').filter(Boolean).map(decode), query: new URLSearchParams(query ?? '') };
}

export const place = signal<Place>(read());
window.addEventListener('hashchange', () => place.set(read()));

export const to = (...parts: string[]) => '#/' + parts.map(encodeURIComponent).join('/');
export const go = (...parts: string[]) => {
  location.hash = to(...parts);
};

// Changes the query without a new entry in the browser's history.
export function setQuery(values: Record<string, string>) {
  const now = read();
  for (const [name, value] of Object.entries(values)) {
    if (value) now.query.set(name, value);
    else now.query.delete(name);
  }
  const text = now.query.toString();
  history.replaceState(null, '', to(...now.parts) + (text ? '?' + text : ''));
  place.set(now);
}
