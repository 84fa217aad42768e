import { useEffect, useRef, useState } from 'preact/hooks';
import { api, type ApiError } from './api';
import { basic, begin, sessionNote } from './session';
import { use } from './signal';
import { Button, ErrorBox } from './ui/basics';

export function Login() {
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  const first = useRef<HTMLInputElement>(null);
  const note = use(sessionNote);
  useEffect(() => {
    document.title = 'Log in · Wherry';
    first.current?.focus();
  }, []);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    const authorization = basic(user, password);
    try {
      const who = await api<{ name: string; tags: string[] }>('GET', '/whoami', undefined, { authorization });
      begin({ user: who.name, authorization, tags: who.tags });
    } catch (refused) {
      const why = refused as ApiError;
      if (why.status === 401) {
        why.message = why.reason === 'Login failed' ? 'This user and password are not known here' : 'This user may not use the console';
        why.advice =
          why.reason === 'Login failed'
            ? 'Mind that guest is let in from the broker’s own machine only.'
            : 'It needs one of the tags management, policymaker, monitoring or administrator.';
      }
      setError(why);
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <form onSubmit={submit} aria-labelledby="login-title">
        <img src="/icon.svg" alt="" width="56" height="56" />
        <h1 id="login-title">Wherry</h1>
        <p class="muted">The broker’s console</p>
        {note && !error && <p class="note">{note}</p>}
        <div class="field">
          <label for="user">User</label>
          <input id="user" ref={first} name="user" autocomplete="username" autocapitalize="none" spellcheck={false} required value={user} onInput={(event) => setUser(event.currentTarget.value)} />
        </div>
        <div class="field">
          <label for="password">Password</label>
          <input id="password" name="password" type="password" autocomplete="current-password" required value={password} onInput={(event) => setPassword(event.currentTarget.value)} />
        </div>
        <ErrorBox error={error} />
        <Button type="submit" kind="primary" disabled={busy}>
          {busy ? 'Asking…' : 'Log in'}
        </Button>
      </form>
    </main>
  );
}
