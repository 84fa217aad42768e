import { useState } from 'preact/hooks';
import { put, seg } from '../api';
import { count, rate } from '../format';
import { go, to } from '../router';
import { use } from '../signal';
import type { QueueRow } from '../types';
import { Badge, Empty, Heading, When } from '../ui/basics';
import { Area, Check, Choice, Field, FormDialog, objectOf, Opens } from '../ui/dialog';
import { Listing, type Column } from '../ui/table';
import { oneVhost, vhost, vhostNames } from '../vhosts';

// What is special about a queue, in a word or two.
export function features(queue: QueueRow): string[] {
  const given = queue.effective_arguments ?? queue.arguments;
  const words: [string, string][] = [
    ['x-max-priority', 'priorities'],
    ['x-message-ttl', 'expiry'],
    ['x-dead-letter-exchange', 'dead letters'],
    ['x-max-length', 'length limit'],
    ['x-max-length-bytes', 'size limit'],
    ['x-expires', 'unused: deleted'],
    ['x-single-active-consumer', 'one at a time'],
    ['x-fair-key', 'fair'],
    ['x-message-deduplication', 'no duplicates'],
  ];
  return [
    ...(queue.type !== 'classic' ? [queue.type] : []),
    ...(queue.durable ? [] : ['transient']),
    ...(queue.auto_delete ? ['auto-delete'] : []),
    ...(queue.exclusive ? ['exclusive'] : []),
    ...words.filter(([name]) => given[name] !== undefined).map(([, word]) => word),
  ];
}

export const StateBadge = (props: { queue: QueueRow }) =>
  props.queue.state === 'paused' ? <Badge tone="warn">paused</Badge> : <Badge tone="good">{props.queue.state}</Badge>;

export function Queues() {
  const where = use(vhost);
  const columns: Column<QueueRow>[] = [
    {
      key: 'name',
      label: 'Queue',
      field: 'name',
      cell: (row) => (
        <span class="named">
          <a href={to('queues', row.vhost, row.name)}>{row.name}</a>
          <span class="marks">
            {row.state !== 'running' && <StateBadge queue={row} />}
            {features(row).map((word) => (
              <Badge key={word}>{word}</Badge>
            ))}
            {row.policy && <Badge tone="info">{row.policy}</Badge>}
          </span>
        </span>
      ),
    },
    ...(where ? [] : [{ key: 'vhost', label: 'Virtual host', field: 'vhost', cell: (row: QueueRow) => row.vhost, quiet: true }]),
    { key: 'ready', label: 'Ready', field: 'messages_ready', number: true, cell: (row) => count(row.messages_ready) },
    { key: 'unacked', label: 'In work', field: 'messages_unacknowledged', number: true, cell: (row) => count(row.messages_unacknowledged) },
    { key: 'in', label: 'In', field: 'message_stats.publish_details.rate', number: true, cell: (row) => rate(row.message_stats?.publish_details?.rate) },
    { key: 'out', label: 'Out', field: 'message_stats.deliver_get_details.rate', number: true, cell: (row) => rate(row.message_stats?.deliver_get_details?.rate) },
    {
      key: 'consumers',
      label: 'Consumers',
      field: 'consumers',
      number: true,
      cell: (row) => (row.consumers === 0 && row.messages_ready > 0 ? <span class="warn-text">none</span> : count(row.consumers)),
    },
    {
      key: 'oldest',
      label: 'Oldest',
      field: 'head_message_timestamp',
      number: true,
      quiet: true,
      cell: (row) => (row.head_message_timestamp ? <When time={row.head_message_timestamp * 1000} /> : '–'),
    },
  ];
  return (
    <>
      <Heading title="Queues" kicker={where || 'all virtual hosts'}>
        <Opens label="New queue" icon="plus" kind="primary">
          {(close) => <NewQueue close={close} />}
        </Opens>
      </Heading>
      <Listing<QueueRow>
        label="Queues"
        path={'/queues' + (where ? '/' + seg(where) : '')}
        columns={columns}
        keyOf={(row) => row.vhost + '\n' + row.name}
        order={{ key: 'name', reverse: false }}
        empty={
          <Empty title="There are no queues yet" icon="queue">
            A client declares its queue when it connects, or make one here with “New queue”.
          </Empty>
        }
      />
    </>
  );
}

function NewQueue(props: { close: () => void }) {
  const [where, setWhere] = useState(oneVhost());
  const [name, setName] = useState('');
  const [type, setType] = useState('classic');
  const [durable, setDurable] = useState(true);
  const [autoDelete, setAutoDelete] = useState(false);
  const [ttl, setTtl] = useState('');
  const [length, setLength] = useState('');
  const [deadExchange, setDeadExchange] = useState('');
  const [more, setMore] = useState('');
  const run = async () => {
    const given = objectOf(more, 'More arguments');
    if (type !== 'classic') given['x-queue-type'] = type;
    if (ttl) given['x-message-ttl'] = Number(ttl);
    if (length) given['x-max-length'] = Number(length);
    if (deadExchange) given['x-dead-letter-exchange'] = deadExchange;
    await put(`/queues/${seg(where)}/${seg(name)}`, { durable, auto_delete: autoDelete, arguments: given });
    go('queues', where, name);
    return `Queue ${name} is there.`;
  };
  return (
    <FormDialog title="New queue" action="Make queue" close={props.close} run={run}>
      <Field label="Name" value={name} set={setName} required />
      <Choice label="Virtual host" value={where} set={setWhere} of={vhostNames.get()} />
      <Choice label="Type" value={type} set={setType} of={['classic', 'quorum']} />
      <Check label="Durable: it survives a restart" value={durable} set={setDurable} />
      <Check label="Deleted with its last consumer" value={autoDelete} set={setAutoDelete} />
      <Field label="Messages expire after (ms)" type="number" min={0} value={ttl} set={setTtl} />
      <Field label="Messages at most" type="number" min={0} value={length} set={setLength} />
      <Field label="Dead letters go to the exchange" value={deadExchange} set={setDeadExchange} />
      <Area label="More arguments" rows={3} value={more} set={setMore} hint='JSON, such as {"x-max-priority": 10}' />
    </FormDialog>
  );
}
