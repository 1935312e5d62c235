/**
 * The page on which GPU cases run. A person opens it with `npm run dev` and clicks; `tests/gpu.test.ts` calls `window.runGpuCase`.
 */
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

function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  text: string,
  parent: Element,
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.textContent = text;
  parent.append(made);
  return made;
}

function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

interface Row {
  readonly item: HTMLLIElement;
  readonly output: HTMLPreElement;
  readonly testCase: GpuCase;
}

async function runRow({ item, output, testCase }: Row): Promise<boolean> {
  item.dataset.status = 'running';
  const outcome = await runner.run(testCase);
  item.dataset.status = outcome.status;
  output.textContent = outcome.status === 'failed' ? outcome.stack || outcome.message : '';
  return outcome.status === 'passed';
}

const rows: Row[] = [];

function listSuite(suite: GpuSuite): void {
  const section = element('section', '', byId('suites'));
  element('h2', suite.name, section);
  const list = element('ol', '', section);
  for (const testCase of suite.cases) {
    const item = element('li', '', list);
    const button = element('button', testCase.name, item);
    const row = { item, output: element('pre', '', item), testCase };
    button.addEventListener('click', () => void runRow(row));
    rows.push(row);
  }
}

/** Fills the page for a person. The test runner asks for single cases instead, and for no other module than theirs. */
async function listEverything(): Promise<void> {
  for (const { path, suites, error } of await Promise.all(suitePaths.map(loadSuites))) {
    if (error !== undefined) element('pre', `${path}: ${error.stack ?? error.message}`, byId('suites'));
    suites.forEach(listSuite);
  }
}

byId('run-all').addEventListener('click', async () => {
  let [passed, failed] = [0, 0];
  for (const row of rows) {
    if (await runRow(row)) passed++;
    else failed++;
    byId('summary').textContent = `${passed} passed, ${failed} failed, ${rows.length} cases`;
  }
});

if (!new URLSearchParams(location.search).has('runner')) await listEverything();

try {
  const gpu = await Gpu.create();
  const { vendor, architecture, description, isSoftware } = gpu.adapter;
  byId('adapter').textContent = `${[vendor, architecture, description].join(' ')}${isSoftware ? ' (software)' : ''}`;
  gpu.destroy();
} catch (error) {
  byId('adapter').textContent = String(error);
}
