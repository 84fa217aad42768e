// node drive.mjs URL: the console through all of its pages, in Debian's Chromium, on the traffic of traffic.py.
// WHERRY_CONSOLE_PACKAGES is where the npm packages are, WHERRY_CONSOLE_SHOTS where screenshots go.
import { administration } from './administration.mjs';
import { check, dialog, finish, hold, login, open, same, shot, step, to, until, visit } from './driver.mjs';
import { messages } from './messages.mjs';
import { deadLetters, realTasks, tellOfTasks, toldTasks } from './tasks.mjs';

const browser = await open();

const everywhere = [
  ['/', 'Overview'], ['/queues', 'Queues'], ['/queues/%2F/orders.eu', 'orders.eu'], ['/exchanges', 'Exchanges'], ['/exchanges/%2F/orders', 'orders'],
  ['/graph', 'Routes'], ['/connections', 'Connections'], ['/channels', 'Channels'], ['/tasks', 'Tasks'], ['/tasks?view=names', 'Tasks'],
  ['/tasks/%2F/7f0c0000-0000-4000-8000-000000000001', 'email.send'], ['/dead-letters', 'Dead letters'], ['/workers', 'Workers'],
  ['/workers/%2F/mail-1%40shop', 'mail-1@shop'], ['/schedules', 'Schedules'], ['/users', 'Users'], ['/users/shop', 'shop'], ['/vhosts', 'Virtual hosts'], ['/policies', 'Policies'],
];

// What a real broker says, one after the other: the steps change it.
async function real() {
  let page;
  await step('a login that is refused says why, and asks nothing by itself', async () => {
    page = await visit(browser, { user: null });
    await hold(page, 'login');
    await shot(page, 'login');
    await page.getByLabel('User').fill('guest');
    await page.getByLabel('Password').fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').getByText('not known here').waitFor();
    await login(page, 'guest', 'guest');
    const kept = await page.evaluate(() => ({ local: JSON.stringify(localStorage), cookie: document.cookie }));
    same([kept.cookie, kept.local.includes('Basic')], ['', false], 'what outlives the tab');
    same(page.trouble, [], 'said by the page');
  });

  await messages(page);
  await administration(page);
  await deadLetters(page);
  await realTasks(page);

  await step('it is used with the keyboard alone', async () => {
    await to(page, '/queues', 'Queues');
    await page.reload();
    await page.getByRole('button', { name: 'New queue' }).waitFor();
    await page.keyboard.press('Tab');
    same(await page.evaluate(() => document.activeElement.textContent.trim()), 'To the page', 'the first stop');
    await page.keyboard.press('Enter');
    same(await page.evaluate(() => document.activeElement.tagName), 'H1', 'where it leads');
    await page.keyboard.press('Tab');
    same(await page.evaluate(() => document.activeElement.textContent.trim()), 'New queue', 'the next stop');
    await page.keyboard.press('Enter');
    await dialog(page).waitFor();
    for (let stops = 0; stops < 25; ++stops) {
      await page.keyboard.press('Tab');
      // The browser's own bar, which is no part of the page, may be a stop.
      check(await page.evaluate(() => document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))), 'the focus left the dialog');
    }
    await page.keyboard.press('Escape');
    await dialog(page).waitFor({ state: 'detached' });
    same(await page.evaluate(() => document.activeElement.textContent.trim()), 'New queue', 'where the focus is again');
  });

  await step('a broker that does not answer is said so, and is found again', async () => {
    await to(page, '/', 'Overview');
    await page.route('**/api/**', (route) => route.abort());
    await page.getByText('The broker does not answer').first().waitFor();
    await shot(page, 'no-answer');
    await page.unroute('**/api/**');
    await page.getByText('The broker does not answer').first().waitFor({ state: 'detached' });
  });

  await step('logged out, nothing of it is left', async () => {
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Password').waitFor();
    same(await page.evaluate(() => sessionStorage.getItem('wherry.session')), null, 'the session');
    await page.context().close();
  });
}

async function limits() {
  await step('a user sees and is offered what it may', async () => {
    const limited = await visit(browser, { user: 'limited', password: 'a good long password' });
    await until(async () => (await limited.getByRole('link', { name: 'Users' }).count()) === 0, 'no page of users');
    await to(limited, '/queues', 'Queues');
    await limited.getByRole('link', { name: 'invoices' }).click();
    await limited.getByRole('button', { name: 'Look into the queue' }).click();
    await limited.getByRole('alert').getByText('ACCESS_REFUSED').waitFor();
    await hold(limited, 'a limited user');
    await shot(limited, 'limited-user');
    await limited.context().close();
  });
}

// Tasks as this test tells of them.
async function told() {
  const page = await visit(browser);
  await toldTasks(page);
  await page.context().close();
}

async function dark() {
  for (const [what, size] of [['phone', { width: 390, height: 844 }], ['desk', { width: 1280, height: 800 }]]) {
    await step(`every page is at home in the dark, on a ${what}`, async () => {
      const page = await visit(browser, { ...size, dark: true });
      await tellOfTasks(page);
      // Some of a chart first.
      await until(async () => (await page.locator('.chart path.line[d*="L"]').count()) > 0, 'a line');
      for (const [hash, title] of everywhere) {
        const name = `dark-${what}${hash.replace('%2F/', '').replace(/[^a-z]+/g, '-').replace(/-$/, '') || '-overview'}`;
        await to(page, hash, title);
        // What axe finds in the dark does not depend on the width.
        await hold(page, name, { looks: what === 'phone' });
        await shot(page, name);
      }
      if (what === 'phone') {
        await page.getByRole('button', { name: 'Menu' }).click();
        await page.getByRole('link', { name: 'Schedules' }).waitFor();
        await page.screenshot({ path: `${process.env.WHERRY_CONSOLE_SHOTS}/dark-phone-menu.png` });
        await page.getByRole('link', { name: 'Policies' }).click();
        await page.getByRole('heading', { level: 1, name: 'Policies' }).waitFor();
        await until(async () => !(await page.getByRole('link', { name: 'Schedules' }).isVisible()), 'the menu is away');
      }
      await page.context().close();
    });
  }
}

// On two cores two at a time, so that it is over soon.
await Promise.all([real(), told().then(dark).then(limits)]);
await browser.close();
finish();
