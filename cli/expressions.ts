/**
 * `npm run --silent expressions`: how well known expressions are read by the shipped weights; makes the picture and the
 * tables of docs/expressions.md anew.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PageHost, repositoryRoot } from '../scripts/page-host.js';
import {
  expressions,
  formatGains,
  formatLargest,
  formatReports,
  formatSummary,
  replaceBlock,
  reportOf,
} from './expressions/cases.js';
import { browserUsage, exitCodes, parseBrowser, parseOrUsage } from './options.js';
import { runMain } from './run-main.js';

const usage = `Usage: npm run --silent expressions -- [--browser NAME]

Poses the sample's head with known expressions, and prints how well the engine reads them, as Markdown tables. The tables and the picture of
docs/expressions.md are made anew.

  --browser NAME  ${browserUsage}
  --help          this text`;

const startTimeoutMs = 180_000;

const page = join(repositoryRoot, 'docs/expressions.md');
const picture = join(repositoryRoot, 'docs/images/expressions.webp');

await runMain(async () => {
  const options = { browser: { type: 'string' }, help: { type: 'boolean', default: false } } as const;
  const { values } = parseOrUsage(() => parseArgs({ options }));
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    return exitCodes.ok;
  }
  const host = await PageHost.open({ browser: parseBrowser(values.browser), packages: ['three/webgpu'] });
  try {
    const opened = await host.openPage('/cli/expressions/', async (opening) => {
      opening.on('pageerror', (error) => process.stderr.write(`page: ${String(error)}\n`));
      await opening.exposeFunction('onExpression', (name: string) => process.stderr.write(`${name}\n`));
    });
    await opened.waitForFunction(() => window.fullposeExpressions !== undefined, { timeout: startTimeoutMs });
    const reply = await opened.evaluate(() => window.fullposeExpressions!.measure());
    const reports = Object.fromEntries(
      Object.entries(reply.expressions).map(([name, readings]) => [name, reportOf(expressions[name]!, readings)]),
    );
    const gains = Object.fromEntries(
      Object.entries(reply.weights).map(([name, readings]) => [name, reportOf([name], readings)]),
    );
    const blocks = {
      expressions: formatReports(reports),
      summary: formatSummary(reports),
      weights: formatGains(gains),
      sample: formatLargest(reply.sample, 6),
    };
    let text = await readFile(page, 'utf8');
    for (const [name, block] of Object.entries(blocks)) text = replaceBlock(text, name, block);
    await writeFile(page, text);
    await writeFile(picture, Buffer.from(reply.picture.slice(reply.picture.indexOf(',') + 1), 'base64'));
    process.stdout.write(`${Object.values(blocks).join('\n\n')}\n`);
    return exitCodes.ok;
  } finally {
    await host.close();
  }
});
