import { post, seg } from '../api';
import { clock, count, moment, ms, plural, span } from '../format';
import { useLive } from '../live';
import type { PageProps } from '../pages';
import { to } from '../router';
import { Badge, Card, Code, Empty, ErrorBox, Facts, Heading, Loading, Tile, When } from '../ui/basics';
import { Confirm } from '../ui/dialog';
import { Table } from '../ui/table';
import { StateOf, stateWord, type Relative, type TaskWhole } from './task_types';

const steps: Record<string, string> = {
  'task-sent': 'enqueued', 'task-received': 'received by a worker', 'task-started': 'started', 'task-succeeded': 'done',
  'task-failed': 'failed for good', 'task-retried': 'failed, to be tried again', 'task-revoked': 'revoked', 'task-rejected': 'given back to its queue',
};
const tone = (type: string) => (type === 'task-succeeded' ? 'good' : type === 'task-failed' ? 'bad' : type === 'task-retried' || type === 'task-rejected' ? 'warn' : 'plain');

const answered = (answers: Record<string, { ok?: unknown; error?: string }>) => {
  const refused = Object.entries(answers).find(([, answer]) => answer.error);
  if (refused) throw new Error(`${refused[0]}: ${refused[1].error}`);
  return plural(Object.keys(answers).length, 'worker has', 'workers have');
};

export function Task(props: PageProps) {
  const [where, id] = props.parts;
  const path = `/wherry/tasks/${seg(where)}/${seg(id)}`;
  const { data, error, reload } = useLive<TaskWhole>(path, 2000);
  const kicker = <a href={to('tasks')}>Tasks</a>;
  if (!data) {
    return (
      <>
        <Heading title={id} kicker={kicker} />
        {error?.status === 404 ? (
          <Empty title="The broker does not know this task" icon="task">
            It was forgotten, or its worker sends no events. If it died, it is among the <a href={to('dead-letters')}>dead letters</a>.
          </Empty>
        ) : error ? (
          <ErrorBox error={error} what="This task" />
        ) : (
          <Loading />
        )}
      </>
    );
  }
  const over = ['SUCCESS', 'FAILURE', 'REVOKED'].includes(data.state);
  const waited = data.received && data.started ? (ms(data.started)! - ms(data.received)!) / 1000 : null;
  return (
    <>
      <Heading title={data.name ?? id} kicker={kicker} badges={<StateOf state={data.state} />}>
        {data.state === 'FAILURE' && (
          <Confirm
            label="Replay"
            icon="again"
            danger={false}
            title="Replay it?"
            words="Its dead letter goes back to the queue that it came from, and is tried afresh."
            run={async () => {
              const answer = await post<{ replayed: number }>(path + '/retry');
              reload();
              return `${plural(answer.replayed, 'dead letter')} replayed.`;
            }}
          />
        )}
        <Confirm
          label="Revoke"
          icon="close"
          disabled={over}
          title="Revoke it?"
          words="No worker will begin it any more. If it runs already, it goes on."
          run={async () => {
            const answer = await post<{ answers: Record<string, { error?: string }> }>(path + '/revoke', { terminate: false });
            return `Revoked: ${answered(answer.answers)} heard it.`;
          }}
        />
        {data.state === 'STARTED' && (
          <Confirm
            label="Terminate"
            title="End it while it runs?"
            words="Its process is ended, or its thread is asked to stop; what it has done by then stays done."
            run={async () => {
              const answer = await post<{ answers: Record<string, { error?: string }> }>(path + '/revoke', { terminate: true });
              return `Terminated: ${answered(answer.answers)} heard it.`;
            }}
          />
        )}
      </Heading>
      <ErrorBox error={error} />
      {data.error && (
        <div class="error quiet">
          <div>
            <strong>{data.error}</strong>
          </div>
        </div>
      )}
      <div class="tiles">
        <Tile label="State" value={stateWord(data.state)} tone={data.state === 'FAILURE' ? 'bad' : 'lead'} note={<When time={data.updated} />} />
        <Tile label="Took" value={span(data.runtime)} />
        <Tile label="Waited in the worker" value={span(waited)} />
        <Tile label="Retries" value={count(data.retries)} />
        <Tile label="Children" value={count(data.children.length)} />
      </div>
      <div class="two">
        <Card title="Attempts">
          {data.attempts_left_out > 0 && <p class="muted">{plural(data.attempts_left_out, 'earlier attempt')} left out.</p>}
          <ol class="timeline">
            {data.attempts.map((each) => (
              <li key={each.attempt} class={each.outcome === 'SUCCESS' ? 'good' : each.outcome === 'FAILURE' ? 'bad' : each.outcome === 'RETRY' ? 'warn' : 'plain'}>
                <p>
                  <b>Attempt {each.attempt}</b> <StateOf state={each.outcome} />{' '}
                  <span class="muted">
                    <When time={each.started ?? each.received} />
                    {each.worker && <> on <a href={to('workers', where, each.worker)}>{each.worker}</a></>}
                    {each.runtime !== null && <>, took {span(each.runtime)}</>}
                  </span>
                </p>
                {each.error && <p class="error-text">{each.error}</p>}
                {each.traceback && (
                  <details class="fold">
                    <summary>Backtrace</summary>
                    <Code text={each.traceback} />
                  </details>
                )}
              </li>
            ))}
          </ol>
          {!data.attempts.length && <p class="muted">No worker has received it yet.</p>}
        </Card>
        <Card title="Its life">
          <ol class="timeline">
            {data.steps.map((step, at) => (
              <li key={at} class={tone(step.type)}>
                <p>
                  <b>{steps[step.type] ?? step.type}</b> <span class="muted">{moment(step.at)}{step.worker && ` · ${step.worker}`}</span>
                </p>
              </li>
            ))}
          </ol>
        </Card>
      </div>
      <div class="two">
        <Card title="What it is">
          <Facts
            of={[
              ['Id', <code>{data.id}</code>],
              ['Queue', data.queue ? <a href={to('queues', where, data.queue)}>{data.queue}</a> : ''],
              ['Worker', data.worker ? <a href={to('workers', where, data.worker)}>{data.worker}</a> : ''],
              ['Enqueued', data.sent ? clock(data.sent) : ''],
              ['Received', data.received ? clock(data.received) : ''],
              ['Started', data.started ? clock(data.started) : ''],
              ['Ended', data.ended ? clock(data.ended) : ''],
              ['Not before', data.eta ? clock(data.eta) : ''],
              ['Expires', data.expires ? clock(data.expires) : ''],
              ['Positional arguments', data.args !== undefined ? <code>{data.args || '()'}</code> : 'for who may read celeryev only'],
              ['Arguments by name', data.kwargs !== undefined ? <code>{data.kwargs || '{}'}</code> : ''],
              ['Result', data.result ? <code>{data.result}</code> : ''],
            ]}
          />
        </Card>
        <Card title="Its family">
          <Family where={where} task={data} />
        </Card>
      </div>
    </>
  );
}

function Family(props: { where: string; task: TaskWhole }) {
  const { task, where } = props;
  const link = (one: Relative) => (
    <>
      <a href={to('tasks', where, one.id)}>{one.name ?? one.id}</a> <StateOf state={one.state} />
    </>
  );
  return (
    <>
      <Facts
        of={[
          ['Began by', task.parent ? link(task.parent) : task.parent_id ? <code>{task.parent_id}</code> : 'a client'],
          ['First of all', task.root_id && task.root_id !== task.id ? <a href={to('tasks', where, task.root_id)}><code>{task.root_id}</code></a> : ''],
        ]}
      />
      <Table
        label="Children"
        rows={task.children}
        keyOf={(row) => row.id}
        empty={<p class="muted">It began no other tasks.</p>}
        columns={[
          { key: 'name', label: 'Child', sort: (row) => row.name, cell: (row) => <a href={to('tasks', where, row.id)}>{row.name ?? row.id}</a> },
          { key: 'state', label: 'State', sort: (row) => row.state, cell: (row) => <StateOf state={row.state} /> },
        ]}
      />
      {task.children.length === 200 && <Badge>the first 200</Badge>}
    </>
  );
}
