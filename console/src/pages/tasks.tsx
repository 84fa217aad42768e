import { useState } from 'preact/hooks';
import { api, query, seg } from '../api';
import { count, span } from '../format';
import { useLive, useNames } from '../live';
import { place, setQuery, to } from '../router';
import { use } from '../signal';
import { Empty, ErrorBox, Heading, Loading, Tabs, When } from '../ui/basics';
import { Area, Field, FormDialog, objectOf, Opens } from '../ui/dialog';
import { Table } from '../ui/table';
import { oneVhost, vhost, vhostNames } from '../vhosts';
import { states, StateOf, stateWord, TasksError, Unseen, type NameRow, type State, type TaskRow } from './task_types';

interface Whole {
  observing: boolean;
  why: string;
  tasks: number;
  most_tasks: number;
  states: Record<State, number>;
  missed: number;
  refused: number;
  forgotten: number;
}

export function Tasks() {
  use(vhost);
  use(vhostNames);
  const where = oneVhost();
  const asked = use(place).query;
  const view = asked.get('view') ?? 'list';
  const whole = useLive<Whole>(`/wherry/task-overview/${seg(where)}`, 3000);
  return (
    <>
      <Heading title="Tasks" kicker={where}>
        <Opens label="New task" icon="plus" kind="primary">
          {(close) => <NewTask where={where} close={close} />}
        </Opens>
      </Heading>
      <TasksError error={whole.error} what="Tasks" />
      {!whole.data && !whole.error && <Loading />}
      {whole.data && (
        <>
          {whole.data.missed > 0 && <p class="muted">{count(whole.data.missed)} events came faster than they were looked at: what is shown may lack steps.</p>}
          <Tabs
            label="View"
            now={view}
            go={(key) => setQuery({ view: key === 'list' ? '' : key })}
            of={[
              { key: 'list', label: 'One by one' },
              { key: 'names', label: 'By name' },
            ]}
          />
          {view === 'names' ? <Names where={where} why={whole.data.why} /> : <List where={where} whole={whole.data} />}
        </>
      )}
    </>
  );
}

function List(props: { where: string; whole: Whole }) {
  const asked = use(place).query;
  const filter = { state: asked.get('state') ?? '', task: asked.get('task') ?? '', worker: asked.get('worker') ?? '' };
  const { data, error } = useLive<TaskRow[]>(`/wherry/tasks/${seg(props.where)}` + query({ ...filter, limit: 200 }), 2500);
  const filtered = Object.values(filter).some(Boolean);
  return (
    <>
      <div class="states" role="group" aria-label="States">
        <button type="button" aria-pressed={!filter.state} onClick={() => setQuery({ state: '' })}>
          all <b>{count(props.whole.tasks)}</b>
        </button>
        {states.map((state) => (
          <button key={state} type="button" class={state.toLowerCase()} aria-pressed={filter.state === state} onClick={() => setQuery({ state: filter.state === state ? '' : state })}>
            {stateWord(state)} <b>{count(props.whole.states[state] ?? 0)}</b>
          </button>
        ))}
      </div>
      <div class="filters">
        <Field label="Task" value={filter.task} set={(value) => setQuery({ task: value })} hint="email.*" />
        <Field label="Worker" value={filter.worker} set={(value) => setQuery({ worker: value })} hint="its whole name" />
      </div>
      <ErrorBox error={error} />
      {!data && !error && <Loading />}
      {data && (
        <Table
          label="Tasks"
          rows={data}
          keyOf={(row) => row.id}
          empty={filtered ? <Empty title="No task fits" icon="search">Choose another state, or take letters away.</Empty> : <Unseen why={props.whole.why} />}
          columns={[
            { key: 'name', label: 'Task', sort: (row) => row.name, cell: (row) => (
              <span class="named">
                <a href={to('tasks', props.where, row.id)}>{row.name ?? row.id}</a>
                <span class="muted small cut">{row.error ?? ([row.args, row.kwargs].filter((each) => each && each !== '()' && each !== '{}').join(' ') || row.id)}</span>
              </span>
            ) },
            { key: 'state', label: 'State', sort: (row) => row.state, cell: (row) => <StateOf state={row.state} /> },
            { key: 'worker', label: 'Worker', sort: (row) => row.worker, quiet: true, cell: (row) => (row.worker ? <a href={to('workers', props.where, row.worker)}>{row.worker}</a> : '–') },
            { key: 'retries', label: 'Retries', number: true, sort: (row) => row.retries, cell: (row) => count(row.retries) },
            { key: 'runtime', label: 'Took', number: true, sort: (row) => row.runtime, cell: (row) => span(row.runtime) },
            { key: 'updated', label: 'Last heard of', number: true, sort: (row) => row.updated, cell: (row) => <When time={row.updated} /> },
          ]}
        />
      )}
      {data && data.length === 200 && <p class="muted">The last 200 are shown: filter to see others. The broker remembers {count(props.whole.most_tasks)}.</p>}
    </>
  );
}

// How run times are spread: a bar a bucket, its height the share.
function Spread(props: { buckets: NameRow['runtime']['buckets'] }) {
  const counts = props.buckets.map((bucket, at) => bucket.count - (at ? props.buckets[at - 1].count : 0));
  const most = Math.max(1, ...counts);
  const words = props.buckets.map((bucket, at) => (counts[at] ? `${count(counts[at])} within ${bucket.le === null ? 'any time' : span(bucket.le)}` : '')).filter(Boolean).join(', ');
  return (
    <svg class="spread" viewBox={`0 0 ${counts.length * 6} 22`} width={counts.length * 6} height="22" role="img" aria-label={words || 'no run yet'}>
      <title>{words}</title>
      {counts.map((each, at) => (
        <rect key={at} x={at * 6} width="4.5" rx="1" y={22 - Math.max(1, (each / most) * 22)} height={Math.max(1, (each / most) * 22)} class={each ? 'some' : ''} />
      ))}
    </svg>
  );
}

function Names(props: { where: string; why: string }) {
  const { data, error } = useLive<NameRow[]>(`/wherry/task-names/${seg(props.where)}`, 3000);
  return (
    <>
      <ErrorBox error={error} />
      {!data && !error && <Loading />}
      {data && (
        <Table
          label="Tasks by name"
          rows={data}
          keyOf={(row) => row.name}
          order={{ key: 'succeeded', reverse: true }}
          empty={<Unseen why={props.why} />}
          columns={[
            { key: 'name', label: 'Task', sort: (row) => row.name, cell: (row) => <a href={to('tasks') + query({ task: row.name })}>{row.name}</a> },
            { key: 'now', label: 'Runs now', number: true, sort: (row) => row.states.STARTED, cell: (row) => count(row.states.STARTED) },
            { key: 'succeeded', label: 'Done', number: true, sort: (row) => row.succeeded, cell: (row) => count(row.succeeded) },
            { key: 'failed', label: 'Failed', number: true, sort: (row) => row.failed, cell: (row) => <span class={row.failed ? 'bad-text' : ''}>{count(row.failed)}</span> },
            { key: 'retried', label: 'Retried', number: true, sort: (row) => row.retried, cell: (row) => count(row.retried) },
            { key: 'mean', label: 'Takes', number: true, sort: (row) => row.runtime.mean, cell: (row) => span(row.runtime.mean) },
            { key: 'most', label: 'At most', number: true, quiet: true, sort: (row) => row.runtime.most, cell: (row) => span(row.runtime.most) },
            { key: 'spread', label: 'Run times', quiet: true, cell: (row) => <Spread buckets={row.runtime.buckets} /> },
            { key: 'last', label: 'Last', number: true, sort: (row) => row.last, cell: (row) => <When time={row.last} /> },
          ]}
        />
      )}
    </>
  );
}

function NewTask(props: { where: string; close: () => void }) {
  const [task, setTask] = useState('');
  const [queue, setQueue] = useState('');
  const [args, setArgs] = useState('');
  const [kwargs, setKwargs] = useState('');
  const [countdown, setCountdown] = useState('');
  const [unique, setUnique] = useState('');
  const names = useLive<NameRow[]>(`/wherry/task-names/${seg(props.where)}`, 60_000);
  const queues = useNames(`/queues/${seg(props.where)}`);
  const run = async () => {
    const body: Record<string, unknown> = { task, kwargs: objectOf(kwargs, 'Arguments by name') };
    if (queue) body.queue = queue;
    if (args.trim()) {
      let list: unknown;
      try {
        list = JSON.parse(args);
      } catch (error) {
        throw new Error(`Positional arguments are no JSON: ${(error as Error).message}`);
      }
      if (!Array.isArray(list)) throw new Error('Positional arguments are a JSON list, such as [1, 2]');
      body.args = list;
    }
    if (countdown) body.countdown = Number(countdown);
    const answer = await api<{ id: string; duplicate: boolean }>('POST', `/wherry/tasks/${seg(props.where)}`, body, unique ? { headers: { 'Idempotency-Key': unique } } : {});
    return answer.duplicate ? `It was there already, as ${answer.id}.` : `It is in its queue, as ${answer.id}.`;
  };
  return (
    <FormDialog title="New task" action="Enqueue" close={props.close} run={run}>
      <Field label="Task" value={task} set={setTask} list={names.data?.map((each) => each.name)} required hint="Its name as a worker knows it: email.send" />
      <Field label="Queue" value={queue} set={setQueue} list={queues} hint="celery, if empty" />
      <Area label="Positional arguments" rows={2} value={args} set={setArgs} hint="JSON: [1, 2]" />
      <Area label="Arguments by name" rows={3} value={kwargs} set={setKwargs} hint='JSON: {"to": "ann@example.org"}' />
      <Field label="Not before so many seconds" type="number" min={0} value={countdown} set={setCountdown} />
      <Field label="Idempotency key" value={unique} set={setUnique} hint="The same key is the same task, however often it is sent." />
    </FormDialog>
  );
}
