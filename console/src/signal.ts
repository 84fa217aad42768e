// A value that components watch: use(signal) draws them again when it changes.
import { useEffect, useState } from 'preact/hooks';

export interface Signal<T> {
  get(): T;
  set(next: T): void;
  watch(listener: () => void): () => void;
}

export function signal<T>(first: T): Signal<T> {
  let value = first;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      [...listeners].forEach((listener) => listener());
    },
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export function use<T>(source: Signal<T>): T {
  const [, draw] = useState(0);
  useEffect(() => source.watch(() => draw((count) => count + 1)), [source]);
  return source.get();
}
