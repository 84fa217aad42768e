import { useState } from 'preact/hooks';
import { api } from '../api';
import { bytes, count, rate, span } from '../format';
import { record, seenSoFar, useLive } from '../live';
import { to } from '../router';
import { may } from '../session';
import type { Stats } from '../types';
import { Button, Card, ErrorBox, Facts, Heading, Loading, Meter, Tile } from '../ui/basics';
import { Chart, counters } from '../ui/chart';
import { notify } from '../ui/notes';
import { Table } from '../ui/table';

interface Totals {
  cluster_name: string;
  node: string;
  product_version: string;
  rabbitmq_version: string;
  object_totals: Record<'channels' | 'connections' | 'consumers' | 'exchanges' | 'queues', number>;
  queue_totals: Record<'messages' | 'messages_ready' | 'messages_unacknowledged', number>;
  message_stats: Stats;
  churn_rates: Record<string, number>;
  listeners?: { protocol: string; ip_address: string; port: number }[]; // For who monitors.
}

interface Node {
  name: string;
  uptime: number;
  processors: number;
  disk_stalled: boolean;
  disk_stalls: number;
  fd_used: number;
  fd_total: number;
  sockets_used: number;
  mem_used: number;
  mem_limit: number;
  disk_free: number;
  disk_free_limit: number;
  os_pid: string;
  db_dir: string;
}

const rates = ['publish', 'deliver_get', 'ack', 'redeliver'];
const flow: Record<string, string> = {
  connection_created: 'connections opened',
  connection_closed: 'connections closed',
  channel_created: 'channels opened',
  channel_closed: 'channels closed',
  queue_declared: 'queues declared',
  queue_created: 'queues created',
  queue_deleted: 'queues deleted',
};

export function Overview() {
  const { data, error } = useLive<Totals>('/overview', 2000, (heard) => {
    record(
      'overview',
      { ready: heard.queue_totals.messages_ready, unacked: heard.queue_totals.messages_unacknowledged },
      counters(heard.message_stats, rates),
    );
  });
  const nodes = useLive<Node[]>(may('monitoring') ? '/nodes' : null, 4000);
  const samples = seenSoFar('overview');
  const node = nodes.data?.[0];
  if (!data) {
    return (
      <>
        <Heading title="Overview" />
        {error ? <ErrorBox error={error} /> : <Loading />}
      </>
    );
  }
  const totals = data.object_totals;
  return (
    <>
      <Heading title="Overview" kicker={data.cluster_name}>
        {may('administrator') && <Definitions />}
      </Heading>
      <ErrorBox error={error} />
      <div class="tiles">
        <Tile label="Ready" value={count(data.queue_totals.messages_ready)} note="messages that wait" href={to('queues')} tone="lead" />
        <Tile label="In work" value={count(data.queue_totals.messages_unacknowledged)} note="delivered, not settled" />
        <Tile label="Queues" value={count(totals.queues)} href={to('queues')} />
        <Tile label="Consumers" value={count(totals.consumers)} href={to('channels')} />
        <Tile label="Connections" value={count(totals.connections)} note={`${count(totals.channels)} channels`} href={to('connections')} />
      </div>
      <div class="two">
        <Card title="Message rates">
          <Chart
            label="Message rates"
            samples={samples}
            format={rate}
            lines={[
              { key: 'publish', label: 'published', tone: 1, fill: true },
              { key: 'deliver_get', label: 'delivered', tone: 2 },
              { key: 'ack', label: 'acknowledged', tone: 3 },
              { key: 'redeliver', label: 'redelivered', tone: 4 },
            ]}
          />
        </Card>
        <Card title="Messages in queues">
          <Chart
            label="Messages in queues"
            samples={samples}
            lines={[
              { key: 'ready', label: 'ready', tone: 1, fill: true },
              { key: 'unacked', label: 'in work', tone: 2 },
            ]}
          />
        </Card>
      </div>
      <div class="two">
        {node && (
          <Card title="This broker">
            <Meter label="Memory, of where publishers begin to wait" value={node.mem_used} most={node.mem_limit} text={`${bytes(node.mem_used)} of ${bytes(node.mem_limit)}`} />
            <Meter label="Open files" value={node.fd_used} most={node.fd_total} text={`${count(node.fd_used)} of ${count(node.fd_total)}`} />
            <Facts
              of={[
                ['Free on the disk', `${bytes(node.disk_free)}, publishers wait below ${bytes(node.disk_free_limit)}`],
                ['Disk', node.disk_stalled ? 'does not answer' : node.disk_stalls ? `answers; was slow ${count(node.disk_stalls)} times` : 'answers'],
                ['Up for', span(node.uptime / 1000)],
                ['Version', `Wherry ${data.product_version}, behaves as RabbitMQ ${data.rabbitmq_version}`],
                ['Node', node.name],
                ['Shards', node.processors],
                ['Process', node.os_pid],
                ['Data', <code>{node.db_dir || 'none'}</code>],
              ]}
            />
          </Card>
        )}
        <Card title={data.listeners ? 'Where it listens' : 'Since it started'}>
          {data.listeners && <Table
            label="Listeners"
            rows={data.listeners}
            keyOf={(each) => each.protocol + each.port}
            empty={null}
            columns={[
              { key: 'protocol', label: 'Protocol', cell: (each) => <code>{each.protocol}</code>, sort: (each) => each.protocol },
              { key: 'address', label: 'Address', cell: (each) => <code>{each.ip_address}</code> },
              { key: 'port', label: 'Port', number: true, cell: (each) => each.port, sort: (each) => each.port },
            ]}
          />}
          {data.listeners && <h3>Since it started</h3>}
          <Facts of={Object.entries(flow).map(([name, label]) => [label, count(data.churn_rates[name])])} />
        </Card>
      </div>
    </>
  );
}

// The definitions as a file, and back.
function Definitions() {
  const [error, setError] = useState<Error>();
  const save = async () => {
    try {
      const all = await api<object>('GET', '/definitions');
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([JSON.stringify(all, null, 2)], { type: 'application/json' }));
      link.download = 'definitions.json';
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    } catch (refused) {
      setError(refused as Error);
    }
  };
  const load = async (file: File | undefined) => {
    if (!file) return;
    setError(undefined);
    try {
      await api('POST', '/definitions', JSON.parse(await file.text()));
      notify(`${file.name} is imported.`);
    } catch (refused) {
      setError(refused as Error);
    }
  };
  return (
    <>
      <Button icon="down" onClick={save}>
        Export definitions
      </Button>
      <label class="button plain file">
        Import
        <input
          type="file"
          accept=".json,application/json"
          class="visually-hidden"
          onChange={(event) => {
            load(event.currentTarget.files?.[0]);
            event.currentTarget.value = '';
          }}
        />
      </label>
      <ErrorBox error={error} what="Definitions" />
    </>
  );
}
