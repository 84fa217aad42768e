// Numbers, sizes and times as people read them.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const count = (value: number | null | undefined) =>
  value === null || value === undefined ? '–' : Math.abs(value) < 100_000 ? whole.format(value) : short.format(value);

export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  if (value === 0) return '0/s';
  return (value < 10 ? value.toFixed(1) : count(Math.round(value))) + '/s';
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    ++unit;
  }
  return (unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)) + ' ' + units[unit];
}

export function span(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return '–';
  if (seconds < 0.001) return '<1 ms';
  if (seconds < 1) return Math.round(seconds * 1000) + ' ms';
  if (seconds < 10) return seconds.toFixed(1) + ' s';
  if (seconds < 120) return Math.round(seconds) + ' s';
  if (seconds < 7200) return Math.round(seconds / 60) + ' min';
  if (seconds < 172_800) return Math.round(seconds / 3600) + ' h';
  return Math.round(seconds / 86_400) + ' d';
}

// A time as ISO 8601, or in milliseconds since 1970.
export type Time = string | number | null | undefined;

export function ms(time: Time): number | null {
  if (time === null || time === undefined || time === '') return null;
  const at = typeof time === 'number' ? time : Date.parse(time);
  return Number.isNaN(at) ? null : at;
}

export function ago(time: Time, now = Date.now()): string {
  const at = ms(time);
  if (at === null) return '–';
  const past = (now - at) / 1000;
  if (Math.abs(past) < 1) return 'now';
  return past > 0 ? span(past) + ' ago' : 'in ' + span(-past);
}

export const clock = (time: Time) => {
  const at = ms(time);
  return at === null ? '–' : new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
};

// With the day only where it is not today.
export function moment(time: Time): string {
  const at = ms(time);
  if (at === null) return '–';
  const then = new Date(at);
  const day = then.toDateString() === new Date().toDateString() ? '' : then.toLocaleDateString(undefined, { dateStyle: 'medium' }) + ' ';
  return day + then.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });
}

export const plural = (number: number, one: string, many = one + 's') => `${count(number)} ${number === 1 ? one : many}`;

// A payload as it can be read: JSON with line breaks, anything else as it is.
export function pretty(text: string): string {
  if (text.length > 200_000 || !/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
