// A reporter for Node's test runner: writes each test's outcome to the file in WHERRY_SUITE_RESULTS, as
// pytest_results.py does. A test's name is its file and the titles of the suites that it is in.
import { appendFileSync } from 'node:fs';
import { relative } from 'node:path';
import { inspect } from 'node:util';

const outcome = (type, data) => (data.skip !== undefined || data.todo !== undefined ? 'skipped'
  : type === 'test:pass' ? 'passed' : 'failed');

export default async function* (events) {
  const titles = [];  // Of the tests that began and have not ended, by nesting.
  const seen = new Map();  // How many tests there were of each name.
  for await (const { type, data } of events) {
    if (type === 'test:start') {
      titles.length = data.nesting;
      titles.push(data.name);
    } else if (type === 'test:pass' || type === 'test:fail') {
      // A suite, or a file, fails with what is in it; its own failure counts when nothing in it had one.
      const error = data.details?.error;
      if (data.details?.type === 'suite' && error?.failureType !== 'hookFailed') continue;
      if (error?.failureType === 'subtestsFailed') continue;
      const place = data.file ? [relative(process.cwd(), data.file)] : [];
      const name = [...place, ...titles.slice(0, data.nesting), data.name].join(' > ');
      seen.set(name, (seen.get(name) ?? 0) + 1);
      const test = seen.get(name) > 1 ? `${name} (${seen.get(name)})` : name;
      const line = { test, outcome: outcome(type, data), detail: error ? inspect(error.cause ?? error) : '' };
      appendFileSync(process.env.WHERRY_SUITE_RESULTS, `${JSON.stringify(line)}\n`);
      yield `${line.outcome}  ${test}\n`;
    }
  }
}
