// Drawn for the console, 20 by 20, in strokes of the text's colour.
const paths = {
  overview: 'M3 11l4-4 3 3 6-6M3 16h14',
  queue: 'M3 5h14M3 10h14M3 15h9',
  exchange: 'M3 6h11l-3-3M17 14H6l3 3',
  graph: 'M5 3a2 2 0 110 4 2 2 0 010-4zM5 13a2 2 0 110 4 2 2 0 010-4zM15 8a2 2 0 110 4 2 2 0 010-4zM6.8 6l6.4 3M6.8 14l6.4-3',
  connection: 'M8 12l4-4M7 8L5 10a3 3 0 004.5 4.5l1-1M13 12l2-2a3 3 0 00-4.5-4.5l-1 1',
  channel: 'M3 7h14M3 13h14M7 4v6M13 10v6',
  task: 'M4 10.5l4 4 8-9',
  dead: 'M4 16l12-12M4 4l12 12',
  worker: 'M10 3v2M10 15v2M3 10h2M15 10h2M10 7a3 3 0 110 6 3 3 0 010-6zM5 5l1.5 1.5M13.5 13.5L15 15M15 5l-1.5 1.5M6.5 13.5L5 15',
  schedule: 'M10 3a7 7 0 110 14 7 7 0 010-14zM10 6v4l3 2',
  user: 'M10 4a3 3 0 110 6 3 3 0 010-6zM4 17c1-4 11-4 12 0',
  vhost: 'M3 4h14v4H3zM3 12h14v4H3zM6 6h.01M6 14h.01',
  policy: 'M10 3l6 2v5c0 4-3 6-6 7-3-1-6-3-6-7V5z',
  search: 'M9 4a5 5 0 110 10A5 5 0 019 4zM13 13l4 4',
  plus: 'M10 4v12M4 10h12',
  trash: 'M4 6h12M8 6V4h4v2M6 6l1 11h6l1-11',
  pause: 'M7 5v10M13 5v10',
  play: 'M7 5l8 5-8 5z',
  send: 'M3 10l14-6-5 13-3-5z',
  move: 'M4 10h12M12 6l4 4-4 4',
  menu: 'M3 6h14M3 10h14M3 14h14',
  close: 'M5 5l10 10M15 5L5 15',
  warning: 'M10 3l8 14H2zM10 8v4M10 14.5v.01',
  empty: 'M3 12l2-7h10l2 7v4H3zM3 12h4l1 2h4l1-2h4',
  out: 'M8 4H4v12h4M9 10h8M14 7l3 3-3 3',
  sun: 'M10 6.5a3.5 3.5 0 110 7 3.5 3.5 0 010-7zM10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.5 4.5l1 1M14.5 14.5l1 1M15.5 4.5l-1 1M5.5 14.5l-1 1',
  moon: 'M16 12A7 7 0 018 4a6.5 6.5 0 108 8z',
  edit: 'M4 16l1-4 8-8 3 3-8 8z',
  again: 'M16 10a6 6 0 11-2-4.5M16 3v3.5h-3.5',
  down: 'M10 4v9M6 9l4 4 4-4M4 17h12',
  chevron: 'M8 5l5 5-5 5',
} as const;

export type IconName = keyof typeof paths;

export const Icon = (props: { name: IconName }) => (
  <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
    <path d={paths[props.name]} />
  </svg>
);
