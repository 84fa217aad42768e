// Who is logged in: kept for this tab only, and gone with it. Credentials go as an Authorization header, never as a
// cookie, so that no other page can make the browser send them.
import { signal } from './signal';

export interface Session {
  user: string;
  authorization: string;
  tags: string[];
}

const place = 'wherry.session';

function read(): Session | null {
  try {
    return JSON.parse(sessionStorage.getItem(place) ?? 'null');
  } catch {
    return null;
  }
}

export const session = signal<Session | null>(read());
// Why one has to log in again; empty at first.
export const sessionNote = signal('');

export function basic(user: string, password: string): string {
  const bytes = new TextEncoder().encode(user + ':' + password);
  return 'Basic ' + btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

export function begin(next: Session) {
  sessionStorage.setItem(place, JSON.stringify(next));
  sessionNote.set('');
  session.set(next);
}

export function end(note = '') {
  sessionStorage.removeItem(place);
  sessionNote.set(note);
  session.set(null);
}

// Tags as the broker reads them; see docs/management.md.
export function may(tag: 'administrator' | 'monitoring' | 'policymaker'): boolean {
  const tags = session.get()?.tags ?? [];
  return tags.includes('administrator') || tags.includes(tag);
}
