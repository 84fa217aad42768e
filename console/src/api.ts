// Requests to the management API: JSON in, JSON out, and errors that say what to do.
import { end, session } from './session';

export class ApiError extends Error {
  constructor(
    public status: number, // 0: no answer.
    public reason: string,
    public advice: string,
  ) {
    super(reason);
  }
}

const advices: Record<number, string> = {
  0: 'It is asked again every few seconds. Is the broker running, and the network up?',
  400: 'Change what is named, and try again.',
  401: 'An administrator can give this user the tag or the permission.',
  404: 'It may have been deleted meanwhile.',
  429: 'Too many failed logins came from this address. Wait a minute.',
  503: 'The broker is busy, or its disk is. Try again in a moment.',
};

export function seg(text: string): string {
  return encodeURIComponent(text);
}

export function query(values: Record<string, string | number | boolean | undefined>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== '');
  return given.length ? '?' + new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString() : '';
}

interface Extra {
  authorization?: string;
  headers?: Record<string, string>;
}

export async function api<T = unknown>(method: string, path: string, body?: unknown, extra: Extra = {}): Promise<T> {
  const authorization = extra.authorization ?? session.get()?.authorization;
  let answer: Response;
  let text: string;
  try {
    answer = await fetch('/api' + path, {
      method,
      // The browser neither stores nor asks for a login by itself.
      credentials: 'omit',
      cache: 'no-store',
      headers: {
        'X-Requested-With': 'XMLHttpRequest',
        ...(authorization ? { Authorization: authorization } : {}),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...extra.headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    text = await answer.text();
  } catch {
    throw new ApiError(0, 'The broker does not answer', advices[0]);
  }
  if (answer.ok) return (text ? JSON.parse(text) : undefined) as T;
  let reason = answer.statusText;
  try {
    reason = JSON.parse(text).reason ?? reason;
  } catch {
    // No JSON: something between the broker and here has answered.
  }
  if (answer.status === 401 && reason === 'Login failed' && !extra.authorization) {
    end('The login does not count any more: the password or the user was changed.');
  }
  throw new ApiError(answer.status, reason, advices[answer.status] ?? '');
}

export const get = <T>(path: string) => api<T>('GET', path);
export const put = (path: string, body: unknown) => api('PUT', path, body);
export const post = <T = unknown>(path: string, body: unknown = {}) => api<T>('POST', path, body);
export const del = (path: string, headers?: Record<string, string>) => api('DELETE', path, undefined, { headers });
