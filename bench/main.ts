/** The benchmark's page: a person presses Run; a program calls `window.fullposeBench`. */

import { adapterName } from '../pages/adapter.js';
import { find, html } from '../pages/dom.js';
import { Gpu } from '../src/engine/device.js';
import { type BenchmarkOptions, runBenchmark } from './benchmark.js';
import { LiveChart } from './chart.js';
import { type Report, toMarkdown } from './report.js';
import { estimateSeconds, RunHistory, runFromFragment, runFromJson, runToFragment, runToJson } from './saved.js';
import { nameOf, type ShownRun, viewReport } from './view.js';

declare global {
  interface Window {
    /** The benchmark for programs. */
    fullposeBench: {
      /** Runs it, showing progress and the report on the page. */
      run(options: BenchmarkOptions): Promise<Report>;
      /** Shows a report, also one of another run. */
      show(report: ShownRun): void;
    };
    /** Set by a program that wants to hear how far a run is. */
    onBenchmarkProgress?: (text: string, fraction: number) => void;
  }
}

const controls = find('#controls', HTMLFormElement);
const facesInput = find('#faces', HTMLInputElement);
const facesValue = find('#faces-value', HTMLOutputElement);
const quickInput = find('#quick', HTMLInputElement);
const floatsInput = find('#f32', HTMLInputElement);
const rivalsInput = find('#rivals', HTMLInputElement);
const runButton = find('#run', HTMLButtonElement);
const stopButton = find('#stop', HTMLButtonElement);
const notice = find('#notice', HTMLElement);
const status = find('#status', HTMLElement);
const progress = find('#progress', HTMLProgressElement);
const exports = {
  json: find('#save-json', HTMLButtonElement),
  markdown: find('#save-markdown', HTMLButtonElement),
  copy: find('#copy-markdown', HTMLButtonElement),
  link: find('#copy-link', HTMLButtonElement),
  otherDtype: find('#other-dtype', HTMLButtonElement),
} as const;

const chart = new LiveChart(find('#live', HTMLElement));
const pictureInput = find('#picture', HTMLInputElement);
const history = new RunHistory(storage());
let shown: ShownRun | undefined;
let adapter: Report['adapter'] | undefined;
let stopped = false;

/** The person pressed Stop. */
class Stopped extends Error {
  constructor() {
    super('Stopped.');
    this.name = 'Stopped';
  }
}

function warn(text: string): void {
  notice.textContent = text;
  notice.hidden = false;
}

/** Undefined where the browser stores nothing for this page. */
function storage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

function show(report: ShownRun, other?: ShownRun): void {
  shown = report;
  find('#report', HTMLElement).replaceChildren(...viewReport(report, other));
  for (const button of Object.values(exports)) button.disabled = false;
}

function listHistory(): void {
  find('#history', HTMLElement).replaceChildren(
    ...history.runs.map((run) => {
      const button = (text: string, action: () => void) => {
        const element = html('button', { type: 'button' }, text);
        element.addEventListener('click', action);
        return element;
      };
      const ms = `${run.frame.endToEnd.median.toPrecision(3)} ms`;
      return html(
        'li',
        {},
        html('p', { class: 'fine' }, `${ms}: ${nameOf(run)}`),
        button('Show', () => show(run)),
        button('Compare', () => show(shown ?? run, run)),
      );
    }),
  );
  find('#forget', HTMLButtonElement).hidden = history.runs.length === 0;
}

/** What the controls say. */
function wanted(): BenchmarkOptions {
  const picture = pictureInput.files?.[0];
  return {
    faces: Number(facesInput.value),
    quick: quickInput.checked,
    rivals: rivalsInput.checked,
    dtype: floatsInput.checked ? 'f32' : 'f16',
    ...(picture === undefined ? {} : { picture }),
  };
}

function showEstimate(): void {
  if (adapter === undefined) return;
  const seconds = estimateSeconds(wanted(), adapter, history.runs);
  const text = seconds < 90 ? `${Math.max(1, Math.round(seconds))} seconds` : `${Math.round(seconds / 60)} minutes`;
  find('#estimate', HTMLElement).textContent = `A run will take about ${text}.`;
}

async function run(options: BenchmarkOptions): Promise<Report> {
  stopped = false;
  runButton.disabled = true;
  exports.otherDtype.disabled = true;
  stopButton.disabled = false;
  chart.clear();
  try {
    const report = await runBenchmark(options, {
      progress: (text, fraction) => {
        if (stopped) throw new Stopped();
        progress.value = fraction;
        status.textContent = text;
        window.onBenchmarkProgress?.(text, fraction);
      },
      frame: (times) => chart.add(times),
    });
    show(report);
    history.add(report);
    listHistory();
    showEstimate();
    window.history.replaceState(null, '', `#${await runToFragment(report)}`);
    status.textContent = 'Done.';
    progress.value = 1;
    return report;
  } catch (error) {
    status.textContent = error instanceof Stopped ? error.message : '';
    throw error;
  } finally {
    runButton.disabled = false;
    exports.otherDtype.disabled = shown === undefined;
    stopButton.disabled = true;
  }
}

/** Says under the controls what fails. */
function said(action: Promise<unknown>): void {
  notice.hidden = true;
  action.catch((error: unknown) => {
    if (!(error instanceof Stopped)) warn(error instanceof Error ? error.message : String(error));
  });
}

function save(name: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text]));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

controls.addEventListener('submit', (event) => {
  event.preventDefault();
  said(run(wanted()));
});
controls.addEventListener('input', showEstimate);
exports.otherDtype.addEventListener('click', () => {
  const first = shown;
  if (first === undefined) return;
  find(first.weights.dtype === 'f16' ? '#f32' : '#f16', HTMLInputElement).checked = true;
  said(run(wanted()).then((report) => show(report, first)));
});
find('#open', HTMLInputElement).addEventListener('change', ({ currentTarget }) => {
  const file = currentTarget instanceof HTMLInputElement ? currentTarget.files?.[0] : undefined;
  if (file !== undefined) said(file.text().then((text) => show(runFromJson(text))));
});
find('#forget', HTMLButtonElement).addEventListener('click', () => {
  history.clear();
  listHistory();
});
facesInput.addEventListener('input', () => {
  facesValue.value = facesInput.value;
});
stopButton.addEventListener('click', () => {
  stopped = true;
  status.textContent = 'Stopping ...';
});
exports.json.addEventListener('click', () => {
  if (shown === undefined) return;
  save('fullpose-benchmark.json', `${runToJson(shown, 2)}\n`);
});
exports.markdown.addEventListener('click', () => {
  if (shown !== undefined) save('fullpose-benchmark.md', toMarkdown(shown));
});
function copy(text: string, what: string): void {
  navigator.clipboard.writeText(text).then(
    () => {
      status.textContent = `${what} is on the clipboard.`;
    },
    () => {
      status.textContent = 'The browser gave no clipboard; save the file instead.';
    },
  );
}

exports.copy.addEventListener('click', () => {
  if (shown !== undefined) copy(toMarkdown(shown), 'The Markdown');
});
exports.link.addEventListener('click', async () => {
  if (shown === undefined) return;
  const link = new URL(window.location.href);
  link.hash = await runToFragment(shown);
  copy(link.href, 'A link that shows this run');
});

window.fullposeBench = { run, show };
listHistory();

try {
  const gpu = await Gpu.create({ label: 'adapter', powerPreference: 'high-performance' });
  const { isSoftware } = gpu.adapter;
  const name = adapterName(gpu.adapter);
  find('#adapter', HTMLElement).textContent = name;
  adapter = { name, isSoftware };
  showEstimate();
  if (isSoftware)
    warn(
      'WebGPU runs on the processor here (a software adapter): ratios and counts mean something, milliseconds do not.',
    );
  if (!gpu.features.has('timestamp-query')) {
    runButton.disabled = true;
    warn('This browser gives no GPU timestamps (the feature "timestamp-query"), and the benchmark does not guess.');
  }
  gpu.destroy();
} catch (error) {
  runButton.disabled = true;
  warn(error instanceof Error ? error.message : String(error));
}

// After what is said of the adapter: the link is what the visitor came for.
try {
  const linked = await runFromFragment(location.hash);
  if (linked !== undefined) show(linked);
} catch (error) {
  warn(error instanceof Error ? error.message : String(error));
}
