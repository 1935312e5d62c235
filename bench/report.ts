/** What a benchmark run found, and its two exports: JSON and Markdown. */
import type { DType } from '../src/engine/network.js';
import type { Summary } from './statistics.js';
import { type Contender, type StrategyGroup, strategyGroups } from './strategies.js';

export interface StageReport {
  readonly name: string;
  /** Milliseconds of one frame: all iterations together. */
  readonly ms: Summary;
  /** Of the sum of all stages. */
  readonly share: number;
  /** Dispatches of a frame. */
  readonly dispatches: number;
}

/** One layer of Net^k against the roofline. */
export interface LayerReport {
  readonly name: string;
  readonly macs: number;
  /** Least traffic: inputs, outputs and weights once. */
  readonly bytes: number;
  readonly ms: number;
}

/** One dispatch of the frame. */
export interface TimelineStep {
  /** As `iteration1`; `frame` for what belongs to none. */
  readonly part: string;
  readonly stage: string;
  readonly label: string;
  /** Median. */
  readonly ms: number;
  /** For all faces of the frame. */
  readonly workgroups: readonly [number, number, number];
  /** Index into `pipelines`. */
  readonly pipeline: number;
}

/** What the GPU was given. */
export interface PipelineReport {
  readonly wgsl: string;
  readonly constants: Readonly<Record<string, number>>;
  /** What the browser's compiler said of it, as "warning 12:3 ...". */
  readonly notes: readonly string[];
}

export interface FacesReport {
  readonly faces: number;
  readonly endToEnd: Summary;
  readonly gpu: Summary;
}

export interface Report {
  /** ISO 8601, with the time. */
  readonly date: string;
  /** What the run took. */
  readonly seconds: number;
  readonly browser: string;
  readonly adapter: { readonly name: string; readonly isSoftware: boolean };
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  readonly arithmetic: string;
  readonly iterations: number;
  /** Faces of a frame for stages and frame. */
  readonly facesPerFrame: number;
  readonly rounds: number;
  /** The person's picture in place of the sample. */
  readonly ownPicture: boolean;
  readonly coldStart: {
    readonly downloadMs: number;
    readonly deviceMs: number;
    /** Upload of weights, compilation, everything prepared. */
    readonly prepareMs: number;
    readonly pipelines: number;
    readonly firstFrameMs: number;
  };
  readonly stages: readonly StageReport[];
  /** Every dispatch of a frame, in order. */
  readonly timeline: readonly TimelineStep[];
  readonly pipelines: readonly PipelineReport[];
  /** decode + clear + raster + resolve + paf over everything in an iteration that draws; null where none does. */
  readonly geometryShare: number | null;
  readonly frame: {
    /** From the call of `align` to its result, one frame in flight. */
    readonly endToEnd: Summary;
    /** Milliseconds a frame with two in flight. */
    readonly twoInFlight: Summary;
    readonly gpu: Summary;
    /** Recording and finishing the command buffer in JavaScript. */
    readonly encode: Summary;
    /** End to end, as measured, in order. */
    readonly samples: readonly number[];
    readonly dispatches: number;
    readonly submits: number;
    readonly bytesReadBack: number;
  };
  /**
   * From the call of `detect` on the picture, drawn on 640 x 480, to its boxes, and of `track` to a face that was there
   * before; `fullpose/detect` and `fullpose/track`, each with its default options.
   */
  readonly detector: Summary;
  readonly tracker: Summary;
  readonly faces: readonly FacesReport[];
  readonly memory: { readonly bytes: number; readonly buffers: number; readonly maxFaces: number };
  /**
   * The network's weights on the GPU, of all iterations. `dtype` is not `wanted` where the weights are no halves or the
   * device fails the test of them.
   */
  readonly weights: { readonly wanted: DType; readonly dtype: DType; readonly bytes: number };
  readonly peak: { readonly gflops: number; readonly form: string };
  readonly network: { readonly macs: number; readonly gpu: Summary; readonly gflops: number };
  readonly layers: readonly LayerReport[];
  readonly rivals: readonly Contender[];
  readonly ratios: { readonly vsOrtWebGpu: number | null; readonly vsTfjsWebGpu: number | null };
}

/** The JSON that programs read. Times in milliseconds; null where a rival did not run. */
export interface ReportJson {
  readonly adapter: string;
  /** How our weights were held on the GPU, and the bytes of the network's, all iterations together. */
  readonly dtype: DType;
  readonly weightBytes: number;
  readonly stages: readonly { readonly name: string; readonly medianMs: number; readonly share: number }[];
  readonly frame: {
    readonly medianMs: number;
    readonly p95Ms: number;
    readonly dispatches: number;
    readonly submits: number;
    readonly bytesReadBack: number;
  };
  /** End to end, by number of faces. */
  readonly faces: Readonly<Record<string, number>>;
  readonly peak: { readonly gflops: number; readonly achievedGflops: number };
  readonly rivals: readonly {
    readonly name: string;
    readonly medianMs: number | null;
    readonly maxAbsError: number | null;
    readonly ok: boolean;
  }[];
  readonly ratios: Report['ratios'];
}

/** JSON has no infinity. */
const finite = (value: number | undefined): number | null =>
  value !== undefined && Number.isFinite(value) ? value : null;

export function toJson(report: Omit<Report, 'pipelines'>): ReportJson {
  const { adapter, weights, stages, frame, faces, peak, network, rivals, ratios } = report;
  return {
    adapter: adapter.name,
    dtype: weights.dtype,
    weightBytes: weights.bytes,
    stages: stages.map(({ name, ms, share }) => ({ name, medianMs: ms.median, share })),
    frame: {
      medianMs: frame.endToEnd.median,
      p95Ms: frame.endToEnd.p95,
      dispatches: frame.dispatches,
      submits: frame.submits,
      bytesReadBack: frame.bytesReadBack,
    },
    faces: Object.fromEntries(faces.map(({ faces: count, endToEnd }) => [String(count), endToEnd.median])),
    peak: { gflops: peak.gflops, achievedGflops: network.gflops },
    rivals: rivals.map(({ name, ms, maxAbsError, ok }) => ({
      name,
      medianMs: finite(ms?.median),
      maxAbsError: finite(maxAbsError),
      ok,
    })),
    ratios,
  };
}

/** Lines that stand before and after the results in a document that has other text, too. */
const MARKS = ['<!-- results -->', '<!-- end of results -->'] as const;

/** `document` with its results, if it has a place for them, replaced by `markdown`; else `markdown` alone. */
export function fillResults(document: string, markdown: string): string {
  const [begin, end] = MARKS.map((mark) => document.indexOf(mark));
  if (begin === undefined || end === undefined || begin < 0 || end < begin) return markdown;
  return `${document.slice(0, begin + MARKS[0].length)}\n\n${markdown}\n${document.slice(end)}`;
}

type Row = readonly (string | number)[];

function table(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/** Three significant digits. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '-';
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

export const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)}%`;

const timeCells = ({ median, p95, mad }: Summary): Row => [digits(median), digits(p95), digits(mad)];

/** "4.2x", or a dash where there is none. */
export const times = (ratio: number | null): string => (ratio === null ? '-' : `${digits(ratio)}x`);

/** How the rivals' WebGPU backends compare, in words; none where neither ran rightly. */
export function ratioSentence({ vsOrtWebGpu, vsTfjsWebGpu }: Report['ratios']): readonly string[] {
  const parts = [
    ...(vsOrtWebGpu === null ? [] : [`onnxruntime-web (WebGPU) takes ${times(vsOrtWebGpu)}`]),
    ...(vsTfjsWebGpu === null ? [] : [`TensorFlow.js (WebGPU) takes ${times(vsTfjsWebGpu)}`]),
  ];
  return parts.length === 0 ? [] : [`On Net^0 ${parts.join(' and ')} our time: same weights, same input, same rounds.`];
}

export const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** As "weights in f16 (6.9 MiB)", and what was asked for where that is something else. */
export function weightsPhrase({ wanted, dtype, bytes }: Report['weights']): string {
  const instead = wanted === dtype ? '' : `; ${wanted} was asked for, which these weights or this device do not allow`;
  return `weights in ${dtype} (${mebibytes(bytes)}${instead})`;
}

/** What a reader should know before anything else. */
export function findings(report: Omit<Report, 'pipelines'>): readonly string[] {
  const { adapter, stages, geometryShare, network, peak, frame, coldStart, ratios, faces } = report;
  const slowest = [...stages].sort((a, b) => b.share - a.share).slice(0, 3);
  const [one, most] = [faces[0], faces.at(-1)];
  return [
    ...(adapter.isSoftware
      ? [
          'The adapter is software on the processor: ratios and counts mean something, milliseconds only here. There WASM beats every WebGPU engine.',
        ]
      : []),
    `${slowest.map(({ name, share }) => `${name} ${percent(share)}`).join(', ')}: where the GPU spends most of a frame.`,
    ...(geometryShare === null
      ? []
      : [`Decode, raster, resolve and PAF take ${percent(geometryShare)} of an iteration (the paper: 69%).`]),
    `Net^k reaches ${digits(network.gflops)} GFLOP/s, ${percent(network.gflops / peak.gflops)} of the ${digits(peak.gflops)} measured on this adapter in this run.`,
    `Recording a frame takes ${digits(frame.encode.median)} ms of JavaScript; the first frame took ${digits(coldStart.firstFrameMs / frame.endToEnd.median)}x a steady one.`,
    ...(one !== undefined && most !== undefined && most.faces > one.faces
      ? [
          `${most.faces} faces cost ${digits(most.gpu.median / one.gpu.median)}x ${one.faces === 1 ? 'one' : one.faces} on the GPU.`,
        ]
      : []),
    ...ratioSentence(ratios),
  ];
}

/** Reports for people: one as it is, several each under the name of its browser. */
export function allToMarkdown(reports: readonly Omit<Report, 'pipelines'>[]): string {
  const [only, ...others] = reports;
  if (only !== undefined && others.length === 0) return toMarkdown(only);
  return reports.map((report) => `### ${report.browser}\n\n${toMarkdown(report, '####')}`).join('\n');
}

/** What an app wants to know: a column for each browser, a row for each time, and how rivals compare. */
export function summaryToMarkdown(reports: readonly Omit<Report, 'pipelines'>[]): string {
  const columns = reports.map(({ browser }) => browser);
  const row = (name: string, cell: (report: Omit<Report, 'pipelines'>) => string): Row => [name, ...reports.map(cell)];
  const ms = (name: string, summary: (report: Omit<Report, 'pipelines'>) => Summary) =>
    row(name, (report) => `${digits(summary(report).median)} ms`);
  const adapters = reports.map(
    ({ browser, date, rounds, adapter }) =>
      `${browser}: ${adapter.name}${adapter.isSoftware ? ' (software)' : ''}, ${date.slice(0, 10)}, ${rounds} rounds.`,
  );
  const raced = reports.flatMap(({ rivals }) => rivals);
  const groups = strategyGroups.filter((group) => raced.some((rival) => rival.group === group));
  const missing = reports.flatMap(missingRivals);
  const parts = [
    adapters.join('\n'),
    table(
      ['one face', ...columns],
      [
        ms('a frame, from the call to its result', ({ frame }) => frame.endToEnd),
        ms('the same on the GPU, without upload and readback', ({ frame }) => frame.gpu),
        ms('a frame with two in flight', ({ frame }) => frame.twoInFlight),
        row('the first frame, to a steady one', ({ coldStart, frame }) =>
          times(coldStart.firstFrameMs / frame.endToEnd.median),
        ),
        ms('detector, a picture of 640 x 480', ({ detector }) => detector),
        ms('tracker, a known face', ({ tracker }) => tracker),
      ],
    ),
    ...groups.map((group) => {
      const names = [...new Set(raced.filter((rival) => rival.group === group).map(({ name }) => name))];
      return table(
        [groupTitles[group], ...columns],
        names.map((name) => row(name, ({ rivals }) => rivalCell(rivals, group, name))),
      );
    }),
    ...(missing.length === 0 ? [] : [missing.join('\n')]),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** Why rivals did not run, each reason once. */
function missingRivals({ browser, rivals }: Omit<Report, 'pipelines'>): string[] {
  const missing = rivals.filter(({ ms }) => ms === undefined);
  return [...new Set(missing.map(({ note }) => note))].map((reason) => {
    const names = [...new Set(missing.filter(({ note }) => note === reason).map(({ name }) => name))];
    return `- Not in ${browser}: ${names.join(', ')}. ${reason}`;
  });
}

/** As "12.3 ms, 4.20x" of ours, which is the first of its group. */
function rivalCell(rivals: readonly Contender[], group: Contender['group'], name: string): string {
  const raced = rivals.filter((rival) => rival.group === group);
  const ours = raced[0]?.ms?.median;
  const rival = raced.find((candidate) => candidate.name === name);
  if (rival?.ms === undefined) return '-';
  const { median } = rival.ms;
  const toOurs = ours === undefined ? '-' : times(median / ours);
  return `${digits(median)} ms, ${toOurs}${rival.ok ? '' : ', WRONG result'}`;
}

/** @param heading marks of a part's heading */
export function toMarkdown(report: Omit<Report, 'pipelines'>, heading = '###'): string {
  const { adapter, frame, coldStart, memory, peak, network } = report;
  const time = ['median ms', 'p95', 'MAD'];
  const parts = [
    `Adapter: ${adapter.name}${adapter.isSoftware ? ' (software)' : ''}. Browser: ${report.browser}. ${report.date.slice(0, 10)}. ` +
      `${report.iterations} iterations, ${report.facesPerFrame} ${report.facesPerFrame === 1 ? 'face' : 'faces'} a frame, ${report.arithmetic}, ${weightsPhrase(report.weights)}, ${report.rounds} rounds.`,
    findings(report)
      .map((finding) => `- ${finding}`)
      .join('\n'),
    `${heading} Frame`,
    table(
      ['', ...time],
      [
        ['end to end, one in flight', ...timeCells(frame.endToEnd)],
        ['a frame with two in flight', ...timeCells(frame.twoInFlight)],
        ['GPU', ...timeCells(frame.gpu)],
        ['encode (JavaScript)', ...timeCells(frame.encode)],
        ['detector, the same picture on 640 x 480', ...timeCells(report.detector)],
        ['tracker, a face that was there before', ...timeCells(report.tracker)],
      ],
    ),
    `${frame.dispatches} dispatches, ${frame.submits} submit, ${frame.bytesReadBack} bytes read back. ` +
      `GPU memory: ${mebibytes(memory.bytes)} in ${memory.buffers} buffers, room for ${memory.maxFaces} faces.`,
    `Cold start: download ${digits(coldStart.downloadMs)} ms, device ${digits(coldStart.deviceMs)} ms, upload and ${coldStart.pipelines} pipelines ` +
      `${digits(coldStart.prepareMs)} ms, first frame ${digits(coldStart.firstFrameMs)} ms.`,
    `${heading} Stages (GPU time of a frame, each stage repeated until it lasts 2 ms)`,
    table(
      ['stage', ...time, 'share', 'dispatches'],
      report.stages.map(({ name, ms, share, dispatches }) => [name, ...timeCells(ms), percent(share), dispatches]),
    ),
    `${heading} Faces in one frame`,
    table(
      ['faces', 'end to end, median ms', 'GPU, median ms', 'GPU ms a face'],
      report.faces.map(({ faces, endToEnd, gpu }) => [
        faces,
        digits(endToEnd.median),
        digits(gpu.median),
        digits(gpu.median / faces),
      ]),
    ),
    `${heading} Roofline of Net^k, one face`,
    `Measured peak: ${digits(peak.gflops)} GFLOP/s (${peak.form}). Net^k: ${digits(network.macs / 1e6)} M multiply-adds in ` +
      `${digits(network.gpu.median)} ms, ${digits(network.gflops)} GFLOP/s, ${percent(network.gflops / peak.gflops)} of the peak.`,
    table(
      ['layer', 'M multiply-adds', 'least KiB', 'FLOP a byte', 'ms', 'GFLOP/s', 'of the peak'],
      report.layers.map(({ name, macs, bytes, ms }) => {
        const gflops = (2 * macs) / ms / 1e6;
        return [
          name,
          digits(macs / 1e6),
          digits(bytes / 1024),
          digits((2 * macs) / bytes),
          digits(ms),
          digits(gflops),
          percent(gflops / peak.gflops),
        ];
      }),
    ),
    ...(report.rivals.length === 0 ? [] : rivalsMarkdown(report, heading)),
  ];
  return `${parts.join('\n\n')}\n`;
}

export const groupTitles = {
  picture: 'From a picture to the landmarks of its face (wall clock)',
  video: 'From the next frame of a video to the landmarks of a known face (wall clock)',
  network: 'Net^0 from arrays to an array: upload, run, read back (wall clock)',
  rasteriser: 'PNCC of four posed faces (GPU time)',
  convolution: 'The heaviest 3x3 convolution (GPU time)',
} as const satisfies Record<StrategyGroup, string>;

function rivalsMarkdown({ rivals, ratios }: Pick<Report, 'rivals' | 'ratios'>, heading: string): string[] {
  const groups = [...new Set(rivals.map(({ group }) => group))];
  return [
    `${heading} Rivals`,
    ...ratioSentence(ratios),
    ...groups.map((group) => {
      const rows = rivals.filter((rival) => rival.group === group);
      const fastest = rows[0]?.ms?.median;
      return [
        `${groupTitles[group]}:`,
        '',
        table(
          ['strategy', 'median ms', 'p95', 'MAD', 'to ours', 'first result ms', 'largest error', 'result', 'note'],
          rows.map(({ name, ms, startMs, maxAbsError, ok, note }) => [
            name,
            ...(ms === undefined ? ['-', '-', '-'] : timeCells(ms)),
            ms === undefined || fastest === undefined ? '-' : `${digits(ms.median / fastest)}x`,
            startMs === undefined ? '-' : digits(startMs),
            maxAbsError === undefined ? '-' : maxAbsError.toExponential(1),
            ms === undefined ? 'failed' : ok ? 'right' : 'WRONG',
            note,
          ]),
        ),
      ].join('\n');
    }),
  ];
}
