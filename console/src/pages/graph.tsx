import { useMemo, useState } from 'preact/hooks';
import { seg } from '../api';
import { count } from '../format';
import { box, path, place, type Edge, type Node } from '../layout';
import { first, useLive, type Page } from '../live';
import { to } from '../router';
import { use } from '../signal';
import type { BindingRow, ExchangeRow, QueueRow } from '../types';
import { Card, Empty, ErrorBox, Heading, Loading, Search } from '../ui/basics';
import { Bindings } from '../ui/bindings';
import { oneVhost, vhost, vhostNames } from '../vhosts';

const mostNodes = 150;

function graphOf(bindings: BindingRow[], exchanges: ExchangeRow[], wanted: string) {
  const nodes = new Map<string, Node>();
  const edges = new Map<string, Edge>();
  const add = (kind: Node['kind'], name: string) => {
    const id = kind + '\n' + name;
    if (!nodes.has(id)) nodes.set(id, { id, kind, name });
    return id;
  };
  // The default exchange reaches every queue: to draw that says nothing.
  for (const binding of bindings.filter((each) => each.source !== '')) {
    const fits = [binding.source, binding.destination, binding.routing_key].some((text) => text.toLowerCase().includes(wanted.toLowerCase()));
    if (!fits) continue;
    const from = add('exchange', binding.source);
    const target = add(binding.destination_type, binding.destination);
    const id = from + '\n\n' + target;
    const edge = edges.get(id) ?? { from, to: target, labels: [] };
    const given = Object.keys(binding.arguments).length ? JSON.stringify(binding.arguments).replace(/"/g, '') : '';
    edge.labels.push(binding.routing_key || given);
    edges.set(id, edge);
  }
  // Those that lead nowhere are worth seeing, but for the broker's own.
  for (const each of exchanges) {
    if (each.name && !each.name.startsWith('amq.') && each.name.toLowerCase().includes(wanted.toLowerCase())) add('exchange', each.name);
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}

const cut = (text: string, most: number) => (text.length > most ? text.slice(0, most - 1) + '…' : text);

export function Graph() {
  use(vhost);
  use(vhostNames);
  const where = oneVhost();
  const [wanted, setWanted] = useState('');
  const [near, setNear] = useState<string | null>(null);
  // Backwards, for those of the default exchange are as many as there are queues, and are not drawn.
  const asked = useLive<Page<BindingRow>>(first(`/bindings/${seg(where)}`, { sort: 'source', sort_reverse: true }), 6000);
  const exchangesAsked = useLive<Page<ExchangeRow>>(first(`/exchanges/${seg(where)}`, { columns: 'name,type' }), 6000);
  const queues = useLive<Page<QueueRow>>(first(`/queues/${seg(where)}`, { columns: 'name,messages_ready', disable_stats: true }), 6000);
  const bindings = { ...asked, data: asked.data?.items };
  const exchanges = { ...exchangesAsked, data: exchangesAsked.data?.items };
  const some = asked.data && asked.data.items.length < asked.data.total_count && asked.data.items.every((each) => each.source !== '');
  const text = JSON.stringify([bindings.data, exchanges.data?.map((each) => each.name)]);
  const drawn = useMemo(() => {
    const graph = graphOf(bindings.data ?? [], exchanges.data ?? [], wanted);
    return graph.nodes.length > mostNodes ? { ...graph, place: null } : { ...graph, place: place(graph.nodes, graph.edges) };
  }, [text, wanted]);
  const depth = new Map((queues.data?.items ?? []).map((each) => [each.name, each]));
  const kind = new Map((exchanges.data ?? []).map((each) => [each.name, each.type]));
  const error = bindings.error ?? exchanges.error;
  const lit = (edge: Edge) => near !== null && (edge.from === near || edge.to === near);
  const reached = new Set(drawn.edges.filter(lit).flatMap((edge) => [edge.from, edge.to]));
  return (
    <>
      <Heading title="Routes" kicker={where} />
      <div class="bar">
        <Search value={wanted} set={setWanted} label="Filter by exchange, queue or key" />
        <span class="legend muted">
          <i class="exchange" /> exchange <i class="queue" /> queue
        </span>
      </div>
      <ErrorBox error={error} />
      {some && <p class="muted">These are {count(asked.data!.items.length)} of {count(asked.data!.total_count)} bindings: the page of an exchange has all of its own.</p>}
      {(!bindings.data || !exchanges.data) && !error && <Loading />}
      {bindings.data && exchanges.data && drawn.nodes.length === 0 && (
        <Empty title={wanted ? 'Nothing fits the filter' : 'Nothing is bound yet'} icon="graph">
          {wanted ? 'Take away letters to see more.' : 'Messages to the default exchange go to the queue that the routing key names. An exchange with bindings shows up here.'}
        </Empty>
      )}
      {!drawn.place && (
        <Empty title={`${count(drawn.nodes.length)} exchanges and queues are too many for a picture`} icon="graph">
          Filter by a part of a name, or look at the table below.
        </Empty>
      )}
      {drawn.place && drawn.nodes.length > 0 && (
        <div class="card graph" tabIndex={0} role="group" aria-label="Picture of the bindings; the table below has the same">
          <svg width={drawn.place.width} height={drawn.place.height}>
            {drawn.place.ways.map(({ edge, points }) => (
              <path key={edge.from + edge.to} class={'edge' + (lit(edge) ? ' lit' : near ? ' dim' : '')} d={path(points)} />
            ))}
            {drawn.place.ways.map(({ edge, points }) => {
              const label = cut(edge.labels.filter(Boolean).join(', '), 20);
              if (!label || (near && !lit(edge))) return null;
              // On the last stretch: where several lines end, each label is nearer to where its own comes from.
              const [[x1, y1], [x2, y2]] = points.slice(-2);
              return (
                <text key={'label' + edge.from + edge.to} class="key" x={x1 + (x2 - x1) * 0.55} y={y1 + (y2 - y1) * 0.57 - 4} text-anchor="middle">
                  {label}
                </text>
              );
            })}
            {[...drawn.place.placed.values()].map((node) => {
              const queue = node.kind === 'queue' ? depth.get(node.name) : undefined;
              const note = node.kind === 'exchange' ? (kind.get(node.name) ?? '').replace('x-', '') : queue ? count(queue.messages_ready) : '';
              return (
                <a
                  key={node.id}
                  href={to(node.kind === 'queue' ? 'queues' : 'exchanges', where, node.name)}
                  class={`node ${node.kind}` + (near && !reached.has(node.id) && near !== node.id ? ' dim' : '')}
                  aria-label={`${node.kind} ${node.name}${queue ? `, ${count(queue.messages_ready)} ready` : ''}`}
                  onMouseEnter={() => setNear(node.id)}
                  onMouseLeave={() => setNear(null)}
                  onFocus={() => setNear(node.id)}
                  onBlur={() => setNear(null)}
                >
                  <title>{node.name}</title>
                  <rect x={node.x} y={node.y} width={box.width} height={box.height} rx={node.kind === 'exchange' ? box.height / 2 : 7} />
                  <text x={node.x + 14} y={node.y + 22}>
                    {cut(node.name, note ? 16 : 22)}
                  </text>
                  <text class="note" x={node.x + box.width - 12} y={node.y + 22} text-anchor="end">
                    {cut(note, 10)}
                  </text>
                </a>
              );
            })}
          </svg>
        </div>
      )}
      {bindings.data && bindings.data.some((each) => each.source !== '') && (
        <Card title="The same as a table">
          <AllBindings rows={bindings.data.filter((each) => each.source !== '')} changed={bindings.reload} />
        </Card>
      )}
    </>
  );
}

function AllBindings(props: { rows: BindingRow[]; changed: () => void }) {
  const sources = [...new Set(props.rows.map((each) => each.source))].sort();
  return (
    <>
      {sources.map((source) => (
        <details key={source} class="fold">
          <summary>
            {source} <span class="muted">{count(props.rows.filter((each) => each.source === source).length)}</span>
          </summary>
          <Bindings rows={props.rows.filter((each) => each.source === source)} vhost={props.rows[0].vhost} from={source} changed={props.changed} />
        </details>
      ))}
    </>
  );
}
