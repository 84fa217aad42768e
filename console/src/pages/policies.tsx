import { useState } from 'preact/hooks';
import { del, put, seg } from '../api';
import { useLive } from '../live';
import { use } from '../signal';
import { may } from '../session';
import { Card, Empty, ErrorBox, Heading, Loading } from '../ui/basics';
import { Area, Choice, Confirm, Field, FormDialog, objectOf, Opens } from '../ui/dialog';
import { Table } from '../ui/table';
import { oneVhost, vhost, vhostNames } from '../vhosts';

interface PolicyRow {
  vhost: string;
  name: string;
  pattern: string;
  'apply-to': string;
  definition: Record<string, unknown>;
  priority: number;
  origin?: string;
}

type Kind = 'policies' | 'operator-policies';

export function Policies() {
  return (
    <>
      <Heading title="Policies" kicker={use(vhost) || 'all virtual hosts'} />
      <p class="muted lead-in">Settings of queues and exchanges by a pattern of their names. They count at once, for what is there already as well. Of several that fit, the one with the highest priority counts.</p>
      <List kind="policies" title="Policies" empty="No policy is set" words="Queues are as their clients declared them. A policy can give them, for instance, a time to live or a dead-letter exchange." change />
      <List kind="operator-policies" title="Operator policies" empty="No operator policy is set" words="They bound what clients and other policies may ask for: the smaller of two limits counts." change={may('administrator')} />
    </>
  );
}

function List(props: { kind: Kind; title: string; empty: string; words: string; change: boolean }) {
  const where = use(vhost);
  const { data, error, reload } = useLive<PolicyRow[]>(`/${props.kind}` + (where ? '/' + seg(where) : ''), 5000);
  return (
    <Card title={props.title} actions={props.change && <Opens label="New policy" icon="plus" kind={props.kind === 'policies' ? 'primary' : undefined}>{(close) => <Edit kind={props.kind} close={close} done={reload} />}</Opens>}>
      <ErrorBox error={error} />
      {!data && !error && <Loading />}
      {data && (
        <Table
          label={props.title}
          rows={data}
          keyOf={(row) => row.vhost + '\n' + row.name}
          order={{ key: 'priority', reverse: true }}
          empty={<Empty title={props.empty} icon="policy">{props.words}</Empty>}
          columns={[
            { key: 'name', label: 'Name', sort: (row) => row.name, cell: (row) => <b>{row.name}</b> },
            { key: 'vhost', label: 'Virtual host', sort: (row) => row.vhost, cell: (row) => row.vhost, quiet: Boolean(where) },
            { key: 'pattern', label: 'Pattern', sort: (row) => row.pattern, cell: (row) => <code>{row.pattern}</code> },
            { key: 'apply', label: 'For', sort: (row) => row['apply-to'], cell: (row) => row['apply-to'] },
            { key: 'definition', label: 'What it says', cell: (row) => Object.entries(row.definition).map(([name, value]) => <code key={name} class="pair">{name}: {JSON.stringify(value)}</code>) },
            { key: 'priority', label: 'Priority', number: true, sort: (row) => row.priority, cell: (row) => row.priority },
            {
              key: 'do', label: '',
              cell: (row) =>
                props.change && (
                  <>
                    <Opens label="Change" kind="quiet" ariaLabel={`Change ${row.name}`}>{(close) => <Edit kind={props.kind} now={row} close={close} done={reload} />}</Opens>
                    <Confirm
                      label="Delete"
                      kind="quiet"
                      ariaLabel={`Delete ${row.name}`}
                      title={`Delete ${row.name}?`}
                      words="What it said does not count any more, at once."
                      run={async () => {
                        await del(`/${props.kind}/${seg(row.vhost)}/${seg(row.name)}`);
                        reload();
                        return `${row.name} is deleted.`;
                      }}
                    />
                  </>
                ),
            },
          ]}
        />
      )}
    </Card>
  );
}

function Edit(props: { kind: Kind; now?: PolicyRow; close: () => void; done: () => void }) {
  const { now } = props;
  const [where, setWhere] = useState(now?.vhost ?? oneVhost());
  const [name, setName] = useState(now?.name ?? '');
  const [pattern, setPattern] = useState(now?.pattern ?? '');
  const [apply, setApply] = useState(now?.['apply-to'] ?? 'queues');
  const [definition, setDefinition] = useState(now ? JSON.stringify(now.definition, null, 2) : '{\n  "message-ttl": 86400000\n}');
  const [priority, setPriority] = useState(String(now?.priority ?? 0));
  return (
    <FormDialog
      title={now ? `Change ${now.name}` : props.kind === 'policies' ? 'New policy' : 'New operator policy'}
      action={now ? 'Change' : 'Set policy'}
      close={props.close}
      run={async () => {
        await put(`/${props.kind}/${seg(where)}/${seg(name)}`, { pattern, 'apply-to': apply, definition: objectOf(definition, 'What it says'), priority: Number(priority) });
        props.done();
        return `${name} counts now.`;
      }}
    >
      {!now && <Field label="Name" value={name} set={setName} required />}
      {!now && <Choice label="Virtual host" value={where} set={setWhere} of={vhostNames.get()} />}
      <Field label="Pattern" value={pattern} set={setPattern} required hint="A regular expression: ^orders\. fits every name that begins with “orders.”" />
      <Choice label="For" value={apply} set={setApply} of={props.kind === 'policies' ? ['queues', 'exchanges', 'all', 'classic_queues', 'quorum_queues'] : ['queues', 'classic_queues', 'quorum_queues']} />
      <Area label="What it says" rows={5} value={definition} set={setDefinition} hint="JSON: message-ttl, max-length, dead-letter-exchange, expires, overflow, delivery-limit, …" />
      <Field label="Priority" type="number" value={priority} set={setPriority} />
    </FormDialog>
  );
}
