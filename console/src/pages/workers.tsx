import { useState } from 'preact/hooks';
import { post, seg } from '../api';
import { bytes, count, plural, span } from '../format';
import { useLive } from '../live';
import type { PageProps } from '../pages';
import { to } from '../router';
import { use } from '../signal';
import { Badge, Button, Card, Code, Empty, ErrorBox, Facts, Heading, Loading, Tile, When } from '../ui/basics';
import { Confirm, Field, FormDialog, Opens } from '../ui/dialog';
import { notify } from '../ui/notes';
import { Table } from '../ui/table';
import { oneVhost, vhost, vhostNames } from '../vhosts';
import { TasksError } from './task_types';

interface WorkerRow {
  name: string;
  online: boolean;
  heartbeat: string | null;
  heartbeat_every: number | null;
  active: number | null;
  processed: number | null;
  load: number[] | null;
  software: string | null;
  version: string | null;
  system: string | null;
  pid: number | null;
  task_events: boolean;
}

interface Active {
  id: string;
  name: string;
  args?: unknown;
  kwargs?: unknown;
  time_start?: number | null;
  eta?: string;
  request?: { id: string; name: string };
}

interface WorkerWhole extends Omit<WorkerRow, 'active'> {
  answered: boolean;
  active: Active[] | null; // The row of the listing has their number.
  stats: {
    pool?: Record<string, unknown> & { 'max-concurrency'?: number; processes?: (number | string)[] };
    prefetch_count?: number;
    total?: Record<string, number>;
    uptime?: number;
    rusage?: Record<string, number>;
    broker?: Record<string, unknown>;
  } | null;
  reserved: Active[] | null;
  scheduled: Active[] | null;
  queues: { name: string }[] | null;
  registered: string[] | null;
}

interface Answers {
  answers: Record<string, { ok?: unknown; error?: string }>;
}

// Tells a worker, or all with *; a refusal of one is an error.
async function tell(where: string, name: string, command: string, given: object = {}): Promise<string> {
  const { answers } = await post<Answers>(`/wherry/workers/${seg(where)}/${seg(name)}/${command}`, given);
  const refused = Object.entries(answers).find(([, answer]) => answer.error);
  if (refused) throw new Error(`${refused[0]}: ${refused[1].error}`);
  const said = Object.values(answers)[0]?.ok;
  const heard = Object.keys(answers).length;
  return typeof said === 'string' && heard === 1 ? said : `${plural(heard, 'worker')} heard it.`;
}

function Tell(props: { where: string; name: string; command: string; label: string; given?: object; done?: () => void; kind?: 'plain' | 'quiet' }) {
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    setError(undefined);
    try {
      notify(await tell(props.where, props.name, props.command, props.given));
      props.done?.();
    } catch (refused) {
      setError(refused as Error);
    }
    setBusy(false);
  };
  return (
    <>
      <Button onClick={run} disabled={busy} kind={props.kind}>{props.label}</Button>
      <ErrorBox error={error} />
    </>
  );
}

const OnlineBadge = (props: { row: { online: boolean } }) => (props.row.online ? <Badge tone="good">online</Badge> : <Badge tone="bad">offline</Badge>);

export function Workers() {
  use(vhost);
  use(vhostNames);
  const where = oneVhost();
  const { data, error, reload } = useLive<WorkerRow[]>(`/wherry/workers/${seg(where)}`, 3000);
  const silent = (data ?? []).filter((each) => each.online && !each.task_events);
  return (
    <>
      <Heading title="Workers" kicker={where}>
        {data && data.length > 0 && <Tell where={where} name="*" command="enable_events" label="Switch events on" done={reload} />}
      </Heading>
      <TasksError error={error} what="Workers" />
      {!data && !error && <Loading />}
      {silent.length > 0 && <p class="muted lead-in">{plural(silent.length, 'worker has', 'workers have')} sent no events of tasks: what they run is not seen here until events are switched on.</p>}
      {data && (
        <Table
          label="Workers"
          rows={data}
          keyOf={(row) => row.name}
          order={{ key: 'name', reverse: false }}
          empty={<Empty title="No worker has been heard of" icon="worker">A worker of Wherry's or Celery's shows up here with its first heartbeat: wherry-worker --load libtasks.so -Q email</Empty>}
          columns={[
            { key: 'name', label: 'Worker', sort: (row) => row.name, cell: (row) => (
              <span class="named">
                <a href={to('workers', where, row.name)}>{row.name}</a>
                <span class="marks"><OnlineBadge row={row} />{row.online && !row.task_events && <Badge tone="warn">no events of tasks</Badge>}</span>
              </span>
            ) },
            { key: 'active', label: 'Runs now', number: true, sort: (row) => row.active, cell: (row) => count(row.active) },
            { key: 'processed', label: 'Done', number: true, sort: (row) => row.processed, cell: (row) => count(row.processed) },
            { key: 'load', label: 'Load', number: true, quiet: true, cell: (row) => row.load?.map((each) => each.toFixed(2)).join(' ') ?? '–' },
            { key: 'software', label: 'Software', quiet: true, sort: (row) => row.software, cell: (row) => [row.software, row.version].filter(Boolean).join(' ') || '–' },
            { key: 'heartbeat', label: 'Heartbeat', number: true, sort: (row) => row.heartbeat, cell: (row) => <When time={row.heartbeat} /> },
          ]}
        />
      )}
    </>
  );
}

export function Worker(props: PageProps) {
  const [where, name] = props.parts;
  // It asks the worker: not too often.
  const { data, error, reload } = useLive<WorkerWhole>(`/wherry/workers/${seg(where)}/${seg(name)}`, 5000);
  const kicker = <a href={to('workers')}>Workers</a>;
  if (!data) {
    return (
      <>
        <Heading title={name} kicker={kicker} />
        {error?.status === 404 ? <Empty title="This worker does not answer" icon="worker">It was not heard of, and nobody of that name answers. <a href={to('workers')}>Those that are known</a></Empty> : error ? <ErrorBox error={error} what="This worker" /> : <Loading />}
      </>
    );
  }
  const running = data.active ?? [];
  const pool = data.stats?.pool;
  const size = pool?.['max-concurrency'];
  const done = reload;
  return (
    <>
      <Heading title={name} kicker={kicker} badges={<><OnlineBadge row={data} />{!data.answered && <Badge tone="warn">does not answer</Badge>}</>}>
        {data.task_events ? <Tell where={where} name={name} command="disable_events" label="Events off" done={done} /> : <Tell where={where} name={name} command="enable_events" label="Events on" done={done} />}
        <Confirm label="Shut down" title={`Shut ${name} down?`} words="It finishes what it runs, gives the rest back, and ends. Whatever started it may start it again." run={async () => {
          await tell(where, name, 'shutdown');
          return 'It is told to stop.';
        }} />
      </Heading>
      <ErrorBox error={error} />
      <div class="tiles">
        <Tile label="Runs now" value={count(running.length)} tone="lead" note={size !== undefined ? `of ${count(size)} at once` : undefined} />
        <Tile label="Taken, and waits" value={count(data.reserved?.length)} />
        <Tile label="Held for their time" value={count(data.scheduled?.length)} />
        <Tile label="Done" value={count(data.processed)} />
        <Tile label="Heartbeat" value={<When time={data.heartbeat} />} />
      </div>
      <div class="two">
        <Card title="Pool" actions={
          <>
            <Tell where={where} name={name} command="pool_shrink" given={{ n: 1 }} label="One fewer" done={done} />
            <Tell where={where} name={name} command="pool_grow" given={{ n: 1 }} label="One more" done={done} />
          </>
        }>
          <Facts
            of={[
              ['At once', count(size)],
              ['Kind', typeof pool?.implementation === 'string' ? pool.implementation : ''],
              ['Processes', pool?.processes?.join(', ')],
              ['Prefetch', count(data.stats?.prefetch_count)],
              ['Up for', span(data.stats?.uptime)],
              ['Memory', data.stats?.rusage?.maxrss ? bytes(data.stats.rusage.maxrss * 1024) + ' at most' : ''],
              ['Software', [data.software, data.version, data.system].filter(Boolean).join(' ')],
              ['Process', data.pid],
              ['Load', data.load?.map((each) => each.toFixed(2)).join(' ')],
            ]}
          />
          {pool && <details class="fold"><summary>All that it says</summary><Code text={JSON.stringify(data.stats, null, 2)} /></details>}
        </Card>
        <Card title="Queues" actions={<Opens label="Take from another" icon="plus">{(close) => <AddConsumer where={where} name={name} close={close} done={done} />}</Opens>}>
          <Table
            label="Queues of this worker"
            rows={data.queues ?? []}
            keyOf={(row) => row.name}
            empty={<Empty title="It takes from no queue" icon="queue" />}
            columns={[
              { key: 'name', label: 'Queue', cell: (row) => <a href={to('queues', where, row.name)}>{row.name}</a> },
              { key: 'do', label: '', cell: (row) => <Tell where={where} name={name} command="cancel_consumer" given={{ queue: row.name }} label="Take no more" kind="quiet" done={done} /> },
            ]}
          />
        </Card>
      </div>
      <Card title="What it runs">
        <Table
          label="Tasks that run"
          rows={running}
          keyOf={(row) => row.id}
          empty={<Empty title="It is idle" icon="task">The next task will start at once.</Empty>}
          columns={[
            { key: 'name', label: 'Task', cell: (row) => <a href={to('tasks', where, row.id)}>{row.name}</a>, sort: (row) => row.name },
            { key: 'kwargs', label: 'Arguments', quiet: true, cell: (row) => <code class="cut">{JSON.stringify(row.args ?? [])} {JSON.stringify(row.kwargs ?? {})}</code> },
            { key: 'start', label: 'Since', number: true, cell: (row) => <When time={row.time_start ? row.time_start * 1000 : null} /> },
          ]}
        />
      </Card>
      <Card title="Tasks that it knows" actions={<Opens label="Limit a task's rate">{(close) => <RateLimit where={where} name={name} tasks={data.registered ?? []} close={close} done={done} />}</Opens>}>
        <Table
          label="Tasks that it knows"
          rows={(data.registered ?? []).map((each) => ({ name: each.split(' ')[0], extra: each.slice(each.split(' ')[0].length + 1) }))}
          keyOf={(row) => row.name}
          empty={<Empty title="It has not said" icon="task" />}
          columns={[
            { key: 'name', label: 'Task', sort: (row) => row.name, cell: (row) => <span>{row.name} <span class="muted">{row.extra}</span></span> },
            { key: 'done', label: 'Done here', number: true, sort: (row) => data.stats?.total?.[row.name], cell: (row) => count(data.stats?.total?.[row.name] ?? 0) },
          ]}
        />
      </Card>
    </>
  );
}

function AddConsumer(props: { where: string; name: string; close: () => void; done: () => void }) {
  const [queue, setQueue] = useState('');
  return (
    <FormDialog title="Take from another queue" action="Take" close={props.close} run={async () => {
      const said = await tell(props.where, props.name, 'add_consumer', { queue });
      props.done();
      return said;
    }}>
      <Field label="Queue" value={queue} set={setQueue} required hint="It is declared if it is not there. Until the worker ends." />
    </FormDialog>
  );
}

function RateLimit(props: { where: string; name: string; tasks: string[]; close: () => void; done: () => void }) {
  const [task, setTask] = useState('');
  const [limit, setLimit] = useState('');
  return (
    <FormDialog title="Limit a task's rate" action="Set" close={props.close} run={async () => {
      const said = await tell(props.where, props.name, 'rate_limit', { task_name: task, rate_limit: limit });
      props.done();
      return said;
    }}>
      <Field label="Task" value={task} set={setTask} list={props.tasks.map((each) => each.split(' ')[0])} required />
      <Field label="At most" value={limit} set={setLimit} required hint="10/s, 10/m or 10/h; 0: no limit. By this worker, until it ends." />
    </FormDialog>
  );
}
