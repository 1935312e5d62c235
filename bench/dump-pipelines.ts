/**
 * The compute pipelines of a frame for an offline shader compiler, and its findings as a table:
 *
 *     npx tsx bench/dump-pipelines.ts PIPELINES.json [--rivals]
 *     npx tsx bench/dump-pipelines.ts PIPELINES.json --table REPORT.json
 *
 * The first writes a list of { label, wgsl, entryPoint, constants, invocations, macs }, one entry a stage, for one
 * face; with `--rivals` also the convolutions and matrix products of onnxruntime-web and TensorFlow.js on Net^0. The
 * second reads what `../shared/tools/gpu-report` made of that list (its `--json`) and prints Markdown, stages that
 * share a pipeline in one row.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { PageHost } from '../scripts/page-host.js';
import type { PipelineReport } from './pipelines.js';

/** One row of the compiler's findings. */
interface CompiledRow {
  readonly label: string;
  readonly error?: string;
  readonly vgprs: number;
  readonly spills: number;
  readonly ldsBytes: number;
  readonly wavesPerSimd: number;
  readonly instructions: number;
  readonly latency: number;
  readonly inverseThroughput: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rivals: { type: 'boolean', default: false }, table: { type: 'string' } },
});
const [path] = positionals;
if (path === undefined)
  throw new Error('usage: npx tsx bench/dump-pipelines.ts PIPELINES.json [--rivals | --table REPORT.json]');
if (values.table === undefined) await dump(path, values.rivals);
else process.stdout.write(await table(path, values.table));

async function dump(target: string, rivals: boolean): Promise<void> {
  const host = await PageHost.open();
  try {
    const page = await host.openPage('/bench/pipelines.html');
    await page.waitForFunction(() => typeof window.listPipelines === 'function', { timeout: 120_000 });
    const pipelines = await page.evaluate((wanted) => window.listPipelines(wanted), rivals);
    await writeFile(target, JSON.stringify(pipelines, null, 1));
    process.stderr.write(`${pipelines.length} pipelines\n`);
  } finally {
    await host.close();
  }
}

async function table(pipelinesPath: string, reportPath: string): Promise<string> {
  const pipelines: readonly PipelineReport[] = JSON.parse(await readFile(pipelinesPath, 'utf8'));
  const { rows }: { readonly rows: readonly CompiledRow[] } = JSON.parse(await readFile(reportPath, 'utf8'));
  const kernels = new Map<string, { readonly row: CompiledRow; readonly uses: PipelineReport[] }>();
  for (const pipeline of pipelines) {
    const row = rows.find(({ label }) => label === pipeline.label);
    if (row === undefined) throw new Error(`${reportPath} has no row '${pipeline.label}'`);
    const key = JSON.stringify([pipeline.wgsl, pipeline.constants, pipeline.entryPoint]);
    const kernel = kernels.get(key);
    if (kernel === undefined) kernels.set(key, { row, uses: [pipeline] });
    else kernel.uses.push(pipeline);
  }
  const head = [
    'pipeline',
    'M multiply-adds',
    'invocations',
    'VGPRs',
    'spills',
    'LDS bytes',
    'waves a SIMD',
    'instructions',
    'latency',
    'cycles',
  ];
  const lines = [...kernels.values()].map(({ row, uses }) => [
    uses.map(({ label }) => label).join('; '),
    range(
      uses.map(({ macs }) => macs ?? 0),
      (macs) => (macs === 0 ? '' : (macs / 1e6).toFixed(macs < 1e6 ? 2 : 1)),
    ),
    range(
      uses.map(({ invocations }) => invocations),
      String,
    ),
    ...(row.error === undefined
      ? [row.vgprs, row.spills, row.ldsBytes, row.wavesPerSimd, row.instructions, row.latency, row.inverseThroughput]
      : [row.error, '', '', '', '', '', '']),
  ]);
  return [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...lines]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('');
}

function range(numbers: readonly number[], format: (value: number) => string): string {
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  return least === most ? format(least) : `${format(least)} to ${format(most)}`;
}
