import { del, post, seg } from '../api';
import { useState } from 'preact/hooks';
import { bytes, count, plural, rate } from '../format';
import { record, seenSoFar, useLive, useNames } from '../live';
import type { PageProps } from '../pages';
import { go, to } from '../router';
import type { BindingRow, ConsumerRow, QueueRow } from '../types';
import { Badge, Button, Card, Empty, ErrorBox, Facts, Heading, Loading, Tile, When } from '../ui/basics';
import { Bindings } from '../ui/bindings';
import { Chart, counters } from '../ui/chart';
import { Choice, Confirm, Field, FormDialog, Opens } from '../ui/dialog';
import { Messages } from '../ui/messages';
import { notify } from '../ui/notes';
import { Publish } from '../ui/publish';
import { Table } from '../ui/table';
import { features, StateBadge } from './queues';

export function Queue(props: PageProps) {
  const [vhost, name] = props.parts;
  const path = `/queues/${seg(vhost)}/${seg(name)}`;
  const series = 'queue\n' + path;
  const { data, error, reload } = useLive<QueueRow>(path, 2000, (queue) => {
    record(
      series,
      { ready: queue.messages_ready, unacked: queue.messages_unacknowledged },
      counters(queue.message_stats, ['publish', 'deliver_get', 'ack', 'redeliver']),
    );
  });
  const bindings = useLive<BindingRow[]>(path + '/bindings', 6000);
  const samples = seenSoFar(series);
  const kicker = (
    <>
      <a href={to('queues')}>Queues</a> · {vhost}
    </>
  );
  if (!data) {
    return (
      <>
        <Heading title={name} kicker={kicker} />
        {error ? <ErrorBox error={error} what="This queue" /> : <Loading />}
      </>
    );
  }
  const head = data.head_message_timestamp;
  return (
    <>
      <Heading
        title={name}
        kicker={kicker}
        badges={
          <>
            <StateBadge queue={data} />
            {features(data).map((word) => (
              <Badge key={word}>{word}</Badge>
            ))}
          </>
        }
      >
        <Opens label="Publish" icon="send" kind="primary">
          {(close) => <Publish vhost={vhost} exchange="" routingKey={name} close={close} done={reload} />}
        </Opens>
        <PauseButton queue={data} done={reload} />
        <Opens label="Move" icon="move" disabled={data.messages_ready === 0}>
          {(close) => <Move vhost={vhost} from={name} ready={data.messages_ready} close={close} done={reload} />}
        </Opens>
        <Confirm
          label="Purge"
          title={`Purge ${name}?`}
          disabled={data.messages_ready + data.messages_scheduled === 0}
          words={`${plural(data.messages_ready, 'ready message')} will be thrown away, and what waits for its time. What consumers have in work stays. This cannot be undone.`}
          run={async () => {
            await del(path + '/contents');
            reload();
            return `${name} is purged.`;
          }}
        />
        <Confirm
          label="Delete"
          icon="trash"
          title={`Delete ${name}?`}
          words={`The queue goes with ${plural(data.messages, 'message')} and its bindings; ${plural(data.consumers, 'consumer')} will be told. This cannot be undone.`}
          run={async () => {
            await del(path);
            go('queues');
            return `Queue ${name} is deleted.`;
          }}
        />
      </Heading>
      <ErrorBox error={error} />
      <div class="tiles">
        <Tile label="Ready" value={count(data.messages_ready)} tone="lead" note={bytes(data.message_bytes)} />
        <Tile label="In work" value={count(data.messages_unacknowledged)} note="delivered, not settled" />
        <Tile label="Waiting for their time" value={count(data.messages_scheduled)} />
        <Tile label="Consumers" value={count(data.consumers)} />
        <Tile label="Oldest ready" value={head ? <When time={head * 1000} /> : '–'} />
      </div>
      <div class="two">
        <Card title="Depth">
          <Chart
            label="Messages in this queue"
            samples={samples}
            lines={[
              { key: 'ready', label: 'ready', tone: 1, fill: true },
              { key: 'unacked', label: 'in work', tone: 2 },
            ]}
          />
        </Card>
        <Card title="Rates">
          <Chart
            label="Rates of this queue"
            samples={samples}
            format={rate}
            lines={[
              { key: 'publish', label: 'in', tone: 1, fill: true },
              { key: 'deliver_get', label: 'out', tone: 2 },
              { key: 'ack', label: 'acknowledged', tone: 3 },
              { key: 'redeliver', label: 'redelivered', tone: 4 },
            ]}
          />
        </Card>
      </div>
      <Messages vhost={vhost} queue={name} ready={data.messages_ready} changed={reload} />
      <div class="two">
        <Card title="Consumers">
          <Consumers rows={data.consumer_details ?? []} />
        </Card>
        <Card title="Bindings">
          <ErrorBox error={bindings.error} />
          <Bindings rows={bindings.data} vhost={vhost} to={{ type: 'queue', name }} changed={bindings.reload} />
        </Card>
      </div>
      <Card title="Details">
        <Facts
          of={[
            ['Type', data.type],
            ['Durable', data.durable ? 'yes' : 'no'],
            ['Policy', data.policy],
            ['Operator policy', data.operator_policy],
            ['Arguments', Object.keys(data.arguments).length ? <code>{JSON.stringify(data.arguments)}</code> : ''],
            ['What counts', Object.keys(data.effective_arguments).length ? <code>{JSON.stringify(data.effective_arguments)}</code> : ''],
            ['Expired', count(data.messages_expired)],
            ['Dropped by length', count(data.messages_dropped)],
            ['Dead-lettered', count(data.messages_dead_lettered)],
            ['Idle since', data.idle_since ? <When time={data.idle_since} /> : ''],
          ]}
        />
      </Card>
    </>
  );
}

function PauseButton(props: { queue: QueueRow; done: () => void }) {
  const [error, setError] = useState<Error>();
  const { queue } = props;
  const paused = queue.state === 'paused';
  const turn = async () => {
    setError(undefined);
    try {
      await post(`/wherry/queues/${seg(queue.vhost)}/${seg(queue.name)}/${paused ? 'resume' : 'pause'}`);
      notify(paused ? `${queue.name} delivers again.` : `${queue.name} is paused: it takes messages, and consumers get none.`);
      props.done();
    } catch (refused) {
      setError(refused as Error);
    }
  };
  return (
    <>
      <Button icon={paused ? 'play' : 'pause'} onClick={turn}>
        {paused ? 'Resume' : 'Pause'}
      </Button>
      <ErrorBox error={error} />
    </>
  );
}

interface Moved {
  moved: number;
  refused_count: number;
  refused: { key: string; why: string }[];
  next: string | null;
  end: string;
}

export function Move(props: { vhost: string; from: string; ready: number; keys?: string[]; close: () => void; done: () => void }) {
  const [target, setTarget] = useState('');
  const [which, setWhich] = useState('all');
  const [number, setNumber] = useState('100');
  const others = useNames(`/queues/${seg(props.vhost)}`).filter((each) => each !== props.from);
  const run = async () => {
    const body: Record<string, unknown> = { to: target };
    if (props.keys) body.keys = props.keys;
    let left = which === 'some' ? Number(number) : Infinity;
    const portion = 10_000;
    let moved = 0;
    // In portions, so that a long queue is not one long request.
    while (left > 0) {
      const answer = await post<Moved>(`/wherry/queues/${seg(props.vhost)}/${seg(props.from)}/move`, { ...body, ...(props.keys ? {} : { limit: Math.min(left, portion) }) });
      moved += answer.moved;
      left -= Math.min(left, portion);
      if (answer.refused_count > 0) {
        props.done();
        throw new Error(`${plural(moved, 'message')} moved, ${count(answer.refused_count)} stayed: ${answer.refused[0]?.why}`);
      }
      if (answer.next === null || props.keys) break;
      Object.assign(body, { next: answer.next, end: answer.end });
    }
    props.done();
    return `${plural(moved, 'message')} moved to ${target}.`;
  };
  return (
    <FormDialog title={props.keys ? `Move ${plural(props.keys.length, 'message')}` : `Move messages of ${props.from}`} action="Move" close={props.close} run={run}>
      <Field label="To the queue" value={target} set={setTarget} list={others} required />
      {!props.keys && (
        <>
          <Choice label="Which" value={which} set={setWhich} of={[['all', `all that are ready (${count(props.ready)})`], ['some', 'the oldest']]} />
          {which === 'some' && <Field label="How many" type="number" min={1} value={number} set={setNumber} />}
        </>
      )}
      <p class="muted">A message is in its new queue, kept as its queue keeps messages, before it leaves this one. What consumers have in work is not moved.</p>
    </FormDialog>
  );
}

function Consumers(props: { rows: ConsumerRow[] }) {
  return (
    <Table
      label="Consumers"
      rows={props.rows}
      keyOf={(row) => row.consumer_tag + row.channel_details.name}
      empty={
        <Empty title="Nobody consumes from here" icon="worker">
          Messages wait until a worker or another client does.
        </Empty>
      }
      columns={[
        { key: 'connection', label: 'Channel', cell: (row) => <a href={to('connections', row.channel_details.connection_name)}>{row.channel_details.peer_host}:{row.channel_details.peer_port} ({row.channel_details.number})</a>, sort: (row) => row.channel_details.name },
        { key: 'tag', label: 'Tag', cell: (row) => <code class="cut" title={row.consumer_tag}>{row.consumer_tag}</code>, quiet: true },
        { key: 'user', label: 'User', cell: (row) => row.channel_details.user, sort: (row) => row.channel_details.user },
        { key: 'prefetch', label: 'Prefetch', number: true, cell: (row) => (row.prefetch_count ? count(row.prefetch_count) : 'no limit'), sort: (row) => row.prefetch_count },
        {
          key: 'settles', label: 'Settles',
          cell: (row) => (
            <>
              {row.ack_required ? 'by acknowledging' : 'when delivered'} {row.active === false && <Badge>waits</Badge>} {row.exclusive && <Badge>exclusive</Badge>}
            </>
          ),
        },
      ]}
    />
  );
}
