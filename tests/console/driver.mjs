// A browser for the tests of the console: steps that are named, counted and said, screenshots, and what every page is held
// to: no errors of its own, nothing that axe finds, no wider than the screen.
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const packages = createRequire(pathToFileURL(process.env.WHERRY_CONSOLE_PACKAGES + '/'));
const { chromium } = packages('playwright-core');
const axe = packages('axe-core').source;

export const shots = process.env.WHERRY_CONSOLE_SHOTS;
mkdirSync(shots, { recursive: true });

export const url = process.argv[2];
export const patienceMs = 15_000;

let passed = 0;
let failed = 0;

export async function step(name, body) {
  const began = Date.now();
  try {
    await body();
    ++passed;
    console.log(`ok    ${name} (${Date.now() - began} ms)`);
  } catch (error) {
    ++failed;
    console.log(`FAIL  ${name}\n${String(error.stack ?? error).split('\n').slice(0, 12).join('\n')}`);
  }
}

export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

export function check(fine, what) {
  if (!fine) throw new Error(what);
}

export function same(got, wanted, what) {
  check(JSON.stringify(got) === JSON.stringify(wanted), `${what}: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
}

// Until body() is true, for what the page does not show by itself.
export async function until(body, what) {
  const deadline = Date.now() + patienceMs;
  while (!(await body())) {
    check(Date.now() < deadline, `not in time: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

export async function open() {
  return chromium.launch({
    executablePath: process.env.WHERRY_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--headless', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

// A page of its own, logged in as user; trouble collects what went wrong in it unseen.
export async function visit(browser, { user = 'guest', password = 'guest', width = 1280, height = 800, dark = false, reduced = true } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', deviceScaleFactor: width < 500 ? 2 : 1, hasTouch: width < 500,
    reducedMotion: reduced ? 'reduce' : 'no-preference',
  });
  const page = await context.newPage();
  page.setDefaultTimeout(patienceMs);
  page.trouble = [];
  page.on('pageerror', (error) => page.trouble.push(error.message));
  page.on('console', (said) => {
    // The browser notes every refused request by itself; refusals are what some steps are about.
    if (['error', 'warning'].includes(said.type()) && !said.text().startsWith('Failed to load resource')) page.trouble.push(said.text());
  });
  page.on('dialog', (dialog) => page.trouble.push('a dialog of the browser: ' + dialog.message()));
  await page.goto(url);
  if (user) await login(page, user, password);
  return page;
}

export async function login(page, user, password) {
  await page.getByLabel('User').fill(user);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
}

// To a page by its address, until its heading is there and nothing is on its way any more.
export async function to(page, hash, heading) {
  await page.goto(url + '#' + hash);
  await page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor();
  await page.locator('.loading').first().waitFor({ state: 'detached' });
}

export async function shot(page, name) {
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
}

// What each page is held to, however it was come to.
export async function hold(page, name, { looks = true } = {}) {
  same(page.trouble, [], `${name}: said by the page`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(wide <= 0, `${name}: ${wide} pixels wider than the screen`);
  if (!looks) return;
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }));
  const told = found.violations.map((each) => `${each.id}: ${each.help}: ${each.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`);
  same(told, [], `${name}: found by axe`);
}

// The row of a table that has this text.
export const row = (page, text) => page.locator('tbody tr', { hasText: text });
export const dialog = (page) => page.getByRole('dialog');
