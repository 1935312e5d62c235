import { describe, expect, it } from 'vitest';
import { parseBenchArguments } from '../../bench/options.js';
import {
  allToMarkdown,
  digits,
  fillResults,
  findings,
  type Report,
  summaryToMarkdown,
  toJson,
  toMarkdown,
} from '../../bench/report.js';
import { UsageError } from '../../cli/options.js';
import { browserFrom, thisMachine } from '../../scripts/browser.js';
import { sampleReport } from './sample-report.js';

describe('toJson', () => {
  it('has the fields that programs read', () => {
    expect(JSON.parse(JSON.stringify(toJson(sampleReport())))).toEqual({
      adapter: 'acme fast',
      dtype: 'f16',
      weightBytes: 6_291_456,
      stages: [
        { name: 'crop', medianMs: 1, share: 0.05 },
        { name: 'raster', medianMs: 2, share: 0.1 },
        { name: 'conv pncc.conv1 + pncc.pool1', medianMs: 12, share: 0.6 },
        { name: 'fully connected pncc.fc1', medianMs: 4, share: 0.2 },
        { name: 'readback', medianMs: 1, share: 0.05 },
      ],
      frame: { medianMs: 20, p95Ms: expect.closeTo(23.6, 6), dispatches: 62, submits: 1, bytesReadBack: 1504 },
      faces: { 1: 20, 8: 160 },
      peak: { gflops: 200, achievedGflops: 20 },
      rivals: [
        { name: 'fullpose (WebGPU)', medianMs: 10, maxAbsError: 1e-6, ok: true },
        { name: 'right and slow', medianMs: 120, maxAbsError: 2e-6, ok: true },
        { name: 'fast and wrong', medianMs: 2, maxAbsError: 1.1, ok: false },
        { name: 'does not start', medianMs: null, maxAbsError: null, ok: false },
      ],
      ratios: { vsOrtWebGpu: 12, vsTfjsWebGpu: null },
    });
  });
});

describe('toMarkdown', () => {
  const markdown = toMarkdown(sampleReport());

  it('says which rival is wrong and which failed', () => {
    expect(markdown).toMatch(/\| fast and wrong \|.*\| WRONG \|/);
    expect(markdown).toMatch(/\| does not start \| - \|.*\| failed \| no such backend \|/);
    expect(markdown).toMatch(/\| right and slow \|.*\| right \|/);
  });

  it('says how the weights are held, and where that is not what was wanted', () => {
    const start = (weights: Report['weights']) => toMarkdown({ ...sampleReport(), weights }).split('\n')[0];
    expect(markdown.split('\n')[0]).toContain('f32 arithmetic, weights in f16 (6.0 MiB), 3 rounds.');
    expect(start({ wanted: 'f32', dtype: 'f32', bytes: 3 * 2 ** 22 })).toContain('weights in f32 (12.0 MiB), 3 rounds');
    expect(start({ wanted: 'f16', dtype: 'f32', bytes: 3 * 2 ** 22 })).toMatch(/weights in f32 \(12.0 MiB; f16 was/);
  });

  it('gives every table as many cells a row as it has columns', () => {
    for (const block of markdown.split('\n\n').filter((text) => text.startsWith('|'))) {
      const widths = block
        .trim()
        .split('\n')
        .map((line) => line.split(' | ').length);
      expect(new Set(widths).size).toBe(1);
    }
  });

  it('leaves rivals out where none ran', () => {
    expect(toMarkdown({ ...sampleReport(), rivals: [] })).not.toContain('Rivals');
  });

  it('has a section for each of several browsers', () => {
    expect(allToMarkdown([sampleReport()])).toBe(markdown);
    const both = allToMarkdown([sampleReport(), { ...sampleReport(), browser: 'Firefox 153' }]);
    expect(both.match(/^### .*$/gm)).toEqual([`### ${sampleReport().browser}`, '### Firefox 153']);
    expect(both.match(/^#### .*$/gm)).toHaveLength(2 * (markdown.match(/^### .*$/gm)?.length ?? 0));
  });
});

describe('summaryToMarkdown', () => {
  const chromium = sampleReport();
  const [ours, ...others] = chromium.rivals;
  const missing = others
    .filter(({ name }) => name === 'does not start')
    .flatMap((rival) => [rival, { ...rival, name: 'nor that one' }]);
  const firefox: Report = {
    ...chromium,
    browser: 'Firefox 153',
    frame: { ...chromium.frame, endToEnd: { ...chromium.frame.endToEnd, median: 40 } },
    rivals: [...(ours === undefined ? [] : [ours]), ...others.slice(1), ...missing],
  };
  const lines = summaryToMarkdown([chromium, firefox]).split('\n');
  const rowOf = (name: string) => lines.find((line) => line.startsWith(`| ${name} |`));

  it('has a column for each browser', () => {
    expect(rowOf('one face')).toBe('| one face | Chrome 156 | Firefox 153 |');
    expect(rowOf('a frame, from the call to its result')).toMatch(/\| 20\.0 ms \| 40\.0 ms \|$/);
    expect(rowOf('the first frame, to a steady one')).toMatch(/\| 1\.50x \| 0\.750x \|$/);
  });

  it('gives rivals as times of ours, and says which are wrong and which do not run, and why', () => {
    expect(rowOf('fullpose (WebGPU)')).toMatch(/\| 10\.0 ms, 1\.00x \| 10\.0 ms, 1\.00x \|$/);
    expect(rowOf('right and slow')).toMatch(/\| 120 ms, 12\.0x \| - \|$/);
    expect(rowOf('fast and wrong')).toMatch(/\| 2\.00 ms, 0\.200x, WRONG result \|/);
    expect(rowOf('does not start')).toMatch(/\| - \| - \|$/);
    const reasons = lines.filter((line) => line.startsWith('- '));
    expect(reasons).toEqual([
      '- Not in Chrome 156: does not start. no such backend',
      '- Not in Firefox 153: does not start, nor that one. no such backend',
    ]);
  });

  it('has no rivals where none ran', () => {
    expect(summaryToMarkdown([{ ...chromium, rivals: [] }])).not.toContain('Net^0');
  });
});

it('findings warn of a software adapter only where there is one', () => {
  const report = sampleReport();
  expect(findings(report).join('\n')).not.toContain('software on the processor');
  expect(findings({ ...report, adapter: { ...report.adapter, isSoftware: true } })[0]).toContain(
    'software on the processor',
  );
  expect(findings(report).join('\n')).toContain('10.0% of the 200');
});

it('fillResults replaces what stands between the marks, and nothing else', () => {
  const document = 'before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n';
  const filled = fillResults(document, 'new\n');
  expect(filled).toBe('before\n<!-- results -->\n\nnew\n\n<!-- end of results -->\nafter\n');
  expect(fillResults(filled, 'new\n')).toBe(filled);
  expect(fillResults('no marks', 'new\n')).toBe('new\n');
  expect(fillResults('', 'new\n')).toBe('new\n');
});

it('digits keeps three', () => {
  expect([0.012345, 1.5, 12.345, 1234.5, Number.NaN].map(digits)).toEqual(['0.0123', '1.50', '12.3', '1235', '-']);
});

describe('parseBenchArguments', () => {
  const parse = (...argv: readonly string[]) => parseBenchArguments(argv, '/home/ada');

  it('takes files relative to where the user is', () => {
    expect(parse('--json', 'out.json', '--quick')).toEqual({
      mode: 'run',
      json: '/home/ada/out.json',
      markdown: undefined,
      browsers: [browserFrom(thisMachine)],
      options: { faces: 1, quick: true, rivals: false, landmarker: false, dtype: 'f16' },
    });
    const both = ['--browser', 'firefox', '--browser', 'chromium', '--browser', 'firefox'];
    const files = ['--json=/tmp/a.json', '--markdown', 'a.md', '--summary', 'b.md', '--model', 'm.task'];
    expect(parse(...files, '--rivals', '--faces', '8', '--dtype', 'f32', ...both)).toEqual({
      mode: 'run',
      json: '/tmp/a.json',
      markdown: '/home/ada/a.md',
      summary: '/home/ada/b.md',
      model: '/home/ada/m.task',
      browsers: ['firefox', 'chromium'],
      options: { faces: 8, quick: false, rivals: true, landmarker: true, dtype: 'f32' },
    });
    expect(parse('--json', 'a', '--rounds', '2')).toMatchObject({ options: { quick: false, rounds: 2 } });
    expect(parse('--help')).toEqual({ mode: 'help' });
  });

  it.each([
    [[], '--json'],
    [['--json', 'a', '--faces', '17'], 'at most 16'],
    [['--json', 'a', '--faces', '0'], 'at least 1'],
    [['--json', 'a', '--rounds', '0'], '--rounds is "0"'],
    [['--json', 'a', '--fast'], '--fast'],
    [['--json', 'a', '--dtype', 'f64'], '--dtype is "f64"; wanted f16 or f32'],
    [['--json', 'a', '--browser', 'safari'], '--browser is "safari"; wanted one of chromium, firefox'],
    [['--json', 'a', '--run', 'b', '--browser', 'chromium', '--browser', 'firefox'], '--run is for one browser'],
    [['--json', 'a', '--model', 'm.task'], '--model without --rivals'],
    [['--json', 'a', '--dtype', ''], '--dtype is ""; wanted f16 or f32'],
  ])('%j is refused', (argv, message) => {
    expect(() => parse(...argv)).toThrow(UsageError);
    expect(() => parse(...argv)).toThrow(message);
  });
});
