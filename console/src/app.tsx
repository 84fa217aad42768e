// The frame around every page: where one can go, who one is, which virtual host is looked at.
import { Component, type ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useLive } from './live';
import { Login } from './login';
import { pages } from './pages';
import { place, to } from './router';
import { end, may, session } from './session';
import { use } from './signal';
import { dark, show, theme } from './theme';
import { Badge, Button, Empty, ErrorBox } from './ui/basics';
import { Icon, type IconName } from './ui/icons';
import { Notes } from './ui/notes';
import { look, vhost, vhostNames } from './vhosts';

interface Overview {
  cluster_name: string;
  product_version: string;
}

interface Node {
  mem_alarm: boolean;
  disk_free_alarm: boolean;
  disk_stalled: boolean;
}

const groups: { title: string; items: { at: string; label: string; icon: IconName; tag?: 'administrator' | 'policymaker' }[] }[] = [
  { title: '', items: [{ at: '', label: 'Overview', icon: 'overview' }] },
  {
    title: 'Messages',
    items: [
      { at: 'queues', label: 'Queues', icon: 'queue' },
      { at: 'exchanges', label: 'Exchanges', icon: 'exchange' },
      { at: 'graph', label: 'Routes', icon: 'graph' },
      { at: 'connections', label: 'Connections', icon: 'connection' },
      { at: 'channels', label: 'Channels', icon: 'channel' },
    ],
  },
  {
    title: 'Tasks',
    items: [
      { at: 'tasks', label: 'Tasks', icon: 'task' },
      { at: 'dead-letters', label: 'Dead letters', icon: 'dead' },
      { at: 'workers', label: 'Workers', icon: 'worker' },
      { at: 'schedules', label: 'Schedules', icon: 'schedule' },
    ],
  },
  {
    title: 'Administration',
    items: [
      { at: 'users', label: 'Users', icon: 'user', tag: 'administrator' },
      { at: 'vhosts', label: 'Virtual hosts', icon: 'vhost' },
      { at: 'policies', label: 'Policies', icon: 'policy', tag: 'policymaker' },
    ],
  },
];

function Menu(props: { here: string; version?: string }) {
  return (
    <nav aria-label="Pages">
      {groups.map((group) => {
        const items = group.items.filter((item) => !item.tag || may(item.tag));
        if (!items.length) return null;
        return (
          <div key={group.title} class="group">
            {group.title && <h2>{group.title}</h2>}
            <ul>
              {items.map((item) => (
                <li key={item.at}>
                  <a href={to(...(item.at ? [item.at] : []))} aria-current={props.here === item.at ? 'page' : undefined}>
                    <Icon name={item.icon} />
                    {item.label}
                  </a>
                </li>
              ))}
            </ul>
          </div>
        );
      })}
      {props.version && <p class="muted version">Wherry {props.version}</p>}
    </nav>
  );
}

function VhostChoice() {
  const now = use(vhost);
  const names = use(vhostNames);
  if (names.length < 2 && !now) return null;
  return (
    <label class="vhost">
      <span>Virtual host</span>
      <select value={now} onChange={(event) => look(event.currentTarget.value)}>
        <option value="">all</option>
        {names.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function Alarms(props: { nodes?: Node[] }) {
  const node = props.nodes?.[0];
  if (!node) return null;
  if (node.disk_stalled && !node.mem_alarm && !node.disk_free_alarm) {
    return (
      <div class="alarm" role="alert">
        <Icon name="warning" /> The disk does not answer: confirms of persistent messages wait for it. Look at the disk and at who else writes to it.
      </div>
    );
  }
  if (!node.mem_alarm && !node.disk_free_alarm) return null;
  const why = [node.mem_alarm && 'memory', node.disk_free_alarm && 'disk space'].filter(Boolean).join(' and ');
  return (
    <div class="alarm" role="alert">
      <Icon name="warning" /> The broker is short of {why}: publishers wait until there is more. Consume or purge messages, or raise the limit in broker.yaml.
    </div>
  );
}

function Page(props: { children: ComponentChildren; overview?: Overview; lost: boolean }) {
  const here = use(place).parts[0] ?? '';
  const who = use(session)!;
  const [open, setOpen] = useState(false);
  const whole = use(place).parts.join('/');
  use(theme);
  useEffect(() => {
    setOpen(false);
    window.scrollTo(0, 0);
  }, [whole]);
  useEffect(() => {
    const escape = (event: KeyboardEvent) => event.key === 'Escape' && setOpen(false);
    document.addEventListener('keydown', escape);
    return () => document.removeEventListener('keydown', escape);
  }, []);
  return (
    <div class={'frame' + (open ? ' open' : '')}>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        document.querySelector<HTMLElement>('main h1')?.focus();
      }}>
        To the page
      </a>
      <header class="top">
        <button type="button" class="button quiet burger" aria-expanded={open} aria-controls="side" onClick={() => setOpen(!open)}>
          <Icon name={open ? 'close' : 'menu'} />
          <span class="visually-hidden">Menu</span>
        </button>
        <a class="brand" href={to()}>
          <img src="/icon.svg" alt="" width="28" height="28" />
          <b>Wherry</b>
          {props.overview && <span class="muted">{props.overview.cluster_name}</span>}
        </a>
        {props.lost && <Badge tone="bad">no answer</Badge>}
        <div class="right">
          <VhostChoice />
          <Button kind="quiet" icon={dark() ? 'sun' : 'moon'} label={dark() ? 'Light colours' : 'Dark colours'} onClick={() => show(dark() ? 'light' : 'dark')}>
            {''}
          </Button>
          <span class="who muted">{who.user}</span>
          <Button kind="quiet" icon="out" label="Log out" onClick={() => end()}>
            {''}
          </Button>
        </div>
      </header>
      <div class="side" id="side" onClick={() => setOpen(false)}>
        <Menu here={here} version={props.overview?.product_version} />
      </div>
      {open && <div class="shade" onClick={() => setOpen(false)} />}
      <main id="main">{props.children}</main>
      <Notes />
    </div>
  );
}

// A page that fails does not take the others with it.
class Guard extends Component<{ children: ComponentChildren }, { error?: Error }> {
  state: { error?: Error } = {};
  componentDidCatch(error: Error) {
    console.error(error);
    this.setState({ error });
  }
  render() {
    return this.state.error ? <ErrorBox error={this.state.error} what="This page failed, which is a mistake of the console’s" /> : this.props.children;
  }
}

function Inside() {
  const { parts } = use(place);
  const overview = useLive<Overview>('/overview', 10_000);
  const nodes = useLive<Node[]>(may('monitoring') ? '/nodes' : null, 5000);
  useLive<{ name: string }[]>('/vhosts?columns=name', 15_000, (all) => vhostNames.set(all.map((each) => each.name)));
  const found = pages.find((page) => page.at === (parts[0] ?? '') && page.parts === Math.max(0, parts.length - 1));
  return (
    <Page overview={overview.data} lost={overview.error?.status === 0}>
      <Alarms nodes={nodes.data} />
      {found ? (
        <Guard key={parts.join('\n')}>
          <found.page parts={parts.slice(1)} />
        </Guard>
      ) : (
        <Empty title="There is no such page" icon="search">
          <a href={to()}>To the overview</a>
        </Empty>
      )}
    </Page>
  );
}

export function App() {
  return use(session) ? <Inside /> : <Login />;
}
