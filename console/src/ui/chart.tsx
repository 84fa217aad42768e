// A chart of what was seen so far: lines over the last minutes, with their present values as a legend. Drawn as SVG in the
// width that there is; the pointer reads a moment of it.
import { useEffect, useRef, useState } from 'preact/hooks';
import { count, span } from '../format';
import type { Sample } from '../live';

export interface Line {
  key: string;
  label: string;
  tone: number; // 1 to 6: the colours of style.css.
  fill?: boolean;
}

const height = 180;
const below = 22;
const leastSpanMs = 60_000;

// 1, 2 or 5 times a power of ten, so that about four of them fit.
function step(most: number): number {
  const rough = most / 4;
  const power = Math.pow(10, Math.floor(Math.log10(rough)));
  return ([1, 2, 5, 10].find((each) => each * power >= rough) ?? 10) * power;
}

function useWidth() {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!box.current) return;
    const seen = new ResizeObserver(([entry]) => setWidth(Math.round(entry.contentRect.width)));
    seen.observe(box.current);
    return () => seen.disconnect();
  }, []);
  return { box, width };
}

export function Chart(props: { label: string; samples: Sample[]; lines: Line[]; format?: (value: number) => string }) {
  const { box, width } = useWidth();
  const [pointed, setPointed] = useState<number | null>(null);
  const format = props.format ?? ((value: number) => count(Math.round(value)));
  const { samples, lines } = props;
  const last = samples[samples.length - 1];
  const to = last?.at ?? Date.now();
  const from = Math.min(samples[0]?.at ?? to, to - leastSpanMs);
  const most = Math.max(1, ...samples.flatMap((sample) => lines.map((line) => sample[line.key] ?? 0)));
  const grid = step(most);
  const top = Math.ceil(most / grid) * grid;
  const left = 46;
  const x = (at: number) => left + ((at - from) / (to - from)) * Math.max(0, width - left - 6);
  const y = (value: number) => 8 + (1 - value / top) * (height - 8 - below);
  const shown = pointed === null ? last : samples.reduce((best, each) => (Math.abs(x(each.at) - pointed) < Math.abs(x(best.at) - pointed) ? each : best), last);
  const path = (line: Line) =>
    samples
      .filter((sample) => sample[line.key] !== undefined)
      .map((sample, at) => `${at ? 'L' : 'M'}${x(sample.at).toFixed(1)} ${y(sample[line.key]).toFixed(1)}`)
      .join('');
  const area = (line: Line) => {
    const seen = samples.filter((sample) => sample[line.key] !== undefined);
    return seen.length ? `${path(line)}L${x(seen[seen.length - 1].at).toFixed(1)} ${y(0)}L${x(seen[0].at).toFixed(1)} ${y(0)}Z` : '';
  };
  const words = `${props.label}, the last ${span((to - from) / 1000)}: ` + lines.map((line) => `${line.label} ${last?.[line.key] === undefined ? 'not known yet' : format(last[line.key])}`).join(', ');
  return (
    <figure class="chart">
      <div ref={box} class="drawing">
        {width > 0 && (
          <svg
            width={width}
            height={height}
            role="img"
            aria-label={words}
            onPointerMove={(event) => setPointed(event.clientX - event.currentTarget.getBoundingClientRect().left)}
            onPointerLeave={() => setPointed(null)}
          >
            {Array.from({ length: Math.round(top / grid) + 1 }, (_, at) => (
              <g key={at}>
                <line class="grid" x1={left} x2={width - 6} y1={y(at * grid)} y2={y(at * grid)} />
                <text x={left - 8} y={y(at * grid) + 4} text-anchor="end">
                  {grid < 1 ? (at * grid).toFixed(1) : count(at * grid)}
                </text>
              </g>
            ))}
            <text x={left} y={height - 4}>
              {span((to - from) / 1000)} ago
            </text>
            <text x={width - 6} y={height - 4} text-anchor="end">
              now
            </text>
            {lines.map((line) => line.fill && <path key={line.key + 'area'} class={`area tone-${line.tone}`} d={area(line)} />)}
            {lines.map((line) => (
              <path key={line.key} class={`line tone-${line.tone}`} d={path(line)} />
            ))}
            {pointed !== null && shown && <line class="pointed" x1={x(shown.at)} x2={x(shown.at)} y1={8} y2={height - below} />}
            {shown && lines.map((line) => shown[line.key] !== undefined && <circle key={line.key + 'dot'} class={`dot tone-${line.tone}`} cx={x(shown.at)} cy={y(shown[line.key])} r={3.5} />)}
          </svg>
        )}
      </div>
      <figcaption>
        {lines.map((line) => (
          <span key={line.key} class="entry">
            <i class={`tone-${line.tone}`} />
            {line.label}
            <b>{shown?.[line.key] === undefined ? '–' : format(shown[line.key])}</b>
          </span>
        ))}
        {pointed !== null && shown && <span class="muted">{span((to - shown.at) / 1000)} ago</span>}
      </figcaption>
    </figure>
  );
}

// The rates of a message_stats object, for record().
export function counters(stats: Record<string, unknown> | undefined, names: string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, Number(stats?.[name] ?? 0)]));
}
