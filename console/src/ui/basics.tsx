// The small parts that pages are made of.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ApiError } from '../api';
import { ago, clock, type Time } from '../format';
import { Icon, type IconName } from './icons';

export function Button(props: {
  children: ComponentChildren;
  onClick?: () => void;
  icon?: IconName;
  kind?: 'plain' | 'primary' | 'danger' | 'quiet';
  type?: 'button' | 'submit';
  disabled?: boolean;
  label?: string;
  pressed?: boolean;
}) {
  return (
    <button
      type={props.type ?? 'button'}
      class={'button ' + (props.kind ?? 'plain')}
      disabled={props.disabled}
      aria-label={props.label}
      aria-pressed={props.pressed}
      onClick={props.onClick}
    >
      {props.icon && <Icon name={props.icon} />}
      {props.children}
    </button>
  );
}

export function Badge(props: { children: ComponentChildren; tone?: 'good' | 'bad' | 'warn' | 'info' | 'plain'; title?: string }) {
  return (
    <span class={'badge ' + (props.tone ?? 'plain')} title={props.title}>
      {props.children}
    </span>
  );
}

export function Card(props: { title?: string; actions?: ComponentChildren; children: ComponentChildren; class?: string; id?: string }) {
  const id = props.id ?? (props.title ? 'card-' + props.title.toLowerCase().replace(/[^a-z]+/g, '-') : undefined);
  return (
    <section class={'card ' + (props.class ?? '')} aria-labelledby={props.title ? id : undefined}>
      {(props.title || props.actions) && (
        <header>
          {props.title && <h2 id={id}>{props.title}</h2>}
          {props.actions && <div class="actions">{props.actions}</div>}
        </header>
      )}
      {props.children}
    </section>
  );
}

export function Heading(props: { title: string; kicker?: ComponentChildren; badges?: ComponentChildren; children?: ComponentChildren }) {
  useEffect(() => {
    document.title = props.title + ' · Wherry';
  }, [props.title]);
  return (
    <div class="heading">
      <div class="names">
        {props.kicker && <p class="kicker">{props.kicker}</p>}
        <h1 tabIndex={-1}>{props.title}</h1>
        {props.badges && <div class="badges">{props.badges}</div>}
      </div>
      {props.children && <div class="actions">{props.children}</div>}
    </div>
  );
}

export function Tile(props: { label: string; value: ComponentChildren; note?: ComponentChildren; href?: string; tone?: string }) {
  const inside = (
    <>
      <span class="label">{props.label}</span>
      <span class="value">{props.value}</span>
      {props.note !== undefined && <span class="note">{props.note}</span>}
    </>
  );
  return props.href ? (
    <a class={'tile ' + (props.tone ?? '')} href={props.href}>
      {inside}
    </a>
  ) : (
    <div class={'tile ' + (props.tone ?? '')}>{inside}</div>
  );
}

export function Empty(props: { title: string; children?: ComponentChildren; icon?: IconName }) {
  return (
    <div class="empty">
      <Icon name={props.icon ?? 'empty'} />
      <p class="title">{props.title}</p>
      {props.children && <div class="words">{props.children}</div>}
    </div>
  );
}

export function ErrorBox(props: { error: ApiError | Error | undefined | null; what?: string }) {
  if (!props.error) return null;
  const advice = 'advice' in props.error ? props.error.advice : '';
  return (
    <div class="error" role="alert">
      <Icon name="warning" />
      <div>
        <strong>
          {props.what ? props.what + ': ' : ''}
          {props.error.message}
        </strong>
        {advice && <p>{advice}</p>}
      </div>
    </div>
  );
}

// What a page shows until there is something to show.
export function Loading() {
  return (
    <div class="loading" role="status">
      <span class="visually-hidden">Loading</span>
      <i />
      <i />
      <i />
    </div>
  );
}

export function Facts(props: { of: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {props.of
        .filter(([, value]) => value !== undefined && value !== null && value !== '')
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

export function Meter(props: { label: string; value: number; most: number; text: string; mark?: number }) {
  const share = props.most > 0 ? Math.min(1, props.value / props.most) : 0;
  const tone = share > 0.9 ? 'bad' : share > 0.7 ? 'warn' : 'good';
  return (
    <div class="meter">
      <div class="words">
        <span>{props.label}</span>
        <span>{props.text}</span>
      </div>
      <svg class={tone} role="img" aria-label={`${props.label}: ${props.text}`} viewBox="0 0 100 4" preserveAspectRatio="none">
        <rect class="track" width="100" height="4" />
        <rect class="fill" width={Math.max(share * 100, 0.6)} height="4" />
      </svg>
    </div>
  );
}

export function When(props: { time: Time }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 5000);
    return () => clearInterval(timer);
  }, []);
  return <time title={clock(props.time)}>{ago(props.time)}</time>;
}

export function Tabs(props: { of: { key: string; label: string; count?: number }[]; now: string; go: (key: string) => void; label: string }) {
  return (
    <nav class="tabs" aria-label={props.label}>
      {props.of.map((tab) => (
        <button
          key={tab.key}
          type="button"
          aria-current={props.now === tab.key ? 'true' : undefined}
          onClick={() => props.go(tab.key)}
        >
          {tab.label}
          {tab.count !== undefined && <span class="count">{tab.count}</span>}
        </button>
      ))}
    </nav>
  );
}

export function Search(props: { value: string; set: (text: string) => void; label: string }) {
  return (
    <label class="search">
      <Icon name="search" />
      <span class="visually-hidden">{props.label}</span>
      <input
        type="search"
        placeholder={props.label}
        value={props.value}
        onInput={(event: JSX.TargetedInputEvent<HTMLInputElement>) => props.set(event.currentTarget.value)}
      />
    </label>
  );
}

export const Code = (props: { text: string }) => (
  <pre class="code" tabIndex={0}>
    {props.text}
  </pre>
);
