// Which virtual host is looked at: all of them (empty), or one. Kept in this tab.
import { signal } from './signal';

const place = 'wherry.vhost';

export const vhost = signal(sessionStorage.getItem(place) ?? '');

export function look(name: string) {
  sessionStorage.setItem(place, name);
  vhost.set(name);
}

export const vhostNames = signal<string[]>(['/']);

// Tasks belong to one: the one that is looked at, or the first.
export const oneVhost = () => vhost.get() || vhostNames.get()[0] || '/';
