import { useState } from 'preact/hooks';
import { post, query, seg } from '../api';
import { bytes, clock, count, plural, pretty } from '../format';
import { useLive, useNames } from '../live';
import type { PageProps } from '../pages';
import { go, place, setQuery, to } from '../router';
import { use } from '../signal';
import type { QueueRow } from '../types';
import { Badge, Button, Card, Code, Empty, ErrorBox, Facts, Heading, Loading, When } from '../ui/basics';
import { Choice, Confirm, Field } from '../ui/dialog';
import { Table } from '../ui/table';
import { oneVhost, vhost, vhostNames } from '../vhosts';

interface Row {
  key: string;
  id: string;
  task: string;
  queue: string;
  dead_at: string;
  reason: string;
  error: string;
  attempts: number;
  crashes: number;
  replays: number;
  bytes: number;
}

interface Whole extends Row {
  args: string;
  kwargs: string;
  history: { attempt: number; error: string; at: string; worker: string; traceback?: string }[];
  headers: Record<string, unknown>;
  content_type: string;
  body?: string;
  body_base64?: string;
  body_truncated: boolean;
}

interface Done {
  matched: number;
  replayed?: number;
  discarded?: number;
  refused_count: number;
  refused: { id: string; why: string }[];
  next: string | null;
  end: string;
}

const usual = 'wherry.dead';
const portion = 5000;

// All of them, in portions, so that no request is a long one.
async function act(where: string, what: 'replay' | 'discard', asked: Record<string, unknown>): Promise<string> {
  const body = { ...asked, limit: portion };
  let done = 0;
  let refused = 0;
  let why = '';
  for (;;) {
    const answer = await post<Done>(`/wherry/dead-letters/${seg(where)}/${what}`, body);
    done += answer.replayed ?? answer.discarded ?? 0;
    refused += answer.refused_count;
    why ||= answer.refused[0]?.why ?? '';
    if (answer.next === null) break;
    Object.assign(body, { next: answer.next, end: answer.end });
  }
  const said = `${plural(done, 'dead letter')} ${what === 'replay' ? 'replayed' : 'discarded'}`;
  if (refused) throw new Error(`${said}; ${count(refused)} stayed: ${why}`);
  return said + '.';
}

export function DeadLetters() {
  use(vhost);
  use(vhostNames);
  const where = oneVhost();
  const asked = use(place).query;
  const filter = {
    queue: asked.get('queue') ?? '',
    task: asked.get('task') ?? '',
    reason: asked.get('reason') ?? '',
    source: asked.get('source') ?? '',
  };
  const queue = filter.queue || usual;
  const [after, setAfter] = useState<string[]>([]);
  const [chosen, setChosen] = useState(new Set<string>());
  const listed = useLive<Row[]>(`/wherry/dead-letters/${seg(where)}` + query({ ...filter, queue, limit: 100, after: after[after.length - 1] }), 4000);
  const queues = useNames(`/queues/${seg(where)}`);
  const depth = useLive<QueueRow>(`/queues/${seg(where)}/${seg(queue)}` + query({ columns: 'messages_ready' }), 5000).data?.messages_ready;
  const filtered = Boolean(filter.task || filter.reason || filter.source);
  const which = { queue, ...Object.fromEntries(Object.entries(filter).filter(([name, value]) => name !== 'queue' && value)) };
  const ids = [...chosen];
  const all = filtered ? 'all that fit' : 'all';
  const set = (name: string) => (value: string) => {
    setAfter([]);
    setChosen(new Set());
    setQuery({ [name]: value });
  };
  const run = (what: 'replay' | 'discard', some: boolean) => async () => {
    const said = await act(where, what, some ? { queue, ids } : { ...which, ...(filtered ? {} : { all: true }) });
    setChosen(new Set());
    listed.reload();
    return said;
  };
  const rows = listed.data;
  const missing = listed.error?.status === 404;
  return (
    <>
      <Heading title="Dead letters" kicker={`${where} · ${queue}${depth === undefined ? '' : ' · ' + plural(depth, 'message')}`}>
        <Confirm label={ids.length ? `Replay ${ids.length}` : 'Replay ' + all} icon="again" danger={false} disabled={!rows?.length} title={`Replay ${ids.length ? plural(ids.length, 'dead letter') : all}?`} words="Each goes back to the queue that it came from, with its history, and is tried afresh." run={run('replay', ids.length > 0)} />
        <Confirm label={ids.length ? `Discard ${ids.length}` : 'Discard ' + all} icon="trash" disabled={!rows?.length} title={`Discard ${ids.length ? plural(ids.length, 'dead letter') : all}?`} words="They are gone for good." run={run('discard', ids.length > 0)} />
      </Heading>
      <div class="filters">
        <Field label="Task" value={filter.task} set={set('task')} hint="email.*" />
        <Field label="Reason or error" value={filter.reason} set={set('reason')} hint="a part of it" />
        <Field label="Came from" value={filter.source} set={set('source')} list={queues} hint="its queue" />
        <Field label="Dead letters lie in" value={filter.queue} set={set('queue')} list={queues} hint={`${usual}, if empty`} />
      </div>
      {!missing && <ErrorBox error={listed.error} />}
      {!rows && !listed.error && <Loading />}
      {missing && (
        <Empty title="Nothing has died yet" icon="task">
          There is no queue “{queue}”. A worker makes it when the first task fails for good; another dead-letter queue can be named above.
        </Empty>
      )}
      {rows && !missing && (
        <Table
          label="Dead letters"
          rows={rows}
          keyOf={(row) => row.key}
          chosen={chosen}
          choose={setChosen}
          empty={<Empty title={filtered ? 'No dead letter fits the filter' : 'No dead letters'} icon="task">{filtered ? 'Take a filter away to see more.' : 'Every task has been done, or is still being tried.'}</Empty>}
          columns={[
            { key: 'task', label: 'Task', sort: (row) => row.task, cell: (row) => <a href={to('dead-letters', where, queue, row.key)}>{row.task || row.id || '#' + row.key}</a> },
            { key: 'error', label: 'Last error', cell: (row) => <span class="error-text">{row.error || row.reason}</span> },
            { key: 'queue', label: 'From', sort: (row) => row.queue, cell: (row) => row.queue },
            { key: 'attempts', label: 'Attempts', number: true, sort: (row) => row.attempts, cell: (row) => <>{count(row.attempts)}{row.replays > 0 && <Badge title="times replayed">↻ {row.replays}</Badge>}</> },
            { key: 'dead', label: 'Died', number: true, sort: (row) => row.dead_at, cell: (row) => <When time={row.dead_at} /> },
          ]}
        />
      )}
      {(after.length > 0 || rows?.length === 100) && (
        <nav class="pager" aria-label="Pages">
          <Button disabled={!after.length} onClick={() => setAfter(after.slice(0, -1))}>Previous</Button>
          <Button disabled={rows?.length !== 100} onClick={() => setAfter([...after, rows![rows!.length - 1].key])}>Next</Button>
        </nav>
      )}
    </>
  );
}

export function DeadLetter(props: PageProps) {
  const [where, queue, key] = props.parts;
  const { data, error } = useLive<Whole[]>(`/wherry/dead-letters/${seg(where)}/${seg(key)}` + query({ queue }), 10_000);
  // What is asked for may be the task's id as well, of several letters.
  const [at, setAt] = useState('0');
  const back = <a href={to('dead-letters') + query({ queue: queue === usual ? '' : queue })}>Dead letters</a>;
  const letter = data?.[Number(at)];
  if (!letter) {
    return (
      <>
        <Heading title={key} kicker={back} />
        {error?.status === 404 ? <Empty title="It is not there any more" icon="task">It was replayed or discarded meanwhile. {back}</Empty> : error ? <ErrorBox error={error} /> : <Loading />}
      </>
    );
  }
  const run = (what: 'replay' | 'discard') => async () => {
    const said = await act(where, what, { queue, ids: [letter.key] });
    go('dead-letters');
    return said;
  };
  return (
    <>
      <Heading title={letter.task || 'Message ' + letter.key} kicker={back} badges={<Badge tone="bad">dead</Badge>}>
        <Confirm label="Replay" icon="again" danger={false} title="Replay it?" words={`It goes back to ${letter.queue || 'the queue that it came from'}, and is tried afresh.`} run={run('replay')} />
        <Confirm label="Discard" icon="trash" title="Discard it?" words="It is gone for good." run={run('discard')} />
      </Heading>
      {data.length > 1 && <Choice label="There are several of this id" value={at} set={setAt} of={data.map((each, index): [string, string] => [String(index), clock(each.dead_at)])} />}
      <div class="error quiet">
        <div><strong>{letter.reason}</strong></div>
      </div>
      <div class="two">
        <Card title="What it is">
          <Facts
            of={[
              ['Id', letter.id ? <a href={to('tasks', where, letter.id)}><code>{letter.id}</code></a> : ''],
              ['Came from', letter.queue ? <a href={to('queues', where, letter.queue)}>{letter.queue}</a> : 'not known'],
              ['Died', clock(letter.dead_at)],
              ['Attempts', count(letter.attempts)],
              ['Workers that it crashed', letter.crashes ? count(letter.crashes) : ''],
              ['Replayed before', letter.replays ? count(letter.replays) : ''],
              ['Size', bytes(letter.bytes)],
            ]}
          />
        </Card>
        <Card title="Arguments">
          <Facts of={[['Positional', <code>{letter.args || '()'}</code>], ['By name', <code>{letter.kwargs || '{}'}</code>]]} />
        </Card>
      </div>
      <Card title="Attempts">
        <ol class="timeline">
          {letter.history.map((each, index) => (
            <li key={index} class="bad">
              <p>
                <b>Attempt {each.attempt}</b> <span class="muted"><When time={each.at} /> on {each.worker}</span>
              </p>
              <p class="error-text">{each.error}</p>
              {each.traceback && <Code text={each.traceback} />}
            </li>
          ))}
        </ol>
        {!letter.history.length && <p class="muted">Nothing is known of attempts: it died in the broker, or was no task.</p>}
      </Card>
      <Card title="Message">
        <h3>Body{letter.content_type && ' (' + letter.content_type + ')'}</h3>
        <Code text={letter.body !== undefined ? pretty(letter.body) : letter.body_base64 ?? ''} />
        {letter.body_truncated && <p class="muted">This is its beginning only.</p>}
        <details class="fold">
          <summary>Headers</summary>
          <Code text={JSON.stringify(letter.headers, null, 2)} />
        </details>
      </Card>
    </>
  );
}
