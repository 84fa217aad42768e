// Through the pages of tasks: dead letters of a real worker; tasks, workers and schedules as the broker tells of them, and
// as it is told here, so that each of their states is seen.
import { check, dialog, hold, row, same, shot, step, to, until } from './driver.mjs';

export async function deadLetters(page) {
  await step('dead letters are filtered, read, replayed and discarded', async () => {
    await to(page, '/dead-letters', 'Dead letters');
    await row(page, 'connection refused').waitFor();
    same(await page.locator('tbody tr').count(), 4, 'dead letters');
    await hold(page, 'dead letters');
    await shot(page, 'dead-letters');
    await page.getByLabel('Reason or error').fill('mailbox');
    await until(async () => (await page.locator('tbody tr').count()) === 1, 'the one that fits');
    await row(page, 'mailbox').getByRole('link').click();
    await page.getByText('Attempt 1').waitFor();
    await hold(page, 'dead letter');
    await shot(page, 'dead-letter');
    await page.getByRole('button', { name: 'Replay' }).click();
    await dialog(page).getByRole('button', { name: 'Replay' }).click();
    await page.getByText('1 dead letter replayed.').waitFor();
    // It fails again, and is back with both attempts.
    await to(page, '/dead-letters?reason=mailbox', 'Dead letters');
    await row(page, '↻ 1').waitFor();
    await to(page, '/dead-letters', 'Dead letters');
    await row(page, 'no_such').getByRole('checkbox').check();
    await page.getByRole('button', { name: 'Discard 1' }).click();
    await dialog(page).getByRole('button', { name: 'Discard' }).click();
    await page.getByText('1 dead letter discarded.').waitFor();
    await until(async () => (await page.locator('tbody tr').count()) === 3, 'three are left');
    await to(page, '/dead-letters?queue=no.such.queue', 'Dead letters');
    await page.getByText('Nothing has died yet').waitFor();
    await to(page, '/dead-letters', 'Dead letters');
  });
}

// With a broker that observes tasks, or with one that does not.
export async function realTasks(page) {
  await step('a task is enqueued by hand', async () => {
    await page.goto(page.url().split('#')[0] + '#/tasks');
    await page.getByRole('button', { name: 'New task' }).click();
    await dialog(page).getByLabel('Task', { exact: true }).fill('tasks.add');
    await dialog(page).getByLabel('Queue').fill('email');
    await dialog(page).getByLabel('Positional arguments').fill('1');
    await dialog(page).getByRole('button', { name: 'Enqueue' }).click();
    await dialog(page).getByRole('alert').getByText('a JSON list').waitFor();
    await dialog(page).getByLabel('Positional arguments').fill('[1, 2]');
    await hold(page, 'the form of a task');
    await dialog(page).getByRole('button', { name: 'Enqueue' }).click();
    await page.getByText('It is in its queue').waitFor();
  });

  await step('tasks, workers and schedules are shown, or why they are not', async () => {
    await to(page, '/tasks', 'Tasks');
    const observed = page.getByRole('group', { name: 'States' });
    const not = page.getByText('This broker does not observe tasks');
    await observed.or(not).first().waitFor();
    if (await not.count()) {
      await hold(page, 'tasks, not observed');
      await shot(page, 'tasks-not-observed');
      for (const [hash, title] of [['/workers', 'Workers'], ['/schedules', 'Schedules']]) {
        await to(page, hash, title);
        await not.waitFor();
      }
      return;
    }
    await page.getByLabel('Task', { exact: true }).fill('email.*');
    await row(page, 'email.send').first().waitFor();
    await hold(page, 'tasks');
    await row(page, 'email.send').first().getByRole('link').first().click();
    await page.getByText('Attempt 1').waitFor();
    await hold(page, 'task');
    await shot(page, 'task-real');
    await to(page, '/workers', 'Workers');
    await row(page, 'mail-1@shop').getByRole('link').click();
    await page.getByRole('heading', { level: 1, name: 'mail-1@shop' }).waitFor();
    await page.getByRole('button', { name: 'One more' }).click();
    await until(async () => /of 5 at once/.test(await page.locator('.tile.lead').innerText()), 'the pool has grown');
    await hold(page, 'worker');
    await shot(page, 'worker-real');
    await to(page, '/schedules', 'Schedules');
    await row(page, 'nightly-report').getByText('30 2 * * mon-fri').waitFor();
    await page.getByRole('button', { name: 'Run newsletter now' }).click();
    await dialog(page).getByRole('button', { name: 'Run now' }).click();
    await page.getByText(/^Enqueued, as newsletter/).waitFor();
    await hold(page, 'schedules');
    await shot(page, 'schedules-real');
  });
}

// --- what a broker tells, said here ---

const at = (ms) => new Date(Date.now() + ms).toISOString().replace('Z', '000+00:00');
const states = (given) => ({ PENDING: 0, RECEIVED: 0, STARTED: 0, RETRY: 0, SUCCESS: 0, FAILURE: 0, REVOKED: 0, REJECTED: 0, ...given });
const task = (number, state, more = {}) => ({
  id: `7f0c0000-0000-4000-8000-00000000000${number}`, name: 'email.send', state, worker: 'mail-1@shop', queue: 'email', sent: at(-9000),
  received: at(-8000), started: at(-7900), ended: state === 'SUCCESS' || state === 'FAILURE' ? at(-7000) : null, updated: at(-7000),
  retries: 0, runtime: state === 'SUCCESS' ? 0.21 : null, eta: null, expires: null, root_id: null, parent_id: null, args: '()',
  kwargs: "{'to': 'ann@example.org', 'subject': 'Your order 7'}", result: state === 'SUCCESS' ? "{'attempts': 1}" : null, error: null, ...more,
});
const failed = task(1, 'FAILURE', { retries: 2, error: 'std::runtime_error: smtp.example.org: connection refused' });
const all = [failed, task(2, 'STARTED'), task(3, 'SUCCESS'), task(4, 'RETRY', { error: 'std::runtime_error: 451 greylisted', retries: 1 }), task(5, 'REVOKED', { worker: null })];
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, null].map((le, index) => ({ le, count: Math.min(120, index * index * 2) }));

const answers = {
  'task-overview/%2F': { observing: true, why: '', tasks: 5, most_tasks: 10000, bytes: 4000, most_bytes: 67108864, states: states({ STARTED: 1, RETRY: 1, SUCCESS: 1, FAILURE: 1, REVOKED: 1 }), events: 40, refused: 0, missed: 3, forgotten: 0, workers: 2, workers_online: 1 },
  'tasks/%2F': all,
  [`tasks/%2F/${failed.id}`]: {
    ...failed,
    attempts: [1, 2, 3].map((attempt) => ({
      attempt, worker: 'mail-1@shop', received: at(-9000 + attempt * 1000), started: at(-8900 + attempt * 1000), ended: at(-8500 + attempt * 1000),
      outcome: attempt === 3 ? 'FAILURE' : 'RETRY', runtime: 0.4, error: 'std::runtime_error: smtp.example.org: connection refused',
      traceback: 'send_email(SendEmail const&) at mail.cpp:41\nwherry::Registry::run() at registry.cpp:212',
    })),
    attempts_left_out: 0,
    steps: ['task-sent', 'task-received', 'task-started', 'task-retried', 'task-received', 'task-started', 'task-failed'].map((type, index) => ({ type, at: at(-9000 + index * 500), worker: index ? 'mail-1@shop' : null })),
    children: [{ id: all[2].id, name: 'mail.bounced', state: 'SUCCESS' }],
    parent: { id: all[3].id, name: 'order.confirm', state: 'SUCCESS' },
    parent_id: all[3].id, root_id: all[3].id,
  },
  'task-names/%2F': [
    { name: 'email.send', received: 120, started: 120, succeeded: 110, failed: 3, retried: 7, revoked: 1, rejected: 0, states: states({ STARTED: 1, SUCCESS: 110, FAILURE: 3 }), runtime: { count: 110, mean: 0.21, least: 0.02, most: 4.2, buckets }, last: at(-1000) },
    { name: 'report.make', received: 4, started: 4, succeeded: 4, failed: 0, retried: 0, revoked: 0, rejected: 0, states: states({ SUCCESS: 4 }), runtime: { count: 4, mean: 61, least: 30, most: 95, buckets: buckets.map((each) => ({ ...each, count: each.le === null ? 4 : 0 })) }, last: at(-60000) },
  ],
  'workers/%2F': [
    { name: 'mail-1@shop', online: true, heartbeat: at(-500), heartbeat_every: 2, active: 1, processed: 117, load: [0.31, 0.4, 0.38], software: 'wherry', version: '0.1.0', system: 'Linux', pid: 77, task_events: true },
    { name: 'celery@reports', online: true, heartbeat: at(-700), heartbeat_every: 2, active: 0, processed: 4, load: [1.2, 1, 0.9], software: 'py-celery', version: '5.2.6', system: 'Linux', pid: 99, task_events: false },
    { name: 'mail-2@shop', online: false, heartbeat: at(-900000), heartbeat_every: 2, active: null, processed: null, load: null, software: 'wherry', version: '0.1.0', system: 'Linux', pid: null, task_events: false },
  ],
  'workers/%2F/mail-1%40shop': {
    name: 'mail-1@shop', online: true, heartbeat: at(-500), heartbeat_every: 2, processed: 117, load: [0.31, 0.4, 0.38], software: 'wherry', version: '0.1.0', system: 'Linux', pid: 77, task_events: true,
    answered: true, stats: { pool: { 'max-concurrency': 4, processes: [77], implementation: 'threads' }, prefetch_count: 4, total: { 'email.send': 117 }, uptime: 7265, rusage: { maxrss: 20480 } },
    active: [{ id: all[1].id, name: 'email.send', args: [], kwargs: { to: 'ann@example.org' }, time_start: Date.now() / 1000 - 3 }],
    reserved: [], scheduled: [], queues: [{ name: 'email' }], registered: ['email.send', 'email.digest [rate_limit=10/m]'],
  },
  'schedules/%2F': [
    { schedule: 'wherry.schedule', name: 'invoices', task: 'invoices.send', times: 'every 10m', next: [at(240000), at(840000), at(1440000)], seen_to: at(-360000), queue: 'invoices', exchange: null, args: '()', kwargs: "{'day': 'today'}", scheduler: 'scheduler@shop' },
    { schedule: 'wherry.schedule', name: 'nightly-report', task: 'report.make', times: 'cron 30 2 * * * Europe/Berlin', next: [at(36000000)], seen_to: null, queue: 'email', exchange: null, args: '()', kwargs: '{}', scheduler: 'scheduler@shop' },
  ],
};

// The page's requests for these are answered from above; changes are noted in page.told.
export async function tellOfTasks(page) {
  page.told = [];
  await page.route('**/api/wherry/**', async (route) => {
    const request = route.request();
    const path = new URL(request.url()).pathname.replace('/api/wherry/', '');
    if (request.method() === 'POST') {
      page.told.push([path, request.postDataJSON()]);
      if (path.endsWith('/run')) return route.fulfill({ status: 202, json: { id: 'invoices:now:1' } });
      if (path.endsWith('/retry')) return route.fulfill({ json: { matched: 1, replayed: 1 } });
      return route.fulfill({ json: { answers: { 'mail-1@shop': path.endsWith('rate_limit') ? { error: 'unknown task' } : { ok: 'pool will grow' } } } });
    }
    const answer = answers[path];
    if (answer === undefined) return path.startsWith('tasks/') ? route.fulfill({ status: 404, json: { error: 'not_found', reason: 'no such task' } }) : route.continue();
    return route.fulfill({ json: answer });
  });
}

export async function toldTasks(page) {
  await tellOfTasks(page);
  await step('tasks are shown one by one and by name', async () => {
    await to(page, '/tasks', 'Tasks');
    await row(page, 'connection refused').waitFor();
    await page.getByText('3 events came faster').waitFor();
    await page.getByRole('button', { name: /^failed/ }).click();
    check(page.url().includes('state=FAILURE'), 'the filter is in the address: ' + page.url());
    await hold(page, 'tasks');
    await shot(page, 'tasks');
    await page.getByRole('button', { name: 'By name' }).click();
    await row(page, 'report.make').waitFor();
    await hold(page, 'tasks by name');
    await shot(page, 'tasks-by-name');
  });

  await step("a task's whole life is shown, and it is replayed and revoked", async () => {
    await to(page, `/tasks/%2F/${failed.id}`, 'email.send');
    await page.getByText('Attempt 3').waitFor();
    await page.getByText('Backtrace').last().click();
    await page.getByText('mail.cpp:41').last().waitFor();
    await page.getByRole('link', { name: 'order.confirm' }).waitFor();
    await row(page, 'mail.bounced').waitFor();
    await hold(page, 'task');
    await shot(page, 'task');
    await page.getByRole('button', { name: 'Replay' }).click();
    await dialog(page).getByRole('button', { name: 'Replay' }).click();
    await page.getByText('1 dead letter replayed.').waitFor();
    same(page.told.pop(), [`tasks/%2F/${failed.id}/retry`, {}], 'what the broker was told');
    await page.goto(page.url().split('#')[0] + '#/tasks/%2F/unknown');
    await page.getByText('The broker does not know this task').waitFor();
  });

  await step('workers are shown with their pools, and told what to do', async () => {
    await to(page, '/workers', 'Workers');
    await row(page, 'mail-2@shop').getByText('offline').waitFor();
    await page.getByText('1 worker has sent no events').waitFor();
    await hold(page, 'workers');
    await shot(page, 'workers');
    await row(page, 'mail-1@shop').getByRole('link').click();
    await page.getByText('of 4 at once').waitFor();
    await page.getByRole('button', { name: 'One more' }).click();
    await page.getByText('pool will grow').waitFor();
    same(page.told.pop(), ['workers/%2F/mail-1%40shop/pool_grow', { n: 1 }], 'what the broker was told');
    await page.getByRole('button', { name: "Limit a task's rate" }).click();
    await dialog(page).getByLabel('Task', { exact: true }).fill('email.sent');
    await dialog(page).getByLabel('At most').fill('10/m');
    await dialog(page).getByRole('button', { name: 'Set' }).click();
    await dialog(page).getByRole('alert').getByText('mail-1@shop: unknown task').waitFor();
    await page.keyboard.press('Escape');
    await hold(page, 'worker');
    await shot(page, 'worker');
  });

  await step('schedules are shown with their next run, and run now', async () => {
    await to(page, '/schedules', 'Schedules');
    await row(page, 'nightly-report').getByText('cron 30 2').waitFor();
    await row(page, 'invoices').getByText(/^in \d+ min$/).waitFor();
    await hold(page, 'schedules');
    await shot(page, 'schedules');
    await page.getByRole('button', { name: 'Run invoices now' }).click();
    await dialog(page).getByRole('button', { name: 'Run now' }).click();
    await page.getByText('Enqueued, as invoices:now:1.').waitFor();
    same(page.told.pop(), ['schedules/%2F/wherry.schedule/invoices/run', {}], 'what the broker was told');
  });
}
