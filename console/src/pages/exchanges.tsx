import { useState } from 'preact/hooks';
import { del, put, seg } from '../api';
import { count, rate } from '../format';
import { record, seenSoFar, useLive } from '../live';
import type { PageProps } from '../pages';
import { go, to } from '../router';
import { use } from '../signal';
import { exchangeName, exchangePart, type BindingRow, type ExchangeRow } from '../types';
import { Badge, Card, Empty, ErrorBox, Facts, Heading, Loading, Tile } from '../ui/basics';
import { Bindings } from '../ui/bindings';
import { Chart } from '../ui/chart';
import { Area, Check, Choice, Confirm, Field, FormDialog, objectOf, Opens } from '../ui/dialog';
import { Publish } from '../ui/publish';
import { Listing, type Column } from '../ui/table';
import { oneVhost, vhost, vhostNames } from '../vhosts';

const types = ['direct', 'fanout', 'topic', 'headers', 'x-consistent-hash', 'x-random', 'x-delayed-message'];

const words = (row: ExchangeRow) => [
  ...(row.durable ? [] : ['transient']),
  ...(row.auto_delete ? ['auto-delete'] : []),
  ...(row.internal ? ['internal'] : []),
];

export function Exchanges() {
  const where = use(vhost);
  const columns: Column<ExchangeRow>[] = [
    {
      key: 'name', label: 'Exchange', field: 'name',
      cell: (row) => (
        <span class="named">
          <a href={to('exchanges', row.vhost, exchangePart(row.name))}>{exchangeName(row.name)}</a>
          <span class="marks">
            {words(row).map((word) => (
              <Badge key={word}>{word}</Badge>
            ))}
            {row.policy && <Badge tone="info">{row.policy}</Badge>}
          </span>
        </span>
      ),
    },
    ...(where ? [] : [{ key: 'vhost', label: 'Virtual host', field: 'vhost', cell: (row: ExchangeRow) => row.vhost, quiet: true }]),
    { key: 'type', label: 'Type', field: 'type', cell: (row) => row.type },
    { key: 'in', label: 'In', number: true, field: 'message_stats.publish_in_details.rate', cell: (row) => rate(row.message_stats?.publish_in_details.rate ?? 0) },
    { key: 'out', label: 'Out', number: true, field: 'message_stats.publish_out_details.rate', cell: (row) => rate(row.message_stats?.publish_out_details.rate ?? 0) },
  ];
  return (
    <>
      <Heading title="Exchanges" kicker={where || 'all virtual hosts'}>
        <Opens label="New exchange" icon="plus" kind="primary">
          {(close) => <NewExchange close={close} />}
        </Opens>
      </Heading>
      <Listing<ExchangeRow>
        label="Exchanges"
        path={'/exchanges' + (where ? '/' + seg(where) : '')}
        columns={columns}
        keyOf={(row) => row.vhost + '\n' + row.name}
        order={{ key: 'name', reverse: false }}
        empty={<Empty title="There is no exchange you may see" icon="exchange" />}
      />
    </>
  );
}

function NewExchange(props: { close: () => void }) {
  const [where, setWhere] = useState(oneVhost());
  const [name, setName] = useState('');
  const [type, setType] = useState('topic');
  const [durable, setDurable] = useState(true);
  const [autoDelete, setAutoDelete] = useState(false);
  const [internal, setInternal] = useState(false);
  const [alternate, setAlternate] = useState('');
  const [more, setMore] = useState('');
  const run = async () => {
    const given = objectOf(more, 'More arguments');
    if (alternate) given['alternate-exchange'] = alternate;
    await put(`/exchanges/${seg(where)}/${seg(name)}`, { type, durable, auto_delete: autoDelete, internal, arguments: given });
    go('exchanges', where, name);
    return `Exchange ${name} is there.`;
  };
  return (
    <FormDialog title="New exchange" action="Make exchange" close={props.close} run={run}>
      <Field label="Name" value={name} set={setName} required />
      <Choice label="Virtual host" value={where} set={setWhere} of={vhostNames.get()} />
      <Choice label="Type" value={type} set={setType} of={types} />
      <Check label="Durable: it survives a restart" value={durable} set={setDurable} />
      <Check label="Deleted with its last binding" value={autoDelete} set={setAutoDelete} />
      <Check label="Internal: clients cannot publish to it" value={internal} set={setInternal} />
      <Field label="What fits no binding goes to the exchange" value={alternate} set={setAlternate} />
      <Area label="More arguments" rows={2} value={more} set={setMore} hint="JSON" />
    </FormDialog>
  );
}

export function Exchange(props: PageProps) {
  const [where, part] = props.parts;
  const name = part === 'amq.default' ? '' : part;
  const path = `/exchanges/${seg(where)}/${seg(part)}`;
  const series = 'exchange\n' + path;
  const { data, error } = useLive<ExchangeRow>(path, 2000, (row) => {
    record(series, {}, { in: row.message_stats?.publish_in ?? 0, out: row.message_stats?.publish_out ?? 0 });
  });
  const out = useLive<BindingRow[]>(path + '/bindings/source', 6000);
  const into = useLive<BindingRow[]>(path + '/bindings/destination', 6000);
  const kicker = (
    <>
      <a href={to('exchanges')}>Exchanges</a> · {where}
    </>
  );
  if (!data) {
    return (
      <>
        <Heading title={exchangeName(name)} kicker={kicker} />
        {error ? <ErrorBox error={error} what="This exchange" /> : <Loading />}
      </>
    );
  }
  return (
    <>
      <Heading
        title={exchangeName(name)}
        kicker={kicker}
        badges={
          <>
            <Badge tone="info">{data.type}</Badge>
            {words(data).map((word) => (
              <Badge key={word}>{word}</Badge>
            ))}
          </>
        }
      >
        <Opens label="Publish" icon="send" kind="primary" disabled={data.internal}>
          {(close) => <Publish vhost={where} exchange={name} close={close} />}
        </Opens>
        <Confirm
          label="Delete"
          icon="trash"
          disabled={name === '' || name.startsWith('amq.')}
          title={`Delete ${exchangeName(name)}?`}
          words="Its bindings go with it. Who publishes to it is refused, and its channel closed."
          run={async () => {
            await del(path);
            go('exchanges');
            return `Exchange ${name} is deleted.`;
          }}
        />
      </Heading>
      <ErrorBox error={error} />
      <div class="tiles">
        <Tile label="In" value={rate(data.message_stats?.publish_in_details.rate ?? 0)} tone="lead" note={count(data.message_stats?.publish_in ?? 0) + ' in all'} />
        <Tile label="Out" value={rate(data.message_stats?.publish_out_details.rate ?? 0)} note={count(data.message_stats?.publish_out ?? 0) + ' in all'} />
        <Tile label="Bindings from here" value={count(out.data?.length)} href={to('graph')} />
      </div>
      <div class="two">
        <Card title="Rates">
          <Chart
            label="Rates of this exchange"
            samples={seenSoFar(series)}
            format={(value) => rate(value)}
            lines={[
              { key: 'in', label: 'in', tone: 1, fill: true },
              { key: 'out', label: 'out', tone: 2 },
            ]}
          />
        </Card>
        <Card title="Details">
          <Facts
            of={[
              ['Type', data.type],
              ['Durable', data.durable ? 'yes' : 'no'],
              ['Policy', data.policy],
              ['Arguments', Object.keys(data.arguments).length ? <code>{JSON.stringify(data.arguments)}</code> : 'none'],
            ]}
          />
        </Card>
      </div>
      <Card title="Where messages go">
        <ErrorBox error={out.error} />
        {name === '' ? <p class="muted">To the queue whose name is the routing key.</p> : <Bindings rows={out.data} vhost={where} from={name} changed={out.reload} />}
      </Card>
      {name !== '' && (
        <Card title="Where they come from">
          <ErrorBox error={into.error} />
          <Bindings rows={into.data} vhost={where} to={{ type: 'exchange', name }} changed={into.reload} />
        </Card>
      )}
    </>
  );
}
