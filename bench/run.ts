/** The benchmark without a person: `npm run --silent bench -- --help`. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readTask } from '../cli/compare/options.js';
import { exitCodes, startFolder } from '../cli/options.js';
import { runMain } from '../cli/run-main.js';
import type { BrowserName } from '../scripts/browser.js';
import { measureHeadless } from './headless.js';
import { benchUsage, parseBenchArguments } from './options.js';
import {
  allToMarkdown,
  digits,
  fillResults,
  percent,
  type Report,
  summaryToMarkdown,
  times,
  toJson,
  weightsPhrase,
} from './report.js';
import { runToJson } from './saved.js';

await runMain(async () => {
  const command = parseBenchArguments(process.argv.slice(2), startFolder(process.env, process.cwd(), 'bench'));
  if (command.mode === 'help') {
    process.stdout.write(`${benchUsage}\n`);
    return exitCodes.ok;
  }
  const model = command.model === undefined ? undefined : await readTask(command.model);
  const start = Date.now();
  const reports: Report[] = [];
  for (const browser of command.browsers) {
    const report = await measureHeadless(browser, command.options, model, (text, fraction) => {
      const seconds = ((Date.now() - start) / 1000).toFixed(0);
      process.stderr.write(`${seconds.padStart(4)} s ${(100 * fraction).toFixed(0).padStart(3)}% ${text}\n`);
    });
    reports.push(report);
    process.stdout.write(summary(report));
  }
  await write(command.json, `${JSON.stringify(jsonOf(command.browsers, reports), null, 2)}\n`);
  for (const [file, toMarkdown] of [
    [command.markdown, allToMarkdown],
    [command.summary, summaryToMarkdown],
  ] as const) {
    if (file === undefined) continue;
    const before = await readFile(file, 'utf8').catch(() => '');
    await write(file, fillResults(before, toMarkdown(reports)));
  }
  const [only] = reports;
  if (command.run !== undefined && only !== undefined) await write(command.run, `${runToJson(only, 2)}\n`);
  return exitCodes.ok;
});

/** One report as it is, several by the names of their browsers. */
function jsonOf(browsers: readonly BrowserName[], reports: readonly Report[]): unknown {
  const [only, ...others] = reports.map(toJson);
  return others.length === 0 ? only : Object.fromEntries(browsers.map((browser, i) => [browser, toJson(reports[i]!)]));
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

/** The table for the terminal. */
function summary({ browser, adapter, weights, stages, frame, faces, peak, network, rivals, ratios }: Report): string {
  const lines = stages.map(({ name, ms, share }) => [name, digits(ms.median), percent(share)] as const);
  const width = Math.max(...lines.map(([name]) => name.length), ...rivals.map(({ name }) => name.length));
  const row = (name: string, time: string, rest: string) =>
    `${name.padEnd(width)} ${time.padStart(8)} ms ${rest}`.trimEnd();
  return [
    `${browser}, ${adapter.name}${adapter.isSoftware ? ' (software)' : ''}, ${weightsPhrase(weights)}`,
    ...lines.map(([name, time, share]) => row(name, time, share.padStart(6))),
    row('frame, end to end', digits(frame.endToEnd.median), `p95 ${digits(frame.endToEnd.p95)}`),
    row(
      'frame, GPU',
      digits(frame.gpu.median),
      `${frame.dispatches} dispatches, ${frame.submits} submit, ${frame.bytesReadBack} bytes back`,
    ),
    ...faces.map(({ faces: count, endToEnd }) => row(`${count} faces, end to end`, digits(endToEnd.median), '')),
    row(
      'Net^k',
      digits(network.gpu.median),
      `${digits(network.gflops)} of ${digits(peak.gflops)} GFLOP/s, ${percent(network.gflops / peak.gflops)}`,
    ),
    ...rivals.map(({ name, ms, ok, note }) =>
      ms === undefined
        ? `${name.padEnd(width)} failed: ${note}`
        : row(name, digits(ms.median), ok ? '' : 'WRONG result'),
    ),
    ...(rivals.length === 0
      ? []
      : [
          `to ours: onnxruntime-web WebGPU ${times(ratios.vsOrtWebGpu)}, TensorFlow.js WebGPU ${times(ratios.vsTfjsWebGpu)}`,
        ]),
    '',
  ].join('\n');
}
