// What the broker knows of tasks, and the words for their states.
import { ApiError } from '../api';
import { Badge, Empty, ErrorBox } from '../ui/basics';

export const states = ['PENDING', 'RECEIVED', 'STARTED', 'RETRY', 'SUCCESS', 'FAILURE', 'REVOKED', 'REJECTED'] as const;
export type State = (typeof states)[number];

export interface TaskRow {
  id: string;
  name: string | null;
  state: State;
  worker: string | null;
  queue: string | null;
  sent: string | null;
  received: string | null;
  started: string | null;
  ended: string | null;
  updated: string | null;
  retries: number;
  runtime: number | null;
  eta: string | null;
  expires: string | null;
  root_id: string | null;
  parent_id: string | null;
  args?: string;
  kwargs?: string;
  result?: string | null;
  error?: string | null;
}

export interface Relative {
  id: string;
  name: string | null;
  state: State;
}

export interface TaskWhole extends TaskRow {
  attempts: { attempt: number; worker: string | null; received: string | null; started: string | null; ended: string | null; outcome: State | null; runtime: number | null; error: string | null; traceback: string | null }[];
  attempts_left_out: number;
  steps: { type: string; at: string; worker: string | null }[];
  children: Relative[];
  parent: Relative | null;
}

export interface NameRow {
  name: string;
  received: number;
  started: number;
  succeeded: number;
  failed: number;
  retried: number;
  revoked: number;
  rejected: number;
  states: Record<State, number>;
  runtime: { count: number; mean: number | null; least: number | null; most: number | null; buckets: { le: number | null; count: number }[] };
  last: string | null;
}

const tones: Record<State, 'good' | 'bad' | 'warn' | 'info' | 'plain'> = {
  PENDING: 'plain', RECEIVED: 'info', STARTED: 'info', RETRY: 'warn', SUCCESS: 'good', FAILURE: 'bad', REVOKED: 'plain', REJECTED: 'warn',
};
const words: Record<State, string> = {
  PENDING: 'waits', RECEIVED: 'received', STARTED: 'runs', RETRY: 'tried again', SUCCESS: 'done', FAILURE: 'failed', REVOKED: 'revoked', REJECTED: 'given back',
};

export const stateWord = (state: State) => words[state] ?? state;
export const StateOf = (props: { state: State | null }) => (props.state ? <Badge tone={tones[props.state]}>{stateWord(props.state)}</Badge> : null);

// An error of the task endpoints; a broker without them, or that does not observe, is no error.
export function TasksError(props: { error: ApiError | undefined; what: string }) {
  if (!props.error) return null;
  if (props.error.status !== 404) return <ErrorBox error={props.error} what={props.what} />;
  return (
    <Empty title="This broker does not observe tasks" icon="task">
      It has no list of them: it is older than this page, or is told not to look (tasks.observe in broker.yaml). Queues and dead letters are shown all the same.
    </Empty>
  );
}

export function Unseen(props: { why?: string }) {
  return (
    <Empty title="No task has been seen" icon="task">
      {props.why ? props.why + ' ' : ''}The broker learns of tasks from their workers' events. Start workers with -E (task_events: true in worker.yaml), or switch events on at the page of workers.
    </Empty>
  );
}
