/** A report as a page. */
import { html } from '../pages/dom.js';
import { histogram } from './histogram.js';
import {
  digits,
  findings,
  groupTitles,
  mebibytes,
  percent,
  type Report,
  ratioSentence,
  times,
  weightsPhrase,
} from './report.js';
import type { SavedRun } from './saved.js';
import type { Summary } from './statistics.js';
import type { Contender } from './strategies.js';
import { timeline } from './timeline.js';

/** A run of this page, or one that came from elsewhere, without its WGSL. */
export type ShownRun = SavedRun & Partial<Pick<Report, 'pipelines'>>;

/** @param other another run, to compare */
export function viewReport(report: ShownRun, other?: ShownRun): readonly HTMLElement[] {
  return [
    card('Summary', tiles(report), html('ul', {}, ...findings(report).map((finding) => html('li', {}, finding)))),
    ...(other === undefined ? [] : [comparisonCard(report, other)]),
    card('A frame, dispatch by dispatch', ...timeline(report)),
    card('Frames, end to end', histogram(report.frame.samples)),
    stagesCard(report),
    ...(report.rivals.length === 0 ? [] : [rivalsCard(report)]),
    facesCard(report),
    rooflineCard(report),
    coldStartCard(report),
    adapterCard(report),
  ];
}

function card(title: string, ...children: readonly (Node | string)[]): HTMLElement {
  const id = `card-${title.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`;
  return html('section', { class: 'card', 'aria-labelledby': id }, html('h2', { id }, title), ...children);
}

function tiles({ frame, network, peak, iterations, facesPerFrame, weights, detector, tracker }: ShownRun): HTMLElement {
  const tile = (term: string, value: string, small: string) =>
    html('div', {}, html('dt', {}, term), html('dd', {}, value), html('small', {}, small));
  const spread = ({ p95, mad }: Summary) => `p95 ${digits(p95)}, MAD ${digits(mad)}`;
  return html(
    'dl',
    { class: 'tiles' },
    tile('end to end', `${digits(frame.endToEnd.median)} ms`, spread(frame.endToEnd)),
    tile('GPU', `${digits(frame.gpu.median)} ms`, spread(frame.gpu)),
    tile('encode in JavaScript', `${digits(frame.encode.median)} ms`, spread(frame.encode)),
    tile(
      'two frames in flight',
      `${digits(frame.twoInFlight.median)} ms`,
      `${digits(1000 / frame.twoInFlight.median)} frames a second`,
    ),
    tile('detector', `${digits(detector.median)} ms`, 'a picture of 640 x 480, by fullpose/detect'),
    tile('tracker', `${digits(tracker.median)} ms`, 'a face that was there before, by fullpose/track'),
    tile(
      'of the peak',
      percent(network.gflops / peak.gflops),
      `${digits(network.gflops)} of ${digits(peak.gflops)} GFLOP/s`,
    ),
    tile(
      'a frame',
      `${frame.dispatches}`,
      `dispatches, ${frame.submits} submit, ${frame.bytesReadBack} bytes back; ${iterations} iterations, ${facesPerFrame} ${facesPerFrame === 1 ? 'face' : 'faces'}; ${weightsPhrase(weights)}`,
    ),
  );
}

interface Column {
  readonly title: string;
  readonly className?: string;
}

interface TableRow {
  readonly className?: string;
  readonly cells: readonly (Node | string)[];
}

/** A table whose first column names the row. */
function table(caption: string, columns: readonly Column[], rows: readonly TableRow[]): HTMLElement {
  const head = html('tr', {}, ...columns.map(({ title }) => html('th', { scope: 'col' }, title)));
  const body = rows.map(({ className, cells }) =>
    html(
      'tr',
      className === undefined ? {} : { class: className },
      ...cells.map((cell, i) =>
        i === 0 ? html('th', { scope: 'row' }, cell) : html('td', { class: columns[i]?.className ?? '' }, cell),
      ),
    ),
  );
  const element = html('table', { 'aria-label': caption }, html('thead', {}, head), html('tbody', {}, ...body));
  return html('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption }, element);
}

function bar(fraction: number): HTMLElement {
  const part = `${(100 * Math.max(0, Math.min(1, fraction))).toFixed(1)}%`;
  return html('span', { style: `--part: ${part}` });
}

const BAR: Column = { title: '', className: 'bar' };
const TIME: Column = { title: 'median ms', className: 'time' };

/** As "3 faces, f16, on NVIDIA, 2026-11-29 10:00". */
export function nameOf({ date, adapter, facesPerFrame, weights, ownPicture }: ShownRun): string {
  const faces = `${facesPerFrame} ${facesPerFrame === 1 ? 'face' : 'faces'}`;
  return `${faces}${ownPicture ? ', own picture' : ''}, ${weights.dtype}, ${adapter.name}, ${date.slice(0, 16).replace('T', ' ')}`;
}

function comparisonCard(report: ShownRun, other: ShownRun): HTMLElement {
  const rows: (readonly [string, number | undefined, number | undefined])[] = [
    ['end to end', report.frame.endToEnd.median, other.frame.endToEnd.median],
    ['GPU', report.frame.gpu.median, other.frame.gpu.median],
    ['detector', report.detector.median, other.detector.median],
    ['tracker', report.tracker.median, other.tracker.median],
    ...report.stages.map(
      ({ name, ms }) => [name, ms.median, other.stages.find((stage) => stage.name === name)?.ms.median] as const,
    ),
  ];
  return card(
    'Compared',
    html('p', {}, `This run: ${nameOf(report)}. The other: ${nameOf(other)}.`),
    table(
      'Compared',
      [{ title: '' }, TIME, { title: 'other ms' }, { title: 'to the other' }],
      rows.map(([name, ms = Number.NaN, otherMs = Number.NaN]) => ({
        cells: [name, digits(ms), digits(otherMs), Number.isFinite(ms / otherMs) ? times(ms / otherMs) : '-'],
      })),
    ),
  );
}

function stagesCard({ stages }: ShownRun): HTMLElement {
  const most = Math.max(...stages.map(({ share }) => share));
  return card(
    'Stages of a frame',
    html('p', { class: 'fine' }, 'GPU time, all iterations together; readback by the wall clock.'),
    table(
      'Stages of a frame',
      [{ title: 'stage' }, BAR, TIME, { title: 'p95' }, { title: 'MAD' }, { title: 'share' }],
      stages.map(({ name, ms, share }) => ({
        cells: [name, bar(share / most), digits(ms.median), digits(ms.p95), digits(ms.mad), percent(share)],
      })),
    ),
  );
}

function rivalsCard({ rivals, ratios }: ShownRun): HTMLElement {
  const groups = [...new Set(rivals.map(({ group }) => group))];
  return card(
    'Rivals',
    html(
      'p',
      {},
      ...ratioSentence(ratios).map((sentence) => `${sentence} `),
      'A strategy with a wrong result is greyed: its time means nothing.',
    ),
    ...groups.flatMap((group) => [
      html('p', {}, groupTitles[group]),
      rivalsTable(
        groupTitles[group],
        rivals.filter((rival) => rival.group === group),
      ),
    ]),
  );
}

function rivalsTable(caption: string, rivals: readonly Contender[]): HTMLElement {
  const most = Math.max(...rivals.map(({ ms }) => ms?.median ?? 0));
  const ours = rivals[0]?.ms?.median;
  return table(
    caption,
    [
      { title: 'strategy' },
      BAR,
      TIME,
      { title: 'to ours' },
      { title: 'first ms' },
      { title: 'largest error' },
      { title: 'result' },
      { title: '', className: 'note' },
    ],
    rivals.map(({ name, ms, startMs, maxAbsError, ok, note }, i) => ({
      className: ok ? (i === 0 ? 'ours' : 'rival') : 'wrong',
      cells: [
        name,
        bar((ms?.median ?? 0) / most),
        ms === undefined ? '-' : digits(ms.median),
        ms === undefined || ours === undefined ? '-' : times(ms.median / ours),
        startMs === undefined ? '-' : digits(startMs),
        maxAbsError === undefined ? '-' : maxAbsError.toExponential(1),
        html('span', { class: 'verdict' }, ms === undefined ? 'failed' : ok ? 'right' : 'wrong'),
        note,
      ],
    })),
  );
}

function facesCard({ faces }: ShownRun): HTMLElement {
  const perFace = faces.map((row) => row.gpu.median / row.faces);
  const most = Math.max(...perFace);
  return card(
    'Faces in one frame',
    html('p', { class: 'fine' }, 'Bars are GPU milliseconds a face: shorter where faces fill the GPU better.'),
    table(
      'Faces in one frame',
      [
        { title: 'faces' },
        BAR,
        { title: 'GPU ms a face' },
        { title: 'GPU ms' },
        { title: 'end to end ms' },
        { title: 'p95' },
      ],
      faces.map((row, i) => ({
        cells: [
          String(row.faces),
          bar((perFace[i] ?? 0) / most),
          digits(perFace[i] ?? 0),
          digits(row.gpu.median),
          digits(row.endToEnd.median),
          digits(row.endToEnd.p95),
        ],
      })),
    ),
  );
}

function rooflineCard({ layers, peak, network }: ShownRun): HTMLElement {
  return card(
    'Roofline',
    html(
      'p',
      { class: 'fine' },
      `Net^k: ${digits(network.macs / 1e6)} M multiply-adds in ${digits(network.gpu.median)} ms. Peak of this run: ${digits(peak.gflops)} GFLOP/s (${peak.form}). ` +
        'Few FLOP a byte and few GFLOP/s: bound by memory. Many and few: worth a better kernel.',
    ),
    table(
      'Roofline',
      [
        { title: 'layer' },
        BAR,
        { title: 'of the peak' },
        { title: 'GFLOP/s' },
        { title: 'M multiply-adds' },
        { title: 'least KiB' },
        { title: 'FLOP a byte' },
      ],
      layers.map(({ name, macs, bytes, ms }) => {
        const gflops = (2 * macs) / ms / 1e6;
        return {
          cells: [
            name,
            bar(gflops / peak.gflops),
            percent(gflops / peak.gflops),
            digits(gflops),
            digits(macs / 1e6),
            digits(bytes / 1024),
            digits((2 * macs) / bytes),
          ],
        };
      }),
    ),
  );
}

function coldStartCard({ coldStart, frame }: ShownRun): HTMLElement {
  const { downloadMs, deviceMs, prepareMs, firstFrameMs, pipelines } = coldStart;
  const phases = [
    ['download and check the weights', downloadMs],
    ['open the device', deviceMs],
    [`upload, compile ${pipelines} pipelines`, prepareMs],
    ['first frame', firstFrameMs],
    ['a steady frame, to compare', frame.endToEnd.median],
  ] as const;
  const most = Math.max(...phases.map(([, ms]) => ms));
  return card(
    'Cold start',
    table(
      'Cold start',
      [{ title: 'phase' }, BAR, { title: 'ms' }],
      phases.map(([name, ms]) => ({ cells: [name, bar(ms / most), digits(ms)] })),
    ),
  );
}

function adapterCard({ adapter, browser, features, limits, memory, arithmetic, weights }: ShownRun): HTMLElement {
  const rows: readonly (readonly [string, string])[] = [
    ['adapter', adapter.name],
    ['browser', browser],
    ['arithmetic', `${arithmetic}, ${weightsPhrase(weights)}`],
    [
      'GPU memory of the cascade',
      `${mebibytes(memory.bytes)} in ${memory.buffers} buffers, room for ${memory.maxFaces} faces`,
    ],
    ['features', features.join(', ')],
    ...Object.entries(limits).map(([name, value]) => [name, value.toLocaleString('en')] as const),
  ];
  return card(
    'Adapter',
    table(
      'Adapter',
      [{ title: '' }, { title: '', className: 'note' }],
      rows.map(([name, value]) => ({ cells: [name, value] })),
    ),
  );
}
