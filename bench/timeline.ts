/**
 * A frame as bars along time, a row for each iteration and a button for each dispatch; a press shows what the GPU was
 * given.
 */
import { html } from '../pages/dom.js';
import { digits, percent, type Report } from './report.js';
import type { SavedRun } from './saved.js';

/** Hues of the stages, in the order in which a run's timeline names them first. */
const hueStep = 47;

/** "conv pncc.conv1" and "conv paf.conv1" do the same and have one colour. */
const kindOf = (stage: string): string => stage.split(' ')[0] ?? stage;

export function timeline(report: SavedRun & Partial<Pick<Report, 'pipelines'>>): readonly HTMLElement[] {
  const { timeline: steps } = report;
  const total = steps.reduce((sum, { ms }) => sum + ms, 0);
  const kinds = [...new Set(steps.map(({ stage }) => kindOf(stage)))];
  // Consecutive dispatches of one part; what belongs to none comes before and after the iterations.
  const rows: { readonly part: string; readonly from: number; readonly steps: SavedRun['timeline'][number][] }[] = [];
  for (const [index, step] of steps.entries()) {
    const last = rows.at(-1);
    if (last?.part === step.part) last.steps.push(step);
    else rows.push({ part: step.part, from: index, steps: [step] });
  }
  const longest = Math.max(...rows.map((row) => sumOf(row.steps)));
  const details = html(
    'div',
    { class: 'dispatch', 'aria-live': 'polite' },
    'Press a bar: its time, workgroups and WGSL.',
  );
  const show = (index: number, button: HTMLElement) => {
    for (const pressed of list.querySelectorAll('[aria-pressed="true"]')) pressed.setAttribute('aria-pressed', 'false');
    button.setAttribute('aria-pressed', 'true');
    details.replaceChildren(...describe(report, index, total));
  };
  const list = html(
    'ol',
    { class: 'timeline' },
    ...rows.map(({ part, from, steps: inRow }) => {
      const buttons = inRow.map((step, i) => {
        const button = html('button', {
          type: 'button',
          'aria-pressed': 'false',
          'aria-label': `${step.label}, ${digits(step.ms)} ms`,
          title: `${step.label}: ${digits(step.ms)} ms`,
          style: `--hue: ${kinds.indexOf(kindOf(step.stage)) * hueStep}; flex-grow: ${step.ms}`,
        });
        button.addEventListener('click', () => show(from + i, button));
        return button;
      });
      const ms = sumOf(inRow);
      return html(
        'li',
        {},
        html('span', {}, `${part}, ${digits(ms)} ms`),
        html('div', { class: 'dispatches', style: `width: ${Math.max(2, (100 * ms) / longest)}%` }, ...buttons),
      );
    }),
  );
  return [list, details];
}

const sumOf = (steps: readonly { readonly ms: number }[]): number => steps.reduce((sum, { ms }) => sum + ms, 0);

function describe(
  { timeline: steps, pipelines }: Parameters<typeof timeline>[0],
  index: number,
  total: number,
): Node[] {
  const step = steps[index];
  if (step === undefined) return [];
  const source = pipelines?.[step.pipeline];
  const constants = Object.entries(source?.constants ?? {}).map(([name, value]) => `${name} = ${value}`);
  return [
    html('h3', {}, step.label),
    html(
      'p',
      {},
      `${digits(step.ms)} ms, ${percent(step.ms / total)} of the frame's dispatches; ${step.workgroups.join(' x ')} workgroups` +
        `${constants.length === 0 ? '' : `; ${constants.join(', ')}`}.`,
    ),
    ...(source === undefined
      ? [html('p', { class: 'fine' }, 'A saved run does not carry its WGSL: run the benchmark to see it.')]
      : [
          html(
            'p',
            {},
            source.notes.length === 0 ? 'The compiler has no notes.' : `The compiler: ${source.notes.join('; ')}`,
          ),
          html('pre', { tabindex: '0' }, html('code', {}, source.wgsl)),
        ]),
  ];
}
