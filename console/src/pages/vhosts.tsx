import { useState } from 'preact/hooks';
import { del, put, seg } from '../api';
import { count } from '../format';
import { useLive } from '../live';
import { to } from '../router';
import { may } from '../session';
import { Badge, Card, Empty, ErrorBox, Heading, Loading } from '../ui/basics';
import { Confirm, Field, FormDialog, Opens } from '../ui/dialog';
import { Table } from '../ui/table';
import { look, vhostNames } from '../vhosts';
import { SetLimit } from './users';

interface VhostRow {
  name: string;
  description: string;
  tags: string[];
  messages: number;
  messages_ready: number;
  messages_unacknowledged: number;
  connections: number;
}

interface Limits {
  vhost: string;
  value: Record<string, number>;
}

export function Vhosts() {
  const { data, error, reload } = useLive<VhostRow[]>('/vhosts', 4000, (all) => vhostNames.set(all.map((each) => each.name)));
  const limits = useLive<Limits[]>(may('policymaker') ? '/vhost-limits' : null, 6000);
  const rule = may('administrator');
  return (
    <>
      <Heading title="Virtual hosts">
        {rule && (
          <Opens label="New virtual host" icon="plus" kind="primary">
            {(close) => <NewVhost close={close} done={reload} />}
          </Opens>
        )}
      </Heading>
      <p class="muted lead-in">Each has its own exchanges, queues and permissions: what is in one does not see what is in another.</p>
      <ErrorBox error={error} />
      {!data && !error && <Loading />}
      {data && (
        <Table
          label="Virtual hosts"
          rows={data}
          keyOf={(row) => row.name}
          order={{ key: 'name', reverse: false }}
          empty={<Empty title="There is none that you may see" icon="vhost">An administrator gives permissions in one.</Empty>}
          columns={[
            {
              key: 'name', label: 'Name', sort: (row) => row.name,
              cell: (row) => (
                <span class="named">
                  <a href={to('queues')} onClick={() => look(row.name)}>{row.name}</a>
                  <span class="marks">{(row.tags ?? []).map((tag) => <Badge key={tag}>{tag}</Badge>)}</span>
                </span>
              ),
            },
            { key: 'description', label: 'Description', cell: (row) => row.description, quiet: true },
            { key: 'ready', label: 'Ready', number: true, sort: (row) => row.messages_ready, cell: (row) => count(row.messages_ready) },
            { key: 'unacked', label: 'In work', number: true, sort: (row) => row.messages_unacknowledged, cell: (row) => count(row.messages_unacknowledged) },
            { key: 'connections', label: 'Connections', number: true, sort: (row) => row.connections, cell: (row) => count(row.connections) },
            {
              key: 'do', label: '',
              cell: (row) =>
                rule && (
                  <Confirm
                    label="Delete"
                    kind="quiet"
                    ariaLabel={`Delete the virtual host ${row.name}`}
                    title={`Delete ${row.name}?`}
                    words={`Its queues with ${count(row.messages)} messages, exchanges, bindings, policies and permissions go with it, and its connections are closed. This cannot be undone.`}
                    run={async () => {
                      await del('/vhosts/' + seg(row.name));
                      look('');
                      reload();
                      return `${row.name} is deleted.`;
                    }}
                  />
                ),
            },
          ]}
        />
      )}
      {may('policymaker') && (
        <Card title="Limits">
          <ErrorBox error={limits.error} />
          {limits.data && (
            <Table
              label="Limits of virtual hosts"
              rows={limits.data.flatMap((each) => Object.entries(each.value).map(([name, value]) => ({ vhost: each.vhost, name, value })))}
              keyOf={(row) => row.vhost + '\n' + row.name}
              empty={<Empty title="No virtual host has limits" icon="policy">A limit bounds how many connections or queues one may have.</Empty>}
              columns={[
                { key: 'vhost', label: 'Virtual host', sort: (row) => row.vhost, cell: (row) => row.vhost },
                { key: 'name', label: 'Limit', cell: (row) => row.name },
                { key: 'value', label: 'At most', number: true, cell: (row) => count(row.value) },
                {
                  key: 'do', label: '',
                  cell: (row) => (
                    <Confirm
                      label="Clear"
                      kind="quiet"
                      ariaLabel={`Clear ${row.name} of ${row.vhost}`}
                      title={`Clear ${row.name}?`}
                      words="There is no limit then."
                      run={async () => {
                        await del(`/vhost-limits/${seg(row.vhost)}/${seg(row.name)}`);
                        limits.reload();
                        return 'Cleared.';
                      }}
                    />
                  ),
                },
              ]}
            />
          )}
          <div class="row">
            {vhostNames.get().map((name) => (
              <Opens key={name} label={`Set a limit for ${name}`} icon="plus">
                {(close) => <SetLimit path={`/vhost-limits/${seg(name)}`} names={['max-connections', 'max-queues']} close={close} done={limits.reload} />}
              </Opens>
            ))}
          </div>
        </Card>
      )}
    </>
  );
}

function NewVhost(props: { close: () => void; done: () => void }) {
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  const [tags, setTags] = useState('');
  return (
    <FormDialog
      title="New virtual host"
      action="Make virtual host"
      close={props.close}
      run={async () => {
        await put('/vhosts/' + seg(name), { description, tags });
        props.done();
        return `${name} is there, and you may do everything in it.`;
      }}
    >
      <Field label="Name" value={name} set={setName} required />
      <Field label="Description" value={description} set={setDescription} />
      <Field label="Tags" value={tags} set={setTags} hint="Words of your own, with commas between them." />
    </FormDialog>
  );
}
