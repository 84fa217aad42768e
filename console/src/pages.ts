// Which page is at which address: the first part of it, and how many names follow.
import type { ComponentType } from 'preact';
import { Channels, Connection, Connections } from './pages/connections';
import { DeadLetter, DeadLetters } from './pages/dead_letters';
import { Exchange, Exchanges } from './pages/exchanges';
import { Graph } from './pages/graph';
import { Overview } from './pages/overview';
import { Policies } from './pages/policies';
import { Queue } from './pages/queue';
import { Queues } from './pages/queues';
import { Schedules } from './pages/schedules';
import { Task } from './pages/task';
import { Tasks } from './pages/tasks';
import { User, Users } from './pages/users';
import { Vhosts } from './pages/vhosts';
import { Worker, Workers } from './pages/workers';

export interface PageProps {
  parts: string[];
}

export const pages: { at: string; parts: number; page: ComponentType<PageProps> }[] = [
  { at: '', parts: 0, page: Overview },
  { at: 'queues', parts: 0, page: Queues },
  { at: 'queues', parts: 2, page: Queue },
  { at: 'exchanges', parts: 0, page: Exchanges },
  { at: 'exchanges', parts: 2, page: Exchange },
  { at: 'graph', parts: 0, page: Graph },
  { at: 'connections', parts: 0, page: Connections },
  { at: 'connections', parts: 1, page: Connection },
  { at: 'channels', parts: 0, page: Channels },
  { at: 'tasks', parts: 0, page: Tasks },
  { at: 'tasks', parts: 2, page: Task },
  { at: 'dead-letters', parts: 0, page: DeadLetters },
  { at: 'dead-letters', parts: 3, page: DeadLetter },
  { at: 'workers', parts: 0, page: Workers },
  { at: 'workers', parts: 2, page: Worker },
  { at: 'schedules', parts: 0, page: Schedules },
  { at: 'users', parts: 0, page: Users },
  { at: 'users', parts: 1, page: User },
  { at: 'vhosts', parts: 0, page: Vhosts },
  { at: 'policies', parts: 0, page: Policies },
];
