/** A live line chart of frame times. */
import { html, svg } from '../pages/dom.js';
import { digits } from './report.js';

const SIZE = { height: 220, left: 48, right: 12, top: 8, bottom: 24 } as const;

/** Width before the page has one. */
const DEFAULT_WIDTH = 640;

const SERIES = [
  { key: 'endToEnd', label: 'end to end: call to result in JavaScript', className: 'a' },
  { key: 'gpu', label: 'GPU: timestamps of the frame', className: 'b' },
] as const;

type SeriesKey = (typeof SERIES)[number]['key'];

/** Older points leave on the left. */
const MOST_POINTS = 120;

/** A round number of at least `value`: 1, 2 or 5 times a power of ten. */
export function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-3)));
  return ([1, 2, 5, 10].find((factor) => factor * power >= value) ?? 10) * power;
}

export class LiveChart {
  readonly #parent: Element;
  readonly #points: Record<SeriesKey, number[]> = { endToEnd: [], gpu: [] };

  constructor(parent: Element) {
    this.#parent = parent;
    this.clear();
    new ResizeObserver(() => this.#draw()).observe(parent);
  }

  clear(): void {
    for (const { key } of SERIES) this.#points[key].length = 0;
    this.#draw();
  }

  add(times: Readonly<Partial<Record<SeriesKey, number>>>): void {
    for (const { key } of SERIES) {
      const time = times[key];
      if (time === undefined) continue;
      this.#points[key].push(time);
      if (this.#points[key].length > MOST_POINTS) this.#points[key].shift();
    }
    this.#draw();
  }

  #draw(): void {
    const { height, left, right, top, bottom } = SIZE;
    const width = this.#parent.clientWidth || DEFAULT_WIDTH;
    const all = SERIES.flatMap(({ key }) => this.#points[key]);
    const most = niceCeiling(Math.max(1, ...all));
    const y = (time: number) => height - bottom - (time / most) * (height - top - bottom);
    const chart = svg('svg', {
      class: 'chart',
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      'aria-label': this.#describe(),
    });
    for (let tick = 0; tick <= 4; tick++) {
      const time = (most * tick) / 4;
      chart.append(
        svg('line', { class: 'grid', x1: left, x2: width - right, y1: y(time), y2: y(time) }),
        svg('text', { x: left - 6, y: y(time) + 4, 'text-anchor': 'end' }, String(Number(time.toPrecision(3)))),
      );
    }
    chart.append(
      svg(
        'text',
        { x: left, y: height - 6 },
        all.length === 0 ? 'Press Run.' : 'milliseconds a frame, in the order of measurement',
      ),
    );
    for (const { key, className } of SERIES) {
      const points = this.#points[key];
      const step = (width - left - right) / Math.max(1, points.length - 1);
      const places = points.map((time, i) => [left + i * step, y(time)] as const);
      chart.append(
        svg('polyline', {
          class: `line ${className}`,
          points: places.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(' '),
        }),
      );
      const last = places.at(-1);
      if (last !== undefined)
        chart.append(svg('circle', { class: `dot ${className}`, cx: last[0], cy: last[1], r: 3 }));
    }
    this.#parent.replaceChildren(legend(), chart);
  }

  #describe(): string {
    const parts = SERIES.flatMap(({ key, label }) => {
      const points = this.#points[key];
      return points.length === 0 ? [] : [`${label}, ${points.length} frames, last ${digits(points.at(-1) ?? 0)} ms`];
    });
    return parts.length === 0 ? 'No frame measured yet' : parts.join('; ');
  }
}

function legend(): HTMLElement {
  const items = SERIES.map(({ label, className }) =>
    html(
      'span',
      {},
      svg(
        'svg',
        { viewBox: '0 0 28 12', class: 'chart', 'aria-hidden': 'true' },
        svg('line', { class: `line ${className}`, x1: 0, x2: 28, y1: 6, y2: 6 }),
      ),
      label,
    ),
  );
  return html('p', { class: 'legend' }, ...items);
}
