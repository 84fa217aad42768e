import { useState } from 'preact/hooks';
import { del, put, seg } from '../api';
import { count } from '../format';
import { useLive } from '../live';
import type { PageProps } from '../pages';
import { go, to } from '../router';
import { session } from '../session';
import { Badge, Card, Empty, ErrorBox, Heading, Loading } from '../ui/basics';
import { Check, Choice, Confirm, Field, FormDialog, Opens } from '../ui/dialog';
import { Table } from '../ui/table';
import { vhostNames } from '../vhosts';

interface UserRow {
  name: string;
  tags: string[];
  password_hash: string;
  hashing_algorithm: string;
  limits: Record<string, number>;
}

interface Permission {
  user: string;
  vhost: string;
  configure: string;
  write: string;
  read: string;
}

interface TopicPermission {
  user: string;
  vhost: string;
  exchange: string;
  write: string;
  read: string;
}

interface Limits {
  user: string;
  value: Record<string, number>;
}

const tags: [string, string][] = [
  ['administrator', 'administrator: sees and does everything'],
  ['monitoring', 'monitoring: sees everything'],
  ['policymaker', 'policymaker: policies, where it may work'],
  ['management', 'management: the console, for what it may do by AMQP'],
];

function tagsOf(row: UserRow): string[] {
  return Array.isArray(row.tags) ? row.tags : String(row.tags ?? '').split(',').filter(Boolean);
}

export function Users() {
  const { data, error, reload } = useLive<UserRow[]>('/users', 5000);
  const permissions = useLive<Permission[]>('/permissions', 5000);
  return (
    <>
      <Heading title="Users">
        <Opens label="New user" icon="plus" kind="primary">
          {(close) => <EditUser close={close} done={reload} />}
        </Opens>
      </Heading>
      <ErrorBox error={error} />
      {!data && !error && <Loading />}
      {data && (
        <Table
          label="Users"
          rows={data}
          keyOf={(row) => row.name}
          order={{ key: 'name', reverse: false }}
          empty={<Empty title="There are no users" icon="user" />}
          columns={[
            { key: 'name', label: 'User', sort: (row) => row.name, cell: (row) => <a href={to('users', row.name)}>{row.name}</a> },
            {
              key: 'tags', label: 'Tags', sort: (row) => tagsOf(row).join(),
              cell: (row) => tagsOf(row).map((tag) => <Badge key={tag} tone={tag === 'administrator' ? 'warn' : 'info'}>{tag}</Badge>),
            },
            {
              key: 'vhosts', label: 'May work in',
              cell: (row) => {
                const mine = (permissions.data ?? []).filter((each) => each.user === row.name);
                return mine.length ? mine.map((each) => <Badge key={each.vhost}>{each.vhost}</Badge>) : <span class="warn-text">nowhere</span>;
              },
            },
            { key: 'password', label: 'Password', quiet: true, cell: (row) => (row.password_hash ? 'yes' : <span class="muted">none: by certificate only</span>) },
          ]}
        />
      )}
    </>
  );
}

function EditUser(props: { user?: UserRow; close: () => void; done: () => void }) {
  const { user } = props;
  const [name, setName] = useState(user?.name ?? '');
  const [password, setPassword] = useState('');
  const [given, setGiven] = useState(new Set(user ? tagsOf(user) : []));
  const [open, setOpen] = useState(!user);
  const run = async () => {
    const body: Record<string, unknown> = { tags: [...given].join(',') };
    if (password) body.password = password;
    else if (user) Object.assign(body, { password_hash: user.password_hash, hashing_algorithm: user.hashing_algorithm });
    else throw new Error('A new user needs a password');
    await put('/users/' + seg(name), body);
    if (!user && open) {
      for (const vhost of vhostNames.get().slice(0, 1)) await put(`/permissions/${seg(vhost)}/${seg(name)}`, { configure: '.*', write: '.*', read: '.*' });
    }
    props.done();
    return user ? `${name} is changed.` : `${name} is there.`;
  };
  return (
    <FormDialog title={user ? `Change ${user.name}` : 'New user'} action={user ? 'Change' : 'Make user'} close={props.close} run={run}>
      {!user && <Field label="Name" value={name} set={setName} required />}
      <Field label={user ? 'New password' : 'Password'} type="password" value={password} set={setPassword} autocomplete="new-password" hint={user ? 'Empty: it stays as it is.' : undefined} />
      <fieldset>
        <legend>Tags: what it may do here</legend>
        {tags.map(([tag, label]) => (
          <Check
            key={tag}
            label={label}
            value={given.has(tag)}
            set={(on) => {
              const next = new Set(given);
              if (on) next.add(tag);
              else next.delete(tag);
              setGiven(next);
            }}
          />
        ))}
      </fieldset>
      {!user && <Check label={`May do everything in the virtual host ${vhostNames.get()[0]}`} value={open} set={setOpen} />}
    </FormDialog>
  );
}

export function User(props: PageProps) {
  const [name] = props.parts;
  const path = '/users/' + seg(name);
  const { data, error, reload } = useLive<UserRow>(path, 5000);
  const permissions = useLive<Permission[]>(path + '/permissions', 5000);
  const topics = useLive<TopicPermission[]>(path + '/topic-permissions', 5000);
  const limits = useLive<Limits[]>(`/user-limits/${seg(name)}`, 5000);
  const kicker = <a href={to('users')}>Users</a>;
  if (!data) {
    return (
      <>
        <Heading title={name} kicker={kicker} />
        {error ? <ErrorBox error={error} what="This user" /> : <Loading />}
      </>
    );
  }
  const set = Object.entries(limits.data?.[0]?.value ?? {});
  return (
    <>
      <Heading title={name} kicker={kicker} badges={tagsOf(data).map((tag) => <Badge key={tag} tone={tag === 'administrator' ? 'warn' : 'info'}>{tag}</Badge>)}>
        <Opens label="Change" icon="edit">{(close) => <EditUser user={data} close={close} done={reload} />}</Opens>
        <Confirm
          label="Delete"
          icon="trash"
          disabled={session.get()?.user === name}
          title={`Delete ${name}?`}
          words="Its permissions go with it, and its connections are closed."
          run={async () => {
            await del(path);
            go('users');
            return `${name} is deleted.`;
          }}
        />
      </Heading>
      <ErrorBox error={error} />
      <Card title="Permissions" actions={<Opens label="Set" icon="plus">{(close) => <SetPermission user={name} close={close} done={permissions.reload} />}</Opens>}>
        <p class="muted">Patterns of names, in each virtual host that it may work in. An empty pattern allows nothing.</p>
        <ErrorBox error={permissions.error} />
        <Table
          label="Permissions"
          rows={permissions.data ?? []}
          keyOf={(row) => row.vhost}
          empty={<Empty title="It may work in no virtual host" icon="policy">Without permissions a client of this user cannot open a connection.</Empty>}
          columns={[
            { key: 'vhost', label: 'Virtual host', sort: (row) => row.vhost, cell: (row) => row.vhost },
            ...(['configure', 'write', 'read'] as const).map((key) => ({ key, label: key, cell: (row: Permission) => (row[key] ? <code>{row[key]}</code> : <span class="muted">nothing</span>) })),
            {
              key: 'do', label: '',
              cell: (row) => (
                <>
                  <Opens label="Change" kind="quiet" ariaLabel={`Change the permissions in ${row.vhost}`}>{(close) => <SetPermission user={name} now={row} close={close} done={permissions.reload} />}</Opens>
                  <Confirm
                    label="Clear"
                    kind="quiet"
                    ariaLabel={`Clear the permissions in ${row.vhost}`}
                    title={`Clear the permissions in ${row.vhost}?`}
                    words={`${name} cannot open ${row.vhost} any more.`}
                    run={async () => {
                      await del(`/permissions/${seg(row.vhost)}/${seg(name)}`);
                      permissions.reload();
                      return 'Cleared.';
                    }}
                  />
                </>
              ),
            },
          ]}
        />
      </Card>
      <div class="two">
        <Card title="Topic permissions" actions={<Opens label="Set" icon="plus">{(close) => <SetTopic user={name} close={close} done={topics.reload} />}</Opens>}>
          <ErrorBox error={topics.error} />
          <Table
            label="Topic permissions"
            rows={topics.data ?? []}
            keyOf={(row) => row.vhost + '\n' + row.exchange}
            empty={<Empty title="No rules for routing keys" icon="policy">It may use every routing key of the topic exchanges that it may use.</Empty>}
            columns={[
              { key: 'vhost', label: 'Virtual host', cell: (row) => row.vhost },
              { key: 'exchange', label: 'Exchange', cell: (row) => row.exchange || 'all' },
              { key: 'write', label: 'write', cell: (row) => <code>{row.write}</code> },
              { key: 'read', label: 'read', cell: (row) => <code>{row.read}</code> },
              {
                key: 'do', label: '',
                cell: (row) => (
                  <Confirm
                    label="Clear"
                    kind="quiet"
                    ariaLabel={`Clear the topic permissions in ${row.vhost}`}
                    title="Clear the topic permissions?"
                    words={`All of ${name} in ${row.vhost}.`}
                    run={async () => {
                      await del(`/topic-permissions/${seg(row.vhost)}/${seg(name)}`);
                      topics.reload();
                      return 'Cleared.';
                    }}
                  />
                ),
              },
            ]}
          />
        </Card>
        <Card title="Limits" actions={<Opens label="Set" icon="plus">{(close) => <SetLimit path={`/user-limits/${seg(name)}`} close={close} done={limits.reload} names={['max-connections', 'max-channels']} />}</Opens>}>
          <ErrorBox error={limits.error} />
          <Table
            label="Limits"
            rows={set}
            keyOf={([key]) => key}
            empty={<Empty title="No limits of its own" icon="policy" />}
            columns={[
              { key: 'name', label: 'Limit', cell: ([key]) => key },
              { key: 'value', label: 'At most', number: true, cell: ([, value]) => count(value) },
              {
                key: 'do', label: '',
                cell: ([key]) => (
                  <Confirm
                    label="Clear"
                    kind="quiet"
                    ariaLabel={`Clear ${key}`}
                    title={`Clear ${key}?`}
                    words="There is no limit then."
                    run={async () => {
                      await del(`/user-limits/${seg(name)}/${seg(key)}`);
                      limits.reload();
                      return 'Cleared.';
                    }}
                  />
                ),
              },
            ]}
          />
        </Card>
      </div>
    </>
  );
}

function SetPermission(props: { user: string; now?: Permission; close: () => void; done: () => void }) {
  const [vhost, setVhost] = useState(props.now?.vhost ?? vhostNames.get()[0] ?? '/');
  const [configure, setConfigure] = useState(props.now?.configure ?? '.*');
  const [write, setWrite] = useState(props.now?.write ?? '.*');
  const [read, setRead] = useState(props.now?.read ?? '.*');
  return (
    <FormDialog
      title={`Permissions of ${props.user}`}
      action="Set"
      close={props.close}
      run={async () => {
        await put(`/permissions/${seg(vhost)}/${seg(props.user)}`, { configure, write, read });
        props.done();
        return `The permissions of ${props.user} in ${vhost} are set.`;
      }}
    >
      {!props.now && <Choice label="Virtual host" value={vhost} set={setVhost} of={vhostNames.get()} />}
      <Field label="Configure: declare and delete" value={configure} set={setConfigure} />
      <Field label="Write: publish, bind queues" value={write} set={setWrite} />
      <Field label="Read: consume, get, purge, bind to exchanges" value={read} set={setRead} hint="Regular expressions: ^orders\. is every name that begins with “orders.”" />
    </FormDialog>
  );
}

function SetTopic(props: { user: string; close: () => void; done: () => void }) {
  const [vhost, setVhost] = useState(vhostNames.get()[0] ?? '/');
  const [exchange, setExchange] = useState('');
  const [write, setWrite] = useState('.*');
  const [read, setRead] = useState('.*');
  return (
    <FormDialog
      title={`Topic permissions of ${props.user}`}
      action="Set"
      close={props.close}
      run={async () => {
        await put(`/topic-permissions/${seg(vhost)}/${seg(props.user)}`, { exchange, write, read });
        props.done();
        return 'Set.';
      }}
    >
      <Choice label="Virtual host" value={vhost} set={setVhost} of={vhostNames.get()} />
      <Field label="Topic exchange" value={exchange} set={setExchange} hint="Empty: all of them." />
      <Field label="Write: routing keys to publish with" value={write} set={setWrite} />
      <Field label="Read: routing keys to bind with" value={read} set={setRead} />
    </FormDialog>
  );
}

export function SetLimit(props: { path: string; names: string[]; close: () => void; done: () => void }) {
  const [name, setName] = useState(props.names[0]);
  const [value, setValue] = useState('');
  return (
    <FormDialog
      title="Set a limit"
      action="Set"
      close={props.close}
      run={async () => {
        await put(`${props.path}/${seg(name)}`, { value: Number(value) });
        props.done();
        return 'Set.';
      }}
    >
      <Choice label="Limit" value={name} set={setName} of={props.names} />
      <Field label="At most" type="number" value={value} set={setValue} required hint="What is there already stays." />
    </FormDialog>
  );
}
