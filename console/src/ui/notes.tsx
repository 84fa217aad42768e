// What has been done, said in a corner for a while, and to screen readers.
import { signal, use } from '../signal';

interface Note {
  id: number;
  text: string;
}

const notes = signal<Note[]>([]);
const shownMs = 6000;
let next = 0;

export function notify(text: string) {
  const note = { id: ++next, text };
  notes.set([...notes.get(), note]);
  setTimeout(() => notes.set(notes.get().filter((each) => each !== note)), shownMs);
}

export function Notes() {
  return (
    <div class="notes" role="status" aria-live="polite">
      {use(notes).map((note) => (
        <p key={note.id}>{note.text}</p>
      ))}
    </div>
  );
}
