/** The benchmark's page: a person presses Run; a program calls `window.fullposeBench`. */

import { find } from '../pages/dom.js';
import { Gpu } from '../src/engine/device.js';
import { type BenchmarkOptions, runBenchmark } from './benchmark.js';
import { LiveChart } from './chart.js';
import { type Report, toJson, toMarkdown } from './report.js';
import { viewReport } from './view.js';

declare global {
  interface Window {
    /** The benchmark for programs. */
    fullposeBench: {
      /** Runs it, showing progress and the report on the page. */
      run(options: BenchmarkOptions): Promise<Report>;
      /** Shows a report, also one of another run. */
      show(report: Report): void;
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
} as const;

const chart = new LiveChart(find('#live', HTMLElement));
let shown: Report | undefined;
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

function show(report: Report): void {
  shown = report;
  find('#report', HTMLElement).replaceChildren(...viewReport(report));
  for (const button of Object.values(exports)) button.disabled = false;
}

async function run(options: BenchmarkOptions): Promise<Report> {
  stopped = false;
  runButton.disabled = true;
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
    status.textContent = 'Done.';
    progress.value = 1;
    return report;
  } catch (error) {
    status.textContent = error instanceof Stopped ? error.message : '';
    throw error;
  } finally {
    runButton.disabled = false;
    stopButton.disabled = true;
  }
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
  notice.hidden = true;
  run({
    faces: Number(facesInput.value),
    quick: quickInput.checked,
    rivals: rivalsInput.checked,
    dtype: floatsInput.checked ? 'f32' : 'f16',
  }).catch((error: unknown) => {
    if (!(error instanceof Stopped)) warn(error instanceof Error ? error.message : String(error));
  });
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
  save('fullpose-benchmark.json', `${JSON.stringify({ ...toJson(shown), details: shown }, null, 2)}\n`);
});
exports.markdown.addEventListener('click', () => {
  if (shown !== undefined) save('fullpose-benchmark.md', toMarkdown(shown));
});
exports.copy.addEventListener('click', () => {
  if (shown === undefined) return;
  navigator.clipboard.writeText(toMarkdown(shown)).then(
    () => {
      status.textContent = 'The Markdown is on the clipboard.';
    },
    () => {
      status.textContent = 'The browser gave no clipboard; save the file instead.';
    },
  );
});

window.fullposeBench = { run, show };

try {
  const gpu = await Gpu.create({ label: 'adapter', powerPreference: 'high-performance' });
  const { vendor, architecture, description, isSoftware } = gpu.adapter;
  find('#adapter', HTMLElement).textContent = [vendor, architecture, description]
    .filter((part) => part !== '')
    .join(' ');
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
