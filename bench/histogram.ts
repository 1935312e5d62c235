/** How often a frame took how long. */
import { html, svg } from '../pages/dom.js';
import { digits } from './report.js';

export interface Bin {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** Bins of one width from the least sample to the largest; as many as the root of the samples, at least one. */
export function histogramOf(samples: readonly number[]): readonly Bin[] {
  if (samples.length === 0) return [];
  const [least, most] = [Math.min(...samples), Math.max(...samples)];
  const bins = most > least ? Math.ceil(Math.sqrt(samples.length)) : 1;
  const width = (most - least) / bins;
  const counts = new Array<number>(bins).fill(0);
  for (const sample of samples) {
    const index = width === 0 ? 0 : Math.min(bins - 1, Math.floor((sample - least) / width));
    counts[index] = (counts[index] ?? 0) + 1;
  }
  return counts.map((count, i) => ({ from: least + i * width, to: least + (i + 1) * width, count }));
}

const SIZE = { width: 640, height: 140, bottom: 22 } as const;

export function histogram(samples: readonly number[]): HTMLElement {
  const bins = histogramOf(samples);
  const most = Math.max(...bins.map(({ count }) => count));
  const { width, height, bottom } = SIZE;
  const step = width / bins.length;
  const text = bins.map(({ from, to, count }) => `${count} of ${digits(from)} to ${digits(to)} ms`).join(', ');
  const chart = svg('svg', {
    class: 'chart histogram',
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'aria-label': text,
  });
  for (const [i, { from, count }] of bins.entries()) {
    const tall = ((height - bottom) * count) / most;
    chart.append(
      svg('rect', { x: i * step + 1, y: height - bottom - tall, width: step - 2, height: tall }),
      svg('text', { x: i * step, y: height - 6 }, digits(from)),
    );
  }
  chart.append(svg('text', { x: width, y: height - 6, 'text-anchor': 'end' }, `${digits(bins.at(-1)?.to ?? 0)} ms`));
  return html('div', {}, chart);
}
