// What a page shows is asked for again and again while somebody looks at it.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, get, query } from './api';
import { session } from './session';

export interface Live<T> {
  data: T | undefined; // The last answer; kept when a later one fails.
  error: ApiError | undefined;
  reload: () => void;
}

const everyMs = 3000;

// path: null asks nothing.
export function useLive<T>(path: string | null, ms = everyMs, heard?: (data: T) => void): Live<T> {
  const [state, setState] = useState<{ path: string | null; data?: T; error?: ApiError }>({ path });
  const [turn, setTurn] = useState(0);
  const listener = useRef(heard);
  listener.current = heard;
  useEffect(() => {
    if (path === null) return;
    let over = false;
    let timer = 0;
    let tookMs = 0;
    const again = () => {
      // What is hard for the broker is asked for less often.
      if (!over) timer = window.setTimeout(ask, Math.max(ms, 5 * tookMs));
    };
    const ask = async () => {
      const began = Date.now();
      // A tab that nobody sees asks nothing, nor does one that has logged out.
      if (document.hidden || !session.get()) return again();
      try {
        const data = await get<T>(path);
        tookMs = Date.now() - began;
        if (over) return;
        listener.current?.(data);
        setState({ path, data });
      } catch (error) {
        if (over) return;
        const refused = error instanceof ApiError ? error : new ApiError(0, String(error), '');
        setState((before) => ({ path, data: before.path === path ? before.data : undefined, error: refused }));
      }
      again();
    };
    const seen = () => {
      if (document.hidden) return;
      clearTimeout(timer);
      ask();
    };
    document.addEventListener('visibilitychange', seen);
    ask();
    return () => {
      over = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [path, ms, turn]);
  const reload = useCallback(() => setTurn((count) => count + 1), []);
  return { data: state.path === path ? state.data : undefined, error: state.path === path ? state.error : undefined, reload };
}

export interface Page<T> {
  items: T[];
  filtered_count: number;
  total_count: number;
  page: number;
  page_count: number;
}

const mostAtOnce = 500;

// The beginning of a listing that may be of fifty thousand, for pictures and for what fields suggest.
export const first = (path: string, more: Record<string, string | boolean> = {}) =>
  path + query({ page: 1, page_size: mostAtOnce, pagination: true, ...more });

export function useNames(path: string | null): string[] {
  const { data } = useLive<Page<{ name: string }>>(path && first(path, { columns: 'name', disable_stats: true, sort: 'name' }), 60_000);
  return (data?.items ?? []).map((each) => each.name).filter(Boolean);
}

// --- what was seen so far, for charts; outlives the page that shows it ---

export type Sample = { at: number } & Record<string, number>;
const keptSamples = 200;
const histories = new Map<string, Sample[]>();

// counters become rates per second; the rest stays as it is.
export function record(key: string, values: Record<string, number>, counters: Record<string, number>): Sample[] {
  const at = Date.now();
  const history = histories.get(key) ?? [];
  const before = history[history.length - 1];
  if (before && at - before.at < 500) return history;
  const sample: Sample = { at, ...values };
  for (const [name, count] of Object.entries(counters)) {
    sample['#' + name] = count;
    const last = before?.['#' + name];
    // A broker that started again begins from zero.
    if (last !== undefined) sample[name] = Math.max(0, count - last) / ((at - before.at) / 1000);
  }
  const next = [...history.slice(-keptSamples + 1), sample];
  histories.set(key, next);
  return next;
}

export const seenSoFar = (key: string) => histories.get(key) ?? [];
