/**
 * The page on which GPU cases run. A person opens it with `npm run dev` and clicks; `tests/browser/runner.ts` calls
 * `window.runGpuCase`.
 */
import { adapterName } from '../../pages/adapter.js';
import { find, html } from '../../pages/dom.js';
import { Gpu } from '../../src/engine/device.js';
import { failing } from './failing.js';
import { type CaseOutcome, CaseRunner, type GpuCase, type GpuSuite } from './suite.js';
import { loadSuites, suitePaths } from './suites.js';

declare global {
  interface Window {
    /** Runs one case of the module at `path`; rejects where there is no such case. */
    runGpuCase: (path: string, suite: string, name: string) => Promise<CaseOutcome>;
  }
}

const runner = new CaseRunner();

async function suitesOf(path: string): Promise<readonly GpuSuite[]> {
  const { suites, error } = await loadSuites(path);
  if (error !== undefined) throw error;
  return suites;
}

window.runGpuCase = async (path, suiteName, name) => {
  const suite = [...(await suitesOf(path)), failing].find((candidate) => candidate.name === suiteName);
  const testCase = suite?.cases.find((candidate) => candidate.name === name);
  if (testCase === undefined) throw new Error(`no GPU case "${suiteName} > ${name}" in ${path}`);
  return runner.run(testCase);
};

interface Row {
  readonly suite: string;
  readonly section: HTMLElement;
  readonly item: HTMLLIElement;
  readonly time: HTMLElement;
  readonly output: HTMLPreElement;
  readonly testCase: GpuCase;
}

async function runRow({ item, output, time, testCase }: Row): Promise<void> {
  item.dataset.status = 'running';
  const start = performance.now();
  const outcome = await runner.run(testCase);
  time.textContent = `${(performance.now() - start).toFixed(0)} ms`;
  item.dataset.status = outcome.status;
  output.textContent = outcome.status === 'failed' ? outcome.stack || outcome.message : '';
  showWanted();
}

const rows: Row[] = [];
const filter = find('#filter', HTMLInputElement);
const failedOnly = find('#failed', HTMLInputElement);
const runAll = find('#run-all', HTMLButtonElement);
const stop = find('#stop', HTMLButtonElement);
let stopped = false;

/** Whether the filter's words are all in the names of suite and case. */
function isWanted({ suite, testCase }: Row): boolean {
  const text = `${suite} ${testCase.name}`.toLowerCase();
  return filter.value
    .toLowerCase()
    .split(' ')
    .every((word) => text.includes(word));
}

/** Hides what the filter, or "Failed only", leaves out, and counts the rest. */
function showWanted(): void {
  for (const row of rows)
    row.item.hidden = !isWanted(row) || (failedOnly.checked && row.item.dataset.status !== 'failed');
  for (const section of new Set(rows.map((row) => row.section)))
    section.hidden = rows.every((row) => row.section !== section || row.item.hidden);
  const wanted = rows.filter(isWanted);
  const count = (status: string) => wanted.filter(({ item }) => item.dataset.status === status).length;
  find('#summary', HTMLElement).textContent =
    `${count('passed')} passed, ${count('failed')} failed, ${wanted.length} of ${rows.length} cases`;
}

function listSuite(suite: GpuSuite): void {
  const list = html('ol', {});
  const section = html('section', {}, html('h2', {}, suite.name), list);
  find('#suites', HTMLElement).append(section);
  for (const testCase of suite.cases) {
    const button = html('button', { type: 'button' }, testCase.name);
    const [time, output] = [html('span', { class: 'time' }), html('pre', {})];
    const item = html('li', {}, button, time, output);
    const row = { suite: suite.name, section, item, time, output, testCase };
    list.append(item);
    button.addEventListener('click', () => void runRow(row));
    rows.push(row);
  }
}

/** Fills the page for a person. The test runner asks for single cases instead, and for no other module than theirs. */
async function listEverything(): Promise<void> {
  for (const { path, suites, error } of await Promise.all(suitePaths.map(loadSuites))) {
    if (error !== undefined)
      find('#suites', HTMLElement).append(html('pre', {}, `${path}: ${error.stack ?? error.message}`));
    suites.forEach(listSuite);
  }
  showWanted();
}

for (const input of [filter, failedOnly]) input.addEventListener('input', showWanted);
stop.addEventListener('click', () => {
  stopped = true;
});
runAll.addEventListener('click', async () => {
  stopped = false;
  [runAll.disabled, stop.disabled] = [true, false];
  for (const row of rows.filter(isWanted)) {
    if (stopped) break;
    await runRow(row);
  }
  [runAll.disabled, stop.disabled] = [false, true];
});

if (!new URLSearchParams(location.search).has('runner')) await listEverything();

try {
  const gpu = await Gpu.create();
  find('#adapter', HTMLElement).textContent =
    `${adapterName(gpu.adapter)}${gpu.adapter.isSoftware ? ' (software)' : ''}`;
  gpu.destroy();
} catch (error) {
  find('#adapter', HTMLElement).textContent = String(error);
}
