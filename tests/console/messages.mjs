// Through the pages of messages: overview, queues, exchanges, the graph, connections, channels.
import { check, dialog, hold, row, same, shot, step, to, until } from './driver.mjs';

export async function messages(page) {
  await step('the overview draws what happens', async () => {
    await to(page, '/', 'Overview');
    await until(async () => (await page.locator('.chart path.line[d*="L"]').count()) >= 6, 'lines in both charts');
    const words = await page.getByRole('img', { name: /^Message rates/ }).getAttribute('aria-label');
    check(/published [\d,]*[1-9][\d,.]*\/s/.test(words), 'a rate in words: ' + words);
    await hold(page, 'overview');
    await shot(page, 'overview');
  });

  await step('queues are listed, filtered and sorted', async () => {
    await to(page, '/queues', 'Queues');
    await row(page, 'orders.eu').waitFor();
    await page.getByLabel('Filter queues').fill('orders');
    await until(async () => (await page.locator('tbody tr').count()) === 3, 'three queues of orders');
    await page.getByLabel('Filter queues').fill('no such queue');
    await page.getByText('Nothing has such a name').waitFor();
    await page.getByLabel('Filter queues').fill('');
    await page.getByRole('button', { name: 'Ready' }).click();
    await until(async () => /images|invoices/.test(await page.locator('tbody tr').first().innerText()), 'the fullest queue on top');
    same(await page.locator('th[aria-sort]').getAttribute('aria-sort'), 'descending', 'the order, said');
    await hold(page, 'queues');
    await shot(page, 'queues');
  });

  await step('a queue is made', async () => {
    await page.getByRole('button', { name: 'New queue' }).click();
    await dialog(page).getByLabel('Name', { exact: true }).fill('made.here');
    await dialog(page).getByLabel('More arguments').fill('{"x-max-length": ');
    await dialog(page).getByRole('button', { name: 'Make queue' }).click();
    await dialog(page).getByRole('alert').getByText('More arguments is no JSON').waitFor();
    await dialog(page).getByLabel('More arguments').fill('{"x-max-length": 1000}');
    await hold(page, 'the form of a queue');
    await shot(page, 'new-queue');
    await dialog(page).getByRole('button', { name: 'Make queue' }).click();
    await page.getByRole('heading', { level: 1, name: 'made.here' }).waitFor();
    await page.getByText('length limit').waitFor();
    await page.getByText('Nobody consumes from here').waitFor();
  });

  await step('messages are published, looked at, discarded, moved and purged', async () => {
    for (const text of ['{"first": 1}', 'second', 'third']) {
      await page.getByRole('button', { name: 'Publish', exact: true }).click();
      await dialog(page).getByLabel('Payload').fill(text);
      await dialog(page).getByRole('button', { name: 'Publish' }).click();
      await dialog(page).waitFor({ state: 'detached' });
    }
    await page.getByRole('button', { name: 'Look into the queue' }).click();
    await page.locator('.messages summary', { hasText: 'first' }).click();
    await page.locator('.messages pre', { hasText: '"first": 1' }).waitFor();
    await hold(page, 'messages');
    await shot(page, 'messages');
    await page.locator('.messages li', { hasText: 'second' }).getByRole('checkbox').check();
    await page.getByRole('button', { name: 'Discard 1' }).click();
    await dialog(page).getByRole('button', { name: 'Discard' }).click();
    await page.getByText('1 message discarded.').waitFor();
    await page.locator('.messages li', { hasText: 'third' }).getByRole('checkbox').check();
    await page.getByRole('button', { name: 'Move 1' }).click();
    await dialog(page).getByLabel('To the queue').fill('mail.bounced');
    await dialog(page).getByRole('button', { name: 'Move' }).click();
    await page.getByText('1 message moved to mail.bounced.').waitFor();
    await page.getByRole('button', { name: 'Purge' }).click();
    await dialog(page).getByRole('button', { name: 'Purge' }).click();
    await page.getByText('made.here is purged.').waitFor();
    await until(async () => (await page.locator('.tile.lead .value').innerText()) === '0', 'no message is left');
  });

  await step('a move that cannot be says why, and the form stays', async () => {
    await to(page, '/queues/%2F/images.resize', 'images.resize');
    await page.getByRole('button', { name: 'Move', exact: true }).click();
    await dialog(page).getByLabel('To the queue').fill('nowhere');
    await dialog(page).getByRole('button', { name: 'Move' }).click();
    await dialog(page).getByRole('alert').getByText("there is no queue 'nowhere' to move to").waitFor();
    await page.keyboard.press('Escape');
    await dialog(page).waitFor({ state: 'detached' });
  });

  await step('a queue is paused and resumed', async () => {
    await to(page, '/queues/%2F/orders.us', 'orders.us');
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.locator('.badges').getByText('paused').waitFor();
    await until(async () => Number((await page.locator('.tile.lead .value').innerText()).replace(/\D/g, '')) > 20, 'messages pile up');
    await shot(page, 'queue-paused');
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.locator('.badges').getByText('running').waitFor();
    await until(async () => Number((await page.locator('.tile.lead .value').innerText()).replace(/\D/g, '')) < 20, 'they are taken again');
    await hold(page, 'queue');
    await shot(page, 'queue');
  });

  await step('a binding is made and removed, a queue is deleted', async () => {
    await to(page, '/queues/%2F/made.here', 'made.here');
    await page.getByRole('button', { name: 'New binding' }).click();
    await dialog(page).getByLabel('From the exchange').fill('notify');
    await dialog(page).getByLabel('Routing key').fill('made');
    await dialog(page).getByRole('button', { name: 'Bind' }).click();
    await page.getByRole('button', { name: 'Unbind made.here from notify' }).click();
    await dialog(page).getByRole('button', { name: 'Unbind' }).click();
    await page.getByRole('button', { name: 'Unbind made.here from notify' }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Delete' }).click();
    await dialog(page).getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('heading', { level: 1, name: 'Queues' }).waitFor();
    await page.getByText('Queue made.here is deleted.').waitFor();
  });

  await step('an exchange is made, published to in vain, and deleted', async () => {
    await to(page, '/exchanges', 'Exchanges');
    await row(page, 'by.country').waitFor();
    await hold(page, 'exchanges');
    await shot(page, 'exchanges');
    await page.getByRole('button', { name: 'New exchange' }).click();
    await dialog(page).getByLabel('Name', { exact: true }).fill('made.too');
    await dialog(page).getByRole('button', { name: 'Make exchange' }).click();
    await page.getByRole('heading', { level: 1, name: 'made.too' }).waitFor();
    await page.getByText('What is published here goes nowhere').waitFor();
    await page.getByRole('button', { name: 'Publish', exact: true }).click();
    await dialog(page).getByRole('button', { name: 'Publish' }).click();
    await dialog(page).getByRole('alert').getByText('No queue took it').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Delete' }).click();
    await dialog(page).getByRole('button', { name: 'Delete' }).click();
    await page.getByText('Exchange made.too is deleted.').waitFor();
    await to(page, '/exchanges/%2F/orders', 'orders');
    await page.getByRole('link', { name: 'orders.audit' }).waitFor();
    await hold(page, 'exchange');
    await shot(page, 'exchange');
  });

  await step('bindings are drawn as a graph, and lead on', async () => {
    await to(page, '/graph', 'Routes');
    await page.getByRole('link', { name: /^exchange orders/ }).waitFor();
    check((await page.locator('.graph .edge').count()) >= 9, 'a line for each binding');
    await page.getByRole('link', { name: /^queue analytics/ }).focus();
    same(await page.locator('.graph .edge.lit').count(), 1, 'lines that lead to it, lit');
    await hold(page, 'graph');
    await shot(page, 'graph');
    await page.getByLabel('Filter by exchange').fill('invoice');
    await until(async () => (await page.locator('.graph .edge').count()) === 1, 'the one that fits');
    await page.getByRole('link', { name: /^queue invoices/ }).click();
    await page.getByRole('heading', { level: 1, name: 'invoices' }).waitFor();
  });

  await step('connections and their channels are seen, and closed with a word', async () => {
    await to(page, '/connections', 'Connections');
    await row(page, 'shop frontend').waitFor();
    await hold(page, 'connections');
    await shot(page, 'connections');
    await row(page, 'idle client').getByRole('link').click();
    await page.getByRole('heading', { level: 1, name: 'idle client' }).waitFor();
    await page.getByRole('table', { name: 'Channels' }).waitFor();
    await hold(page, 'connection');
    await shot(page, 'connection');
    await page.getByRole('button', { name: 'Close idle client' }).click();
    await dialog(page).getByLabel('What the client is told').fill('tidied up');
    await dialog(page).getByRole('button', { name: 'Close connection' }).click();
    await page.getByText('The connection is closed.').waitFor();
    await until(async () => (await row(page, 'idle client').count()) === 0, 'it is not listed any more');
    await to(page, '/channels', 'Channels');
    await page.locator('tbody tr').first().waitFor();
    await hold(page, 'channels');
    await shot(page, 'channels');
  });
}
