// Dialogs and forms: the browser's own <dialog>, which keeps the focus inside and closes on Escape.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { Button, ErrorBox } from './basics';
import { notify } from './notes';
import type { IconName } from './icons';

export function Dialog(props: { title: string; close: () => void; children: ComponentChildren; wide?: boolean }) {
  const box = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const shown = box.current!;
    shown.showModal();
    return () => {
      // Behind an open dialog nothing can have the focus.
      shown.close();
      before?.focus?.();
    };
  }, []);
  return (
    <dialog
      ref={box}
      class={props.wide ? 'wide' : ''}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        props.close();
      }}
    >
      <header>
        <h2 id={id}>{props.title}</h2>
        <Button kind="quiet" icon="close" label="Close" onClick={props.close}>
          {''}
        </Button>
      </header>
      {props.children}
    </dialog>
  );
}

// A form in a dialog: run() may throw, and then what it threw is shown and the form stays.
export function FormDialog(props: {
  title: string;
  close: () => void;
  run: () => Promise<string | void>; // A sentence that says what is done.
  action: string;
  danger?: boolean;
  wide?: boolean;
  disabled?: boolean;
  children: ComponentChildren;
}) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error>();
  const submit = async (event: JSX.TargetedSubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const said = await props.run();
      if (said) notify(said);
      props.close();
    } catch (refused) {
      setError(refused as Error);
      setBusy(false);
    }
  };
  return (
    <Dialog title={props.title} close={props.close} wide={props.wide}>
      <form onSubmit={submit}>
        <div class="fields">{props.children}</div>
        <ErrorBox error={error} />
        <footer>
          <Button onClick={props.close}>Cancel</Button>
          <Button type="submit" kind={props.danger ? 'danger' : 'primary'} disabled={busy || props.disabled}>
            {busy ? 'Working…' : props.action}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}

// A button that asks before it does what cannot be undone.
export function Confirm(props: {
  label: string;
  title: string;
  words: ComponentChildren;
  run: () => Promise<string | void>;
  icon?: IconName;
  danger?: boolean;
  kind?: 'plain' | 'danger' | 'quiet';
  disabled?: boolean;
  ariaLabel?: string;
}) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button kind={props.kind ?? 'plain'} icon={props.icon} disabled={props.disabled} label={props.ariaLabel} onClick={() => setOpen(true)}>
        {props.label}
      </Button>
      {open && (
        <FormDialog title={props.title} action={props.label || props.title} danger={props.danger ?? true} close={() => setOpen(false)} run={props.run}>
          <div class="words">{props.words}</div>
        </FormDialog>
      )}
    </>
  );
}

// A button that opens a dialog; children gets what closes it.
export function Opens(props: {
  label: string;
  icon?: IconName;
  kind?: 'plain' | 'primary' | 'quiet';
  ariaLabel?: string;
  disabled?: boolean;
  children: (close: () => void) => ComponentChildren;
}) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button icon={props.icon} kind={props.kind} label={props.ariaLabel} disabled={props.disabled} onClick={() => setOpen(true)}>
        {props.label}
      </Button>
      {open && props.children(() => setOpen(false))}
    </>
  );
}

// --- fields ---

interface FieldProps {
  label: string;
  hint?: ComponentChildren;
  value: string;
  set: (value: string) => void;
  required?: boolean;
}

export function Field(props: FieldProps & { type?: string; list?: string[]; min?: number; autocomplete?: string }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <input
        id={id}
        type={props.type ?? 'text'}
        value={props.value}
        required={props.required}
        min={props.min}
        autocomplete={props.autocomplete ?? 'off'}
        spellcheck={false}
        list={props.list ? id + 'list' : undefined}
        aria-describedby={props.hint ? id + 'hint' : undefined}
        onInput={(event) => props.set(event.currentTarget.value)}
      />
      {props.list && (
        <datalist id={id + 'list'}>
          {props.list.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
      )}
      {props.hint && <p id={id + 'hint'}>{props.hint}</p>}
    </div>
  );
}

export function Area(props: FieldProps & { rows?: number }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <textarea
        id={id}
        rows={props.rows ?? 5}
        value={props.value}
        spellcheck={false}
        aria-describedby={props.hint ? id + 'hint' : undefined}
        onInput={(event) => props.set(event.currentTarget.value)}
      />
      {props.hint && <p id={id + 'hint'}>{props.hint}</p>}
    </div>
  );
}

export function Choice(props: FieldProps & { of: (string | [string, string])[] }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <select id={id} value={props.value} onChange={(event) => props.set(event.currentTarget.value)}>
        {props.of.map((each) => {
          const [value, label] = typeof each === 'string' ? [each, each] : each;
          return (
            <option key={value} value={value}>
              {label}
            </option>
          );
        })}
      </select>
      {props.hint && <p>{props.hint}</p>}
    </div>
  );
}

export function Check(props: { label: string; value: boolean; set: (value: boolean) => void }) {
  return (
    <label class="check">
      <input type="checkbox" checked={props.value} onChange={(event) => props.set(event.currentTarget.checked)} />
      {props.label}
    </label>
  );
}

// The object that a text of JSON is; what is wrong with it names the field.
export function objectOf(text: string, field: string): Record<string, unknown> {
  if (!text.trim()) return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${field} is no JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${field} is a JSON object, such as {"name": 1}`);
  return value as Record<string, unknown>;
}
