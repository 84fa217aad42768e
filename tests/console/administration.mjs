// Through the pages of administration: users, permissions, virtual hosts, policies.
import { dialog, hold, row, shot, step, to, until } from './driver.mjs';

export async function administration(page) {
  await step('a user is made, allowed something, limited and deleted', async () => {
    await to(page, '/users', 'Users');
    await row(page, 'watcher').waitFor();
    await hold(page, 'users');
    await shot(page, 'users');
    await page.getByRole('button', { name: 'New user' }).click();
    await dialog(page).getByLabel('Name', { exact: true }).fill('carol');
    await dialog(page).getByLabel('Password').fill('something long');
    await dialog(page).getByLabel(/^monitoring/).check();
    await dialog(page).getByRole('button', { name: 'Make user' }).click();
    await row(page, 'carol').getByRole('link').click();
    await page.getByRole('heading', { level: 1, name: 'carol' }).waitFor();
    await page.getByRole('button', { name: 'Change the permissions in /' }).click();
    await dialog(page).getByLabel(/^Write/).fill('^orders$');
    await dialog(page).getByRole('button', { name: 'Set' }).click();
    await row(page, '^orders$').waitFor();
    await page.locator('.card', { hasText: 'Limits' }).getByRole('button', { name: 'Set' }).last().click();
    await dialog(page).getByLabel('At most').fill('5');
    await dialog(page).getByRole('button', { name: 'Set' }).click();
    await row(page, 'max-connections').waitFor();
    await hold(page, 'user');
    await shot(page, 'user');
    await page.getByRole('button', { name: 'Delete' }).click();
    await dialog(page).getByRole('button', { name: 'Delete' }).click();
    await page.getByText('carol is deleted.').waitFor();
  });

  await step('a user of a pattern that is none is told what is wrong', async () => {
    await to(page, '/users/watcher', 'watcher');
    await page.getByText('It may work in no virtual host').waitFor();
    await page.locator('.card', { hasText: 'Permissions' }).first().getByRole('button', { name: 'Set' }).click();
    await dialog(page).getByLabel(/^Read/).fill('(');
    await dialog(page).getByRole('button', { name: 'Set' }).click();
    await dialog(page).getByRole('alert').waitFor();
    await page.keyboard.press('Escape');
  });

  await step('a virtual host is made, looked at and deleted', async () => {
    await to(page, '/vhosts', 'Virtual hosts');
    await page.getByRole('button', { name: 'New virtual host' }).click();
    await dialog(page).getByLabel('Name', { exact: true }).fill('tryout');
    await dialog(page).getByRole('button', { name: 'Make virtual host' }).click();
    await row(page, 'tryout').waitFor();
    await hold(page, 'vhosts');
    await shot(page, 'vhosts');
    await page.locator('.vhost select').selectOption('tryout');
    await to(page, '/queues', 'Queues');
    await page.getByText('There are no queues yet').waitFor();
    await shot(page, 'queues-empty');
    await to(page, '/vhosts', 'Virtual hosts');
    await page.getByRole('button', { name: 'Delete the virtual host tryout' }).click();
    await dialog(page).getByRole('button', { name: 'Delete' }).click();
    await until(async () => (await row(page, 'tryout').count()) === 0, 'it is gone');
  });

  await step('a policy is set, counts, and is deleted', async () => {
    await to(page, '/policies', 'Policies');
    await row(page, 'keep-a-day').waitFor();
    await page.locator('.card').first().getByRole('button', { name: 'New policy' }).click();
    await dialog(page).getByLabel('Name', { exact: true }).fill('short');
    await dialog(page).getByLabel('Pattern').fill('^mail\\.');
    await dialog(page).getByLabel('What it says').fill('{"max-lenght": 5}');
    await dialog(page).getByRole('button', { name: 'Set policy' }).click();
    await dialog(page).getByRole('alert').waitFor();
    await dialog(page).getByLabel('What it says').fill('{"max-length": 500}');
    await dialog(page).getByRole('button', { name: 'Set policy' }).click();
    await row(page, 'short').waitFor();
    await hold(page, 'policies');
    await shot(page, 'policies');
    await to(page, '/queues/%2F/mail.bounced', 'mail.bounced');
    await page.locator('.facts', { hasText: 'short' }).waitFor();
    await to(page, '/policies', 'Policies');
    await page.getByRole('button', { name: 'Delete short' }).click();
    await dialog(page).getByRole('button', { name: 'Delete' }).click();
    await until(async () => (await row(page, 'short').count()) === 0, 'it is gone');
  });
}
