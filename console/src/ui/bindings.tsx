// Bindings of a queue or an exchange, with making and removing them.
import { useState } from 'preact/hooks';
import { del, post, seg } from '../api';
import { useNames } from '../live';
import { to as address } from '../router';
import { exchangeName, exchangePart, type BindingRow } from '../types';
import { Empty, Loading } from './basics';
import { Area, Choice, Confirm, Field, FormDialog, objectOf, Opens } from './dialog';
import { Table, type Column } from './table';

interface End {
  type: 'queue' | 'exchange';
  name: string;
}

export const bindingPath = (row: BindingRow) =>
  `/bindings/${seg(row.vhost)}/e/${seg(exchangePart(row.source))}/${row.destination_type === 'queue' ? 'q' : 'e'}/${seg(row.destination)}/${seg(row.properties_key)}`;

// to: what is bound, and from is chosen; or the other way round.
export function Bindings(props: { rows: BindingRow[] | undefined; vhost: string; to?: End; from?: string; changed: () => void }) {
  if (!props.rows) return <Loading />;
  const showsSource = props.from === undefined;
  const columns: Column<BindingRow>[] = [
    showsSource
      ? { key: 'end', label: 'From', sort: (row) => row.source, cell: (row) => <a href={address('exchanges', row.vhost, exchangePart(row.source))}>{exchangeName(row.source)}</a> }
      : {
          key: 'end', label: 'To', sort: (row) => row.destination,
          cell: (row) => (
            <>
              <a href={address(row.destination_type === 'queue' ? 'queues' : 'exchanges', row.vhost, row.destination)}>{row.destination}</a>{' '}
              <span class="muted">{row.destination_type}</span>
            </>
          ),
        },
    { key: 'key', label: 'Routing key', sort: (row) => row.routing_key, cell: (row) => (row.routing_key ? <code>{row.routing_key}</code> : '–') },
    { key: 'arguments', label: 'Arguments', quiet: true, cell: (row) => (Object.keys(row.arguments).length ? <code>{JSON.stringify(row.arguments)}</code> : '–') },
    {
      key: 'remove', label: '',
      cell: (row) =>
        row.source === '' ? (
          <span class="muted">always there</span>
        ) : (
          <Confirm
            label="Unbind"
            kind="quiet"
            title="Unbind?"
            words={`Messages for ${row.destination} with the key “${row.routing_key}” will not come from ${row.source} any more.`}
            ariaLabel={`Unbind ${row.destination} from ${row.source}`}
            run={async () => {
              await del(bindingPath(row));
              props.changed();
              return 'Unbound.';
            }}
          />
        ),
    },
  ];
  return (
    <>
      <Table
        label="Bindings"
        rows={props.rows}
        keyOf={(row) => [row.source, row.destination_type, row.destination, row.properties_key].join('\n')}
        columns={columns}
        empty={<Empty title="Nothing is bound here" icon="graph">{showsSource ? 'No exchange sends messages here.' : 'What is published here goes nowhere, and comes back to who asked for it with “mandatory”.'}</Empty>}
      />
      <p>
        <Opens label="New binding" icon="plus">
          {(close) => <NewBinding vhost={props.vhost} to={props.to} from={props.from} close={close} done={props.changed} />}
        </Opens>
      </p>
    </>
  );
}

function NewBinding(props: { vhost: string; to?: End; from?: string; close: () => void; done: () => void }) {
  const [source, setSource] = useState(props.from ?? '');
  const [kind, setKind] = useState<string>(props.to?.type ?? 'queue');
  const [target, setTarget] = useState(props.to?.name ?? '');
  const [key, setKey] = useState('');
  const [given, setGiven] = useState('');
  const wanted = props.to ? 'exchanges' : kind === 'queue' ? 'queues' : 'exchanges';
  const names = useNames(`/${wanted}/${seg(props.vhost)}`);
  const run = async () => {
    await post(`/bindings/${seg(props.vhost)}/e/${seg(source)}/${kind === 'queue' ? 'q' : 'e'}/${seg(target)}`, { routing_key: key, arguments: objectOf(given, 'Arguments') });
    props.done();
    return `${target} is bound to ${source}.`;
  };
  return (
    <FormDialog title="New binding" action="Bind" close={props.close} run={run}>
      {props.to ? (
        <Field label="From the exchange" value={source} set={setSource} list={names} required />
      ) : (
        <>
          <Choice label="To" value={kind} set={setKind} of={['queue', 'exchange']} />
          <Field label={kind === 'queue' ? 'Queue' : 'Exchange'} value={target} set={setTarget} list={names} required />
        </>
      )}
      <Field label="Routing key" value={key} set={setKey} hint="For a topic exchange * stands for one word, # for any number of them." />
      <Area label="Arguments" rows={2} value={given} set={setGiven} hint='JSON; for a headers exchange {"x-match": "all", "country": "fr"}' />
    </FormDialog>
  );
}
