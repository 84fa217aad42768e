import { useState } from 'preact/hooks';
import { del, seg } from '../api';
import { bytes, clock, count, rate } from '../format';
import { record, seenSoFar, useLive } from '../live';
import type { PageProps } from '../pages';
import { go, to } from '../router';
import { use } from '../signal';
import type { ChannelRow, ConnectionRow } from '../types';
import { Badge, Card, Empty, ErrorBox, Facts, Heading, Loading, Tile, When } from '../ui/basics';
import { Chart } from '../ui/chart';
import { Field, FormDialog, Opens } from '../ui/dialog';
import { Listing, Table, type Column } from '../ui/table';
import { vhost } from '../vhosts';

const byteRate = (value: number | undefined) => (value === undefined ? '–' : bytes(Math.round(value)) + '/s');
const tone = (state: string) => (state === 'running' ? 'good' : state === 'closing' ? 'bad' : 'warn');

export function Connections() {
  const where = use(vhost);
  const columns: Column<ConnectionRow>[] = [
    {
      key: 'name', label: 'Connection', field: 'name',
      cell: (row) => (
        <span class="named">
          <a href={to('connections', row.name)}>{row.user_provided_name ?? row.name}</a>
          {row.user_provided_name && <span class="muted small">{row.peer_host}:{row.peer_port}</span>}
        </span>
      ),
    },
    ...(where ? [] : [{ key: 'vhost', label: 'Virtual host', field: 'vhost', cell: (row: ConnectionRow) => row.vhost, quiet: true }]),
    { key: 'user', label: 'User', field: 'user', cell: (row) => row.user },
    { key: 'state', label: 'State', field: 'state', cell: (row) => <Badge tone={tone(row.state)}>{row.state}</Badge> },
    { key: 'channels', label: 'Channels', field: 'channels', number: true, cell: (row) => count(row.channels) },
    { key: 'in', label: 'From it', field: 'recv_oct_details.rate', number: true, cell: (row) => byteRate(row.recv_oct_details?.rate) },
    { key: 'out', label: 'To it', field: 'send_oct_details.rate', number: true, cell: (row) => byteRate(row.send_oct_details?.rate) },
    { key: 'since', label: 'Since', field: 'connected_at', number: true, quiet: true, cell: (row) => <When time={row.connected_at} /> },
    { key: 'close', label: '', cell: (row) => <Close row={row} /> },
  ];
  return (
    <>
      <Heading title="Connections" kicker={where || 'all virtual hosts'} />
      <Listing<ConnectionRow>
        label="Connections"
        path={where ? `/vhosts/${seg(where)}/connections` : '/connections'}
        columns={columns}
        keyOf={(row) => row.name}
        order={{ key: 'name', reverse: false }}
        empty={<Empty title="Nobody is connected" icon="connection">Clients and workers show up here as they connect, for instance to amqp://{location.hostname}.</Empty>}
      />
    </>
  );
}

function Close(props: { row: ConnectionRow; label?: string; leave?: boolean }) {
  const [reason, setReason] = useState('');
  const { row } = props;
  const name = row.user_provided_name ?? row.name;
  return (
    <Opens label={props.label ?? 'Close'} kind={props.label ? 'plain' : 'quiet'} icon="close" ariaLabel={`Close ${name}`}>
      {(close) => (
        <FormDialog
          title={`Close ${name}?`}
          action="Close connection"
          danger
          close={close}
          run={async () => {
            await del('/connections/' + seg(row.name), { 'X-Reason': reason.replace(/[^\x20-\x7e]/g, '?') || 'closed in the console' });
            if (props.leave) go('connections');
            return 'The connection is closed.';
          }}
        >
          <p>What it has not settled goes back to its queues. A client that recovers will come back at once.</p>
          <Field label="What the client is told" value={reason} set={setReason} hint="320 CONNECTION_FORCED, with these words. Latin letters only." />
        </FormDialog>
      )}
    </Opens>
  );
}

export function Connection(props: PageProps) {
  const [name] = props.parts;
  const path = '/connections/' + seg(name);
  const { data, error } = useLive<ConnectionRow>(path, 2000, (row) => {
    record('connection\n' + name, {}, { in: row.recv_oct, out: row.send_oct });
  });
  const channels = useLive<ChannelRow[]>(path + '/channels', 3000);
  const kicker = <a href={to('connections')}>Connections</a>;
  if (!data) {
    return (
      <>
        <Heading title={name} kicker={kicker} />
        {error?.status === 404 ? (
          <Empty title="This connection is gone" icon="connection">
            <a href={to('connections')}>Those that are there</a>
          </Empty>
        ) : error ? (
          <ErrorBox error={error} />
        ) : (
          <Loading />
        )}
      </>
    );
  }
  const client = data.client_properties;
  const said = (key: string) => (typeof client[key] === 'string' ? (client[key] as string) : '');
  return (
    <>
      <Heading title={data.user_provided_name ?? data.name} kicker={kicker} badges={<Badge tone={tone(data.state)}>{data.state}</Badge>}>
        <Close row={data} label="Close connection" leave />
      </Heading>
      <ErrorBox error={error} />
      <div class="tiles">
        <Tile label="From it" value={byteRate(data.recv_oct_details?.rate)} tone="lead" note={bytes(data.recv_oct)} />
        <Tile label="To it" value={byteRate(data.send_oct_details?.rate)} note={bytes(data.send_oct)} />
        <Tile label="Channels" value={count(data.channels)} note={`${count(data.channel_max)} at most`} />
        <Tile label="Since" value={<When time={data.connected_at} />} />
      </div>
      <div class="two">
        <Card title="Bytes">
          <Chart
            label="Bytes of this connection"
            samples={seenSoFar('connection\n' + name)}
            format={(value) => byteRate(value)}
            lines={[
              { key: 'in', label: 'from it', tone: 1, fill: true },
              { key: 'out', label: 'to it', tone: 2 },
            ]}
          />
        </Card>
        <Card title="Details">
          <Facts
            of={[
              ['User', data.user],
              ['Virtual host', data.vhost],
              ['Name', <code>{data.name}</code>],
              ['Client', [said('product'), said('version')].filter(Boolean).join(' ')],
              ['Platform', said('platform')],
              ['Logged in by', data.auth_mechanism],
              ['TLS', data.ssl ? `${data.ssl_protocol}, ${data.ssl_cipher}` : 'no'],
              ['Certificate of', data.peer_cert_subject],
              ['Heartbeat', data.timeout ? data.timeout + ' s' : 'none'],
              ['Frames of at most', bytes(data.frame_max)],
              ['Waits to be sent', bytes(data.send_pend)],
              ['Connected', clock(data.connected_at)],
            ]}
          />
        </Card>
      </div>
      <Card title="Channels">
        <ErrorBox error={channels.error} />
        {channels.data ? (
          <Table label="Channels" rows={channels.data} keyOf={(row) => row.name} columns={channelColumns(false)} empty={<Empty title="No channel is open" icon="channel" />} />
        ) : (
          <Loading />
        )}
      </Card>
    </>
  );
}

function channelColumns(linked: boolean): Column<ChannelRow>[] {
  return [
    {
      key: 'name', label: 'Channel', field: 'name', sort: (row) => row.number,
      cell: (row) => (linked ? <a href={to('connections', row.connection_details.name)}>{row.name}</a> : row.number),
    },
    ...(linked ? [{ key: 'user', label: 'User', field: 'user', cell: (row: ChannelRow) => row.user }] : []),
    {
      key: 'mode', label: 'Mode',
      cell: (row) => (
        <>
          {row.confirm && <Badge tone="info">confirms</Badge>} {row.transactional && <Badge tone="info">transactions</Badge>} {row.state !== 'running' && <Badge tone="warn">{row.state}</Badge>}
        </>
      ),
      quiet: true,
    },
    { key: 'consumers', label: 'Consumers', field: 'consumer_count', number: true, sort: (row) => row.consumer_count, cell: (row) => count(row.consumer_count) },
    { key: 'unacked', label: 'In work', field: 'messages_unacknowledged', number: true, sort: (row) => row.messages_unacknowledged, cell: (row) => count(row.messages_unacknowledged) },
    { key: 'prefetch', label: 'Prefetch', field: 'prefetch_count', number: true, sort: (row) => row.prefetch_count, cell: (row) => (row.prefetch_count ? count(row.prefetch_count) : '–'), quiet: true },
    { key: 'publish', label: 'Published', field: 'message_stats.publish_details.rate', number: true, sort: (row) => row.message_stats?.publish_details?.rate, cell: (row) => rate(row.message_stats?.publish_details?.rate) },
    { key: 'deliver', label: 'Delivered', field: 'message_stats.deliver_get_details.rate', number: true, sort: (row) => row.message_stats?.deliver_get_details?.rate, cell: (row) => rate(row.message_stats?.deliver_get_details?.rate) },
    { key: 'ack', label: 'Settled', field: 'message_stats.ack_details.rate', number: true, sort: (row) => row.message_stats?.ack_details?.rate, cell: (row) => rate(row.message_stats?.ack_details?.rate) },
  ];
}

export function Channels() {
  const where = use(vhost);
  return (
    <>
      <Heading title="Channels" kicker={where || 'all virtual hosts'} />
      <Listing<ChannelRow>
        label="Channels"
        path={where ? `/vhosts/${seg(where)}/channels` : '/channels'}
        columns={channelColumns(true)}
        keyOf={(row) => row.name}
        order={{ key: 'name', reverse: false }}
        empty={<Empty title="No channel is open" icon="channel">A client opens channels on its connection to publish and to consume. To end one, close its connection.</Empty>}
      />
    </>
  );
}

