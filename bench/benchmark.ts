/** One whole run of the benchmark, in a page. */
import { adapterName } from '../pages/adapter.js';
import { decodePicture, fetchPicture } from '../pages/pictures.js';
import type { NetworkDescription } from '../src/cascade/weights.js';
import { FaceDetector } from '../src/detect/index.js';
import { conv2dMacs } from '../src/engine/kernels/conv2d.js';
import type { DType, NetworkNode, PackedWeights } from '../src/engine/network.js';
import { tensorBytes } from '../src/engine/tensor.js';
import type { FaceBox } from '../src/pictures/boxes.js';
import { FaceTracker } from '../src/track.js';
import { Capture } from './capture.js';
import { CascadeBench, SAMPLE_FACE, type StageStep } from './cascade.js';
import { Convolution, heaviestConvolution } from './convolution.js';
import { DetectedFace, frameMs, type LandmarksCase, TrackedFace } from './landmarks.js';
import { FullposeNetwork, NetworkRun, OURS, readNetworkCase } from './network.js';
import { createPeakForms, PEAK_FLOP } from './peak.js';
import { ComputeRaster, HardwareRaster, readRasterCase } from './raster.js';
import type { LayerReport, PipelineReport, Report, StageReport, TimelineStep } from './report.js';
import { FaceLandmarkerFace } from './rivals/mediapipe.js';
import { ONNXRUNTIME_WEBGPU, OnnxRuntimeNetwork } from './rivals/onnxruntime.js';
import { TensorFlowNetwork, TFJS_WEBGPU } from './rivals/tfjs.js';
import { quickRounds, wholeRounds } from './saved.js';
import { interleave, type Probe, Samples } from './statistics.js';
import { type Contender, race, type Strategy } from './strategies.js';
import { GpuTimer, timedPass } from './timing.js';

export interface BenchmarkOptions {
  /** Faces of a frame for stages and frame, 1 to 16. */
  readonly faces: number;
  /** Few rounds, and 1 and 8 faces only. */
  readonly quick: boolean;
  /** Default: as `quick` says. */
  readonly rounds?: number;
  readonly rivals: boolean;
  /**
   * Also race MediaPipe's FaceLandmarker from a picture to landmarks: the page's server has its package and its model.
   * Needs `rivals`.
   */
  readonly landmarker?: boolean;
  /** How our weights are held on the GPU, as in `FaceAligner.create`; the report says what came of it. */
  readonly dtype: DType;
  /** In place of the sample; its largest face is looked at. */
  readonly picture?: Blob;
}

/** What a run tells while it goes on. */
export interface BenchmarkListener {
  /** What is being done; `fraction` of the whole run is behind. */
  progress(text: string, fraction: number): void;
  /** A frame was measured; undefined where that clock was not running. */
  frame(times: { readonly endToEnd?: number; readonly gpu?: number }): void;
}

/** Address of a file of the repository: the benchmark's pages lie one folder below its root, as on the site. */
export const addressOf = (path: string): string => new URL(`../${path}`, document.baseURI).href;

export const MANIFEST = 'weights/manifest.json';
export const PICTURE = 'assets/astronaut.png';
const ALL_FACES = [1, 2, 4, 8, 16] as const;
const QUICK_FACES = [1, 8] as const;
const SEED = 20_180_401;

/** Stages that the paper counts as features: everything but the network and the update. */
const GEOMETRY: ReadonlySet<string> = new Set(['decode', 'clear', 'raster', 'resolve', 'paf']);

/** Limits that decide what kernels may do. */
const SHOWN_LIMITS = [
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupStorageSize',
  'maxStorageBuffersPerShaderStage',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxTextureDimension2D',
] as const;

/**
 * @throws LimitError without timestamp queries; WebGPUUnavailableError; WeightsError where files are missing or
 * damaged.
 */
export async function runBenchmark(options: BenchmarkOptions, listener: BenchmarkListener): Promise<Report> {
  const { faces, quick, rivals, landmarker = false, dtype } = options;
  const start = performance.now();
  const { rounds = quick ? quickRounds : wholeRounds } = options;
  const facesList = quick ? QUICK_FACES : ALL_FACES;
  const maxFaces = Math.max(...facesList, faces);
  listener.progress('loading the weights and compiling', 0);
  const picture = await (options.picture === undefined
    ? fetchPicture(addressOf(PICTURE))
    : decodePicture(options.picture, 'this file'));
  const face = options.picture === undefined ? SAMPLE_FACE : await largestFace(picture);
  const capture = new Capture();
  const bench = await CascadeBench.create(picture, addressOf(MANIFEST), maxFaces, dtype, face).finally(() =>
    capture.stop(),
  );
  const detector = await FaceDetector.create({ device: bench.gpu.device });
  try {
    const share = rivals ? 0.5 : 1;
    const video = await videoCalls(bench, detector, picture);
    const measured = await measureCascade(bench, video, facesList, faces, rounds, quick, {
      ...listener,
      progress: (text, fraction) => listener.progress(text, 0.05 + (share - 0.05) * fraction),
    });
    const contenders = rivals
      ? await raceAll(bench, landmarker ? detector : undefined, rounds, (text, fraction) =>
          listener.progress(text, 0.5 + 0.5 * fraction),
        )
      : [];
    const { gpu } = bench;
    return {
      date: new Date().toISOString(),
      seconds: (performance.now() - start) / 1000,
      browser: browserName(navigator.userAgent),
      adapter: { name: adapterName(gpu.adapter), isSoftware: gpu.adapter.isSoftware },
      features: [...gpu.features].sort(),
      limits: Object.fromEntries(SHOWN_LIMITS.map((name) => [name, gpu.limits[name]])),
      arithmetic: 'f32 arithmetic',
      iterations: bench.iterations,
      facesPerFrame: faces,
      rounds,
      ownPicture: options.picture !== undefined,
      coldStart: bench.coldStart,
      memory: bench.memory,
      weights: bench.weightStorage,
      ...measured,
      ...(await sourcesOf(measured.timeline, capture)),
      rivals: contenders,
      ratios: {
        vsOrtWebGpu: ratio(contenders, ONNXRUNTIME_WEBGPU),
        vsTfjsWebGpu: ratio(contenders, TFJS_WEBGPU),
      },
    };
  } finally {
    detector.destroy();
    bench.destroy();
    picture.close();
  }
}

async function largestFace(picture: ImageBitmap): Promise<FaceBox> {
  const detector = await FaceDetector.create();
  try {
    const [face] = await detector.detect(picture);
    if (face === undefined) throw new Error('There is no face in this picture.');
    return face;
  } finally {
    detector.destroy();
  }
}

/** What the detector is timed on. */
const LOOK = { width: 640, height: 480 } as const;

/** The picture on a canvas of that size, as large as fits. */
function pictureOfLook(picture: ImageBitmap): ImageBitmap {
  const canvas = new OffscreenCanvas(LOOK.width, LOOK.height);
  // Opaque, as what a camera gives.
  const context = canvas.getContext('2d', { alpha: false });
  if (context === null) throw new Error('there is no 2D canvas');
  const scale = Math.min(LOOK.width / picture.width, LOOK.height / picture.height);
  const [width, height] = [scale * picture.width, scale * picture.height];
  context.drawImage(picture, (LOOK.width - width) / 2, (LOOK.height - height) / 2, width, height);
  return canvas.transferToImageBitmap();
}

/** Milliseconds of what an app calls for every frame of a video, beside `align`. */
interface VideoCalls {
  detect(): Promise<number>;
  track(): Promise<number>;
}

async function videoCalls(
  { aligner }: CascadeBench,
  detector: FaceDetector,
  picture: ImageBitmap,
): Promise<VideoCalls> {
  const tracker = await FaceTracker.create({ aligner, detector, maxFaces: 1 });
  const looked = pictureOfLook(picture);
  let now = 0;
  const timed = async (call: () => Promise<unknown>) => {
    const start = performance.now();
    await call();
    return performance.now() - start;
  };
  const calls = {
    detect: () => timed(() => detector.detect(looked)),
    track: () => {
      now += frameMs;
      return timed(() => tracker.track(picture, now));
    },
  };
  // The first ones compile, and find the face.
  await calls.detect();
  await calls.track();
  return calls;
}

/** A dispatch with the pipeline in place of its number. */
type MeasuredStep = Omit<TimelineStep, 'pipeline'> & { readonly pipeline: GPUComputePipeline };

/** Numbers the pipelines of a timeline, and adds what they were made of. */
async function sourcesOf(
  timeline: readonly MeasuredStep[],
  capture: Capture,
): Promise<Pick<Report, 'timeline' | 'pipelines'>> {
  const pipelines = [...new Set(timeline.map(({ pipeline }) => pipeline))];
  return {
    timeline: timeline.map((step) => ({ ...step, pipeline: pipelines.indexOf(step.pipeline) })),
    pipelines: await Promise.all(
      pipelines.map(async (pipeline): Promise<PipelineReport> => {
        const captured = capture.pipeline(pipeline);
        if (captured === undefined) throw new Error('a pipeline of the frame was made before anybody looked');
        const { messages } = await captured.module.getCompilationInfo();
        return {
          wgsl: captured.wgsl,
          constants: captured.constants,
          notes: messages.map(({ type, lineNum, linePos, message }) => `${type} ${lineNum}:${linePos} ${message}`),
        };
      }),
    ),
  };
}

type Measured = Pick<
  Report,
  'stages' | 'geometryShare' | 'frame' | 'faces' | 'peak' | 'network' | 'layers' | 'detector' | 'tracker'
> & { readonly timeline: readonly MeasuredStep[] };

async function measureCascade(
  bench: CascadeBench,
  video: VideoCalls,
  facesList: readonly number[],
  faces: number,
  rounds: number,
  quick: boolean,
  listener: BenchmarkListener,
): Promise<Measured> {
  const { gpu, weights } = bench;
  const { network } = weights;
  const [firstIteration] = weights.iterations;
  if (firstIteration === undefined) throw new Error('the weights have no iterations');
  listener.progress('pilot runs', 0);
  const networkCase = readNetworkCase(await fetchFixture('network'), network, firstIteration);
  const { plan, weights: packed } = await NetworkRun.create(gpu, networkCase, bench.weightStorage.dtype);
  const dispatches = bench.stages(faces);
  const layerGroups = plan.steps.map((step) => step.stage);
  const peakForms = await createPeakForms(gpu);
  const timers = {
    stages: await GpuTimer.create(
      gpu,
      dispatches.map(({ timed }) => timed),
    ),
    network: await GpuTimer.create(gpu, [timedPass('network', (pass) => plan.encode(pass))]),
    peak: await GpuTimer.create(gpu, peakForms),
    frames: new Map<number, GpuTimer>(),
  };
  for (const count of new Set([...facesList, faces])) {
    timers.frames.set(count, await GpuTimer.create(gpu, [bench.frame(count)]));
  }
  const counts = await bench.counts(faces);

  const samples = new Samples();
  const add = (name: string, values: readonly (number | undefined)[], names: readonly string[]) => {
    for (const [i, value] of values.entries()) if (value !== undefined) samples.add(`${name} ${names[i] ?? i}`, value);
  };
  // Calls of an app come one after the other: the first of a row finds threads asleep and caches full of other things.
  const inARow = quick ? 3 : 8;
  const calls = (name: string, call: () => Promise<number>): Probe => ({
    name,
    sample: async () => {
      for (let i = 0; i < inARow; i++) samples.add(name, await call());
    },
  });
  const frameProbes = [...timers.frames].flatMap(([count, timer]): Probe[] => [
    {
      name: `${count} faces, GPU`,
      sample: async () => {
        const [time] = await timer.sample();
        if (time === undefined) return;
        samples.add(`gpu ${count}`, time);
        if (count === faces) listener.frame({ gpu: time });
      },
    },
    {
      name: `${count} faces, end to end`,
      sample: async () => {
        for (let i = 0; i < (count === faces ? inARow : 1); i++) {
          const time = await bench.endToEnd(count);
          samples.add(`end to end ${count}`, time);
          if (count === faces) listener.frame({ endToEnd: time });
        }
      },
    },
  ]);
  const probes: Probe[] = [
    ...frameProbes,
    {
      name: 'stages',
      sample: async () => {
        const times = await timers.stages.sample();
        add('dispatch', times, []);
        for (const [name, time] of stageTimes(dispatches, times)) samples.add(name, time);
        samples.add('stage readback', await bench.readback(faces));
      },
    },
    { name: 'Net^k', sample: async () => add('network', await timers.network.sample(), ['whole']) },
    {
      name: 'arithmetic peak',
      sample: async () =>
        add(
          'peak',
          await timers.peak.sample(),
          peakForms.map((form) => form.name),
        ),
    },
    { name: 'two in flight', sample: async () => samples.add('two in flight', await bench.throughput(faces, 2, 4)) },
    calls('detector', video.detect),
    calls('tracker', video.track),
    { name: 'encode', sample: async () => samples.add('encode', bench.encode(faces, 20)) },
  ];
  let done = 0;
  await interleave(probes, rounds, SEED, (round, { name }) =>
    listener.progress(`round ${round + 1} of ${rounds}: ${name}`, done++ / (rounds * probes.length)),
  );

  const stages = stageReports(dispatches, samples);
  const networkTime = samples.summary('network whole');
  const peaks = peakForms.map(({ name }) => ({
    form: name,
    gflops: PEAK_FLOP / samples.summary(`peak ${name}`).median / 1e6,
  }));
  const [peak] = peaks.sort((a, b) => b.gflops - a.gflops);
  if (peak === undefined) throw new Error('there is no form of the peak kernel');
  return {
    stages,
    timeline: dispatches.map(({ step: { stage, label, pipeline, workgroups, batchAxis }, part }, i) => ({
      part,
      stage,
      label,
      ms: samples.names.includes(`dispatch ${i}`) ? samples.summary(`dispatch ${i}`).median : 0,
      workgroups: workgroups.map((size, axis) => (axis === batchAxis ? size * faces : size)) as [
        number,
        number,
        number,
      ],
      pipeline,
    })),
    geometryShare: samples.names.includes('geometry share') ? samples.summary('geometry share').median : null,
    frame: {
      endToEnd: samples.summary(`end to end ${faces}`),
      twoInFlight: samples.summary('two in flight'),
      gpu: samples.summary(`gpu ${faces}`),
      encode: samples.summary('encode'),
      samples: samples.values(`end to end ${faces}`),
      ...counts,
    },
    detector: samples.summary('detector'),
    tracker: samples.summary('tracker'),
    faces: facesList.map((count) => ({
      faces: count,
      endToEnd: samples.summary(`end to end ${count}`),
      gpu: samples.summary(`gpu ${count}`),
    })),
    peak,
    network: {
      macs: network.graph.macs,
      gpu: networkTime,
      gflops: (2 * network.graph.macs) / networkTime.median / 1e6,
    },
    layers: layerReports(network, packed, layerGroups, stages, bench.iterations, faces),
  };
}

/**
 * Times of a frame by stage, all iterations together, under `stage <name>`; and the geometry's share of the iterations
 * that draw.
 */
function stageTimes(
  dispatches: readonly StageStep[],
  times: readonly (number | undefined)[],
): ReadonlyMap<string, number> {
  // A stage whose timestamps ran backwards leaves its sample out.
  const lost = new Set(dispatches.filter((_, i) => times[i] === undefined).map(({ step }) => step.stage));
  const sums = new Map<string, number>();
  const add = (name: string, time: number) => sums.set(name, (sums.get(name) ?? 0) + time);
  const drawing = new Set(
    dispatches
      .filter(({ step, part }) => step.stage === 'decode' && part.startsWith('iteration'))
      .map(({ part }) => part),
  );
  let [geometry, iterations] = [0, 0];
  for (const [i, { step, part }] of dispatches.entries()) {
    const { stage } = step;
    const time = times[i] ?? 0;
    if (!lost.has(stage)) add(`stage ${stage}`, time);
    if (!drawing.has(part)) continue;
    iterations += time;
    if (GEOMETRY.has(stage)) geometry += time;
  }
  if (lost.size === 0 && iterations > 0) sums.set('geometry share', geometry / iterations);
  return sums;
}

function stageReports(steps: readonly StageStep[], samples: Samples): readonly StageReport[] {
  const dispatches = new Map<string, number>();
  for (const { step } of steps) dispatches.set(step.stage, (dispatches.get(step.stage) ?? 0) + 1);
  const summaries = [...dispatches.keys(), 'readback'].map((name) => ({ name, ms: samples.summary(`stage ${name}`) }));
  const total = summaries.reduce((sum, { ms }) => sum + ms.median, 0);
  return summaries.map(({ name, ms }) => ({
    name,
    ms,
    share: ms.median / total,
    dispatches: dispatches.get(name) ?? 0,
  }));
}

/** The network's layers with multiplications: an average over iterations and faces of the stage that runs them. */
function layerReports(
  { graph }: NetworkDescription,
  { slices }: PackedWeights,
  layerStages: readonly string[],
  stages: readonly StageReport[],
  iterations: number,
  faces: number,
): readonly LayerReport[] {
  return graph.nodes.flatMap((node): LayerReport[] => {
    const work = layerWork(node, slices.get(`${node.name}.weight`)?.halves === true ? 2 : 4);
    const stage = stages.find(({ name }) => layerStages.includes(name) && name.split(' ').includes(node.name));
    return work === undefined || stage === undefined
      ? []
      : [{ name: stage.name, ...work, ms: stage.ms.median / iterations / faces }];
  });
}

/** @param weightBytes of one weight */
export function layerWork(
  node: NetworkNode,
  weightBytes = 4,
): { readonly macs: number; readonly bytes: number } | undefined {
  if (node.op === 'conv2d') {
    const { spec, shape } = node;
    const weights = weightBytes * spec.outChannels * spec.kernel[0] * spec.kernel[1] * spec.inChannels;
    return { macs: conv2dMacs(spec), bytes: tensorBytes(spec.input) + tensorBytes(shape) + weights };
  }
  if (node.op !== 'fullyConnected') return undefined;
  const { input, outFeatures } = node.spec;
  const macs = input.height * input.width * input.channels * outFeatures;
  return { macs, bytes: tensorBytes(input) + tensorBytes(node.shape) + weightBytes * macs };
}

/**
 * All groups of strategies, one after the other.
 * @param detector for the groups with MediaPipe's FaceLandmarker; without it they are left out
 */
async function raceAll(
  bench: CascadeBench,
  detector: FaceDetector | undefined,
  rounds: number,
  onProgress: (text: string, fraction: number) => void,
): Promise<readonly Contender[]> {
  const { gpu, weights } = bench;
  const { dtype } = bench.weightStorage;
  const [firstIteration] = weights.iterations;
  if (firstIteration === undefined) throw new Error('the weights have no iterations');
  const networkCase = readNetworkCase(await fetchFixture('network'), weights.network, firstIteration);
  const rasterCase = readRasterCase(await fetchFixture('pncc'), weights);
  const convolution = heaviestConvolution(weights.network, firstIteration);
  const groups: readonly (readonly Strategy[])[] = [
    ...(detector === undefined ? [] : landmarkGroups(bench, detector, await bench.landmarksCase())),
    [
      new FullposeNetwork(gpu, networkCase, dtype),
      ...(['webgpu', 'wasm'] as const).flatMap((backend) => [
        new OnnxRuntimeNetwork(backend, networkCase),
        new TensorFlowNetwork(backend, networkCase),
      ]),
    ],
    [new ComputeRaster(gpu, rasterCase), new HardwareRaster(gpu, rasterCase)],
    [new Convolution(gpu, convolution, dtype), new Convolution(gpu, convolution, 'naive')],
  ];
  const contenders: Contender[] = [];
  const steps = groups.reduce((sum, group) => sum + group.length * (rounds + 1), 0);
  let done = 0;
  for (const group of groups) {
    contenders.push(...(await race(group, rounds, SEED, (text) => onProgress(text, Math.min(1, done++ / steps)))));
  }
  return contenders;
}

/** From a picture, and from the next frame of a video, to landmarks. */
function landmarkGroups(
  { aligner }: CascadeBench,
  detector: FaceDetector,
  face: LandmarksCase,
): readonly (readonly Strategy[])[] {
  const rivals = (group: 'picture' | 'video') =>
    (['CPU', 'GPU'] as const).map((delegate) => new FaceLandmarkerFace(delegate, group, face));
  return [
    [new DetectedFace(aligner, detector, face), ...rivals('picture')],
    [new TrackedFace(aligner, detector, face), ...rivals('video')],
  ];
}

/** A rival's median over ours, in the rounds that both ran; null where it is missing or wrong. */
export function ratio(contenders: readonly Contender[], rival: string): number | null {
  const medianOf = (name: string) => {
    const contender = contenders.find((candidate) => candidate.name === name);
    return contender?.ok ? contender.ms?.median : undefined;
  };
  const [ours, theirs] = [medianOf(OURS), medianOf(rival)];
  return ours === undefined || theirs === undefined ? null : theirs / ours;
}

export async function fetchFixture(name: string): Promise<ArrayBuffer> {
  const response = await fetch(addressOf(`tests/fixtures/${name}.safetensors`));
  if (!response.ok) throw new Error(`tests/fixtures/${name}.safetensors: HTTP status ${response.status}`);
  return response.arrayBuffer();
}

/** As "Chrome 156". */
function browserName(userAgent: string): string {
  const [, name = '', version = ''] = /(Firefox|Edg|HeadlessChrome|Chrome|Version)\/(\d+)/.exec(userAgent) ?? [];
  return `${name === 'Version' ? 'Safari' : name} ${version}`.trim();
}
