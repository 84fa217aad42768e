import { post, seg } from '../api';
import { clock } from '../format';
import { useLive } from '../live';
import { to } from '../router';
import { use } from '../signal';
import { Code, Empty, Heading, Loading, When } from '../ui/basics';
import { Confirm } from '../ui/dialog';
import { Table } from '../ui/table';
import { oneVhost, vhost, vhostNames } from '../vhosts';
import { TasksError } from './task_types';

interface Row {
  schedule: string;
  name: string;
  task: string;
  times: string;
  next: string[];
  seen_to: string | null; // Up to when its ticks were seen to.
  queue: string | null;
  exchange: string | null;
  args: string;
  kwargs: string;
  scheduler: string;
}

export function Schedules() {
  use(vhost);
  use(vhostNames);
  const where = oneVhost();
  const { data, error, reload } = useLive<Row[]>(`/wherry/schedules/${seg(where)}`, 5000);
  return (
    <>
      <Heading title="Schedules" kicker={where} />
      <TasksError error={error} what="Schedules" />
      {!data && !error && <Loading />}
      {data && (
        <Table
          label="Schedules"
          rows={data}
          keyOf={(row) => row.schedule + '\n' + row.name}
          order={{ key: 'next', reverse: false }}
          empty={<Empty title="No scheduler answers" icon="schedule">Periodic tasks are the work of wherry-worker with a schedule: wherry-worker --schedule schedule.yaml. The one that is active shows its entries here.</Empty>}
          columns={[
            { key: 'name', label: 'Entry', sort: (row) => row.name, cell: (row) => (
              <span class="named">
                <b>{row.name}</b>
                <span class="muted small">{row.schedule} on {row.scheduler}</span>
              </span>
            ) },
            { key: 'task', label: 'Task', sort: (row) => row.task, cell: (row) => (
              <details class="inline">
                <summary>{row.task}</summary>
                <Code text={`args    ${row.args || '()'}\nkwargs  ${row.kwargs || '{}'}`} />
              </details>
            ) },
            { key: 'times', label: 'When', cell: (row) => <code>{row.times}</code> },
            { key: 'next', label: 'Next', sort: (row) => row.next[0], cell: (row) => (
              <span class="named" title={row.next.map((each) => clock(each)).join('\n')}>
                <When time={row.next[0]} />
                <span class="muted small">{clock(row.next[0])}</span>
              </span>
            ) },
            { key: 'seen', label: 'Seen to', quiet: true, sort: (row) => row.seen_to, cell: (row) => <When time={row.seen_to} /> },
            { key: 'to', label: 'Into', quiet: true, cell: (row) => (row.queue ? <a href={to('queues', where, row.queue)}>{row.queue}</a> : row.exchange ?? '–') },
            { key: 'do', label: '', cell: (row) => (
              <Confirm
                label="Run now"
                icon="play"
                danger={false}
                ariaLabel={`Run ${row.name} now`}
                title={`Run ${row.name} now?`}
                words="It is enqueued once more, besides its times."
                run={async () => {
                  const answer = await post<{ id: string }>(`/wherry/schedules/${seg(where)}/${seg(row.schedule)}/${seg(row.name)}/run`);
                  reload();
                  return `Enqueued, as ${answer.id}.`;
                }}
              />
            ) },
          ]}
        />
      )}
    </>
  );
}
