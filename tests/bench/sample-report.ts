import type { Report } from '../../bench/report.js';
import { summarise } from '../../bench/statistics.js';

const around = (median: number) => summarise([0.9 * median, median, 1.2 * median]);

/** A report of an imagined run, with a rival that is right, one that is wrong and one that failed. */
export function sampleReport(): Report {
  const stages = [
    ['crop', 1, 1],
    ['raster', 2, 3],
    ['conv pncc.conv1 + pncc.pool1', 12, 3],
    ['fully connected pncc.fc1', 4, 3],
    ['readback', 1, 0],
  ] as const;
  return {
    date: '2026-11-22T10:00:00.000Z',
    seconds: 40,
    browser: 'Chrome 156',
    adapter: { name: 'acme fast', isSoftware: false },
    features: ['timestamp-query'],
    limits: { maxBufferSize: 268_435_456 },
    arithmetic: 'f32 arithmetic',
    iterations: 3,
    facesPerFrame: 1,
    rounds: 3,
    ownPicture: false,
    timeline: [
      { part: 'frame', stage: 'crop', label: 'crop', ms: 1, workgroups: [2, 16, 1], pipeline: 0 },
      { part: 'iteration0', stage: 'raster', label: 'iteration0/raster', ms: 2, workgroups: [105, 1, 1], pipeline: 1 },
    ],
    pipelines: [
      { wgsl: '@compute @workgroup_size(8, 8)\nfn crop() {}', constants: {}, notes: [] },
      {
        wgsl: '@compute @workgroup_size(64)\nfn raster() {}',
        constants: { width: 128 },
        notes: ['warning 2:1 unused'],
      },
    ],
    detector: around(5),
    tracker: around(9),
    coldStart: { downloadMs: 50, deviceMs: 20, prepareMs: 90, pipelines: 17, firstFrameMs: 30 },
    stages: stages.map(([name, ms, dispatches]) => ({ name, ms: around(ms), share: ms / 20, dispatches })),
    geometryShare: 0.125,
    frame: {
      endToEnd: around(20),
      twoInFlight: around(16),
      gpu: around(18),
      encode: around(0.2),
      samples: [18, 20, 24, 21],
      dispatches: 62,
      submits: 1,
      bytesReadBack: 1504,
    },
    faces: [1, 8].map((faces) => ({ faces, endToEnd: around(20 * faces), gpu: around(18 * faces) })),
    weights: { wanted: 'f16', dtype: 'f16', bytes: 6 * 2 ** 20 },
    memory: { bytes: 2 ** 25, buffers: 40, maxFaces: 8 },
    peak: { gflops: 200, form: '2 chains of vec4, a * b + c' },
    network: { macs: 60e6, gpu: around(6), gflops: 20 },
    layers: [
      { name: 'conv pncc.conv1 + pncc.pool1', macs: 10e6, bytes: 600_000, ms: 4 },
      { name: 'fully connected pncc.fc1', macs: 3e5, bytes: 1_300_000, ms: 1.3 },
    ],
    rivals: [
      {
        name: 'fullpose (WebGPU)',
        group: 'network',
        startMs: 60,
        ms: around(10),
        maxAbsError: 1e-6,
        ok: true,
        note: '',
      },
      {
        name: 'right and slow',
        group: 'network',
        startMs: 900,
        ms: around(120),
        maxAbsError: 2e-6,
        ok: true,
        note: '',
      },
      { name: 'fast and wrong', group: 'network', startMs: 100, ms: around(2), maxAbsError: 1.1, ok: false, note: '' },
      {
        name: 'does not start',
        group: 'network',
        startMs: undefined,
        ms: undefined,
        maxAbsError: undefined,
        ok: false,
        note: 'no such backend',
      },
    ],
    ratios: { vsOrtWebGpu: 12, vsTfjsWebGpu: null },
  };
}
