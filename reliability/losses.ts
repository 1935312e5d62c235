/** The device is lost, in every phase and in every way; the aligner must say so and come back with the same results. */
import { FaceAligner } from '../src/align/aligner.js';
import type { Face } from '../src/align/face.js';
import { FaceDetector } from '../src/detect/detector.js';
import { DeviceLostError, FullposeError } from '../src/engine/errors.js';
import type { FaceBox } from '../src/pictures/boxes.js';
import { FaceTracker } from '../src/track/tracker.js';
import { smallWeightBuffers } from '../tests/cascade/small-weights.js';
import { smallDetectorBuffers } from '../tests/detect/small-detector.js';
import { waves } from './pictures.js';
import { expectFaces } from './values.js';

/**
 * Who loses the device: `own` and `caller` say whose it was, `library` is `aligner.destroy()`, `browser` its GPU
 * process dying.
 */
const WAYS = ['own', 'caller', 'library'] as const;
type Way = (typeof WAYS)[number] | 'browser';

type Stage = 'create' | 'align' | 'inspect' | 'encode' | 'track' | 'detector' | 'detect';

/** A moment: the `nth` call of `owner.method` after `stage` began. */
interface Moment {
  readonly phase: 'load' | 'compile' | 'upload' | 'encode' | 'map' | 'inspect' | 'track' | 'detect';
  readonly stage: Stage;
  readonly owner: string;
  readonly method: string;
  readonly nth: number;
}

const moment = (phase: Moment['phase'], stage: Stage, call: string, nth = 1): Moment => {
  const [owner = '', method = ''] = call.split('.');
  return { phase, stage, owner, method, nth };
};

const MOMENTS: readonly Moment[] = [
  moment('load', 'create', 'GPUDevice.createBuffer'),
  moment('load', 'create', 'GPUDevice.createBuffer', 20),
  moment('load', 'create', 'GPUQueue.writeBuffer'),
  moment('compile', 'create', 'GPUDevice.createShaderModule'),
  moment('compile', 'create', 'GPUDevice.createComputePipelineAsync', 6),
  moment('compile', 'create', 'GPUDevice.createBindGroup', 3),
  moment('upload', 'align', 'GPUDevice.createTexture'),
  moment('upload', 'align', 'GPUQueue.writeTexture'),
  moment('encode', 'align', 'GPUDevice.createCommandEncoder'),
  moment('encode', 'align', 'GPUComputePassEncoder.dispatchWorkgroups', 4),
  moment('encode', 'align', 'GPUQueue.submit'),
  moment('map', 'align', 'GPUBuffer.mapAsync'),
  moment('inspect', 'inspect', 'GPUDevice.createBindGroup'),
  moment('inspect', 'inspect', 'GPUQueue.submit'),
  moment('inspect', 'inspect', 'GPUBuffer.mapAsync'),
  moment('encode', 'encode', 'GPUCommandEncoder.copyBufferToBuffer', 2),
  moment('encode', 'encode', 'GPUCommandEncoder.finish'),
  moment('track', 'track', 'GPUQueue.writeTexture'),
  moment('track', 'track', 'GPUQueue.submit', 2),
  moment('track', 'track', 'GPUBuffer.mapAsync', 2),
  moment('detect', 'detector', 'GPUDevice.createBuffer', 5),
  moment('detect', 'detector', 'GPUDevice.createComputePipelineAsync', 2),
  moment('detect', 'detect', 'GPUQueue.submit'),
  moment('detect', 'detect', 'GPUBuffer.mapAsync'),
];

/** One a phase, in which the browser's GPU process dies. */
const CRASH_MOMENTS: readonly Moment[] = [
  moment('map', 'align', 'GPUBuffer.mapAsync'),
  moment('compile', 'create', 'GPUDevice.createComputePipelineAsync', 6),
  moment('load', 'create', 'GPUDevice.createBuffer', 20),
  moment('encode', 'align', 'GPUComputePassEncoder.dispatchWorkgroups', 4),
  moment('upload', 'align', 'GPUQueue.writeTexture'),
  moment('inspect', 'inspect', 'GPUQueue.submit'),
  moment('track', 'track', 'GPUQueue.submit', 2),
  moment('detect', 'detect', 'GPUBuffer.mapAsync'),
];

/** How long the page stands still while the GPU process dies, so that it is dead before the next call. */
const DYING_MS = 300;

/** Where only the caller or the aligner itself can lose it. */
function fits({ stage }: Moment, way: Way): boolean {
  return way !== 'library' || stage !== 'create';
}

/** Calls `action` right after the moment's call; `stop` ends it. */
function at(
  { owner, method, nth }: Moment,
  action: () => void,
): { readonly stop: () => void; readonly fired: () => boolean } {
  const type: unknown = Reflect.get(globalThis, owner);
  if (typeof type !== 'function') throw new Error(`there is no ${owner}`);
  const prototype: object = type.prototype;
  const original: unknown = Reflect.get(prototype, method);
  if (typeof original !== 'function') throw new Error(`there is no ${owner}.${method}`);
  let calls = 0;
  Reflect.set(prototype, method, function (this: unknown, ...args: unknown[]): unknown {
    const result: unknown = Reflect.apply(original, this, args);
    calls++;
    if (calls === nth) action();
    return result;
  });
  return { stop: () => Reflect.set(prototype, method, original), fired: () => calls >= nth };
}

async function newDevice(): Promise<GPUDevice> {
  const device = await (await navigator.gpu.requestAdapter())?.requestDevice();
  if (device === undefined) throw new Error('no GPU device');
  return device;
}

const PICTURE = waves(80, 64);
const BOXES: readonly FaceBox[] = [
  { x0: 20, y0: 15, x1: 60, y1: 50, kind: 'landmarks' },
  { x0: 5, y0: 5, x1: 50, y1: 45, kind: 'detector' },
];

/** Every bit of the faces' numbers, as text. */
export function bitsOf(faces: readonly Face[]): string {
  return faces
    .map(({ landmarks, parameters, visibility, pose }) =>
      [
        new Uint32Array(landmarks.buffer.slice(0)),
        new Uint32Array(parameters.buffer.slice(0)),
        visibility,
        pose.matrix,
      ].join(),
    )
    .join(';');
}

export interface LossResult {
  readonly cases: number;
  readonly recovered: number;
  readonly failures: readonly string[];
}

/** Steps through the list below in an order in which a few cases already meet every phase and way. */
const STRIDE = 17;

/** Loses `count` devices by `destroy()`. */
export function loseDevices(count: number, onProgress: (done: number) => void): Promise<LossResult> {
  const all = WAYS.flatMap((way) => MOMENTS.filter((where) => fits(where, way)).map((where) => ({ way, where })));
  const picked = Array.from({ length: count }, (_, i) => all[(i * STRIDE) % all.length]);
  return loseAll(
    picked.filter((loss) => loss !== undefined),
    () => {},
    onProgress,
  );
}

/** Loses `count` devices by the death of the GPU process, which `crash` brings about. */
export function crashDevices(
  count: number,
  crash: () => void,
  onProgress: (done: number) => void,
): Promise<LossResult> {
  const picked = Array.from({ length: count }, (_, i) => CRASH_MOMENTS[i % CRASH_MOMENTS.length]);
  const losses = picked.filter((where) => where !== undefined).map((where) => ({ way: 'browser', where }) as const);
  const crashAndWait = () => {
    crash();
    const end = performance.now() + DYING_MS;
    while (performance.now() < end);
  };
  return loseAll(losses, crashAndWait, onProgress);
}

async function loseAll(
  losses: readonly { readonly way: Way; readonly where: Moment }[],
  crash: () => void,
  onProgress: (done: number) => void,
): Promise<LossResult> {
  const reference = await FaceAligner.create({ weights: smallWeightBuffers() });
  const expected = bitsOf(await reference.align(PICTURE, BOXES));
  reference.destroy();
  const failures: string[] = [];
  for (const [i, { way, where }] of losses.entries()) {
    try {
      await loseOnce(where, way, expected, crash);
    } catch (error) {
      failures.push(`${way}, ${where.phase} at ${where.owner}.${where.method} ${where.nth}: ${String(error)}`);
    }
    onProgress(i + 1);
  }
  return { cases: losses.length, recovered: losses.length - failures.length, failures };
}

async function loseOnce(where: Moment, way: Way, expected: string, crash: () => void): Promise<void> {
  const weights = smallWeightBuffers();
  const given = way === 'caller' ? await newDevice() : undefined;
  let device = given;
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (...args) {
    device = await requestDevice.apply(this, args);
    return device;
  };
  let aligner: FaceAligner | undefined;
  let armed: ReturnType<typeof at> | undefined;
  const lose = () => {
    if (way === 'browser') crash();
    else if (way === 'library') aligner?.destroy();
    else device?.destroy();
  };
  const enter = (stage: Stage) => {
    if (where.stage === stage) armed = at(where, lose);
  };
  let error: unknown;
  let tracker: FaceTracker | undefined;
  let detector: FaceDetector | undefined;
  try {
    enter('create');
    aligner = await FaceAligner.create({ weights, ...(given && { device: given }) });
    enter('align');
    const [face] = await aligner.align(PICTURE, BOXES);
    enter('inspect');
    if (face !== undefined) await Promise.all([aligner.vertices(face), aligner.render(face)]);
    enter('encode');
    await encodeOnce(aligner);
    enter('track');
    tracker = await FaceTracker.create({ aligner, maxFaces: 2, lost: { confidence: 0 } });
    for (const time of [0, 40]) await tracker.track(PICTURE, time, time === 0 ? { boxes: BOXES } : {});
    enter('detector');
    detector = await FaceDetector.create({ weights: smallDetectorBuffers(), device: aligner.device });
    enter('detect');
    await detector.detect(PICTURE);
  } catch (caught) {
    error = caught;
  } finally {
    armed?.stop();
    GPUAdapter.prototype.requestDevice = requestDevice;
  }
  if (armed?.fired() !== true) throw new Error('the moment never came');
  if (!(error instanceof DeviceLostError))
    throw new Error(`the call ended with ${String(error)}; wanted a DeviceLostError`);
  const back = await comeBack(aligner, way, error);
  try {
    if (bitsOf(await back.align(PICTURE, BOXES)) !== expected)
      throw new Error('the result after recovery is another one');
    // A tracker goes on with the aligner that came back; a detector is lost until it is brought back too.
    if (tracker !== undefined && back === aligner) {
      // The boxes lie over each other: one face.
      expectFaces(await tracker.track(PICTURE, 1000, { boxes: BOXES }), 1);
    }
    if (detector !== undefined) {
      const found: unknown = await detector.detect(PICTURE).catch((reason: unknown) => reason);
      if (!(found instanceof DeviceLostError)) throw new Error('a lost detector detects');
      await detector.recover({ device: back.device });
      await detector.detect(PICTURE);
    }
  } finally {
    tracker?.destroy();
    detector?.destroy();
    const last = back.device;
    back.destroy();
    last.destroy();
    given?.destroy();
  }
}

/** A frame in the caller's encoder. What is lost on the way there is told by the next call. */
async function encodeOnce(aligner: FaceAligner): Promise<void> {
  const { device } = aligner;
  const usage = GPUTextureUsage.TEXTURE_BINDING;
  const texture = device.createTexture({ size: [80, 64], format: 'rgba8unorm', usage });
  const size = aligner.outputBytes.faces * BOXES.length;
  const buffer = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  aligner.encode(encoder, { texture, boxes: BOXES }, { faces: { buffer } });
  device.queue.submit([encoder.finish()]);
  texture.destroy();
  buffer.destroy();
  await aligner.align(PICTURE, BOXES);
}

/** The aligner after `recover`, or a new one where there was none yet or it was destroyed. */
async function comeBack(aligner: FaceAligner | undefined, way: Way, cause: DeviceLostError): Promise<FaceAligner> {
  const create = () => FaceAligner.create({ weights: smallWeightBuffers() });
  if (aligner === undefined) return way === 'browser' ? patiently(create) : create();
  if (way === 'library') {
    const refusal: unknown = await aligner.recover().catch((error: unknown) => error);
    if (!(refusal instanceof DeviceLostError)) throw new Error('a destroyed aligner came back', { cause });
    return create();
  }
  const told = await Promise.race([aligner.lost, new Promise((resolve) => setTimeout(resolve, 5_000))]);
  if (!(told instanceof DeviceLostError)) throw new Error('`lost` did not resolve', { cause });
  if (way === 'browser') await patiently(() => aligner.recover());
  else await aligner.recover(way === 'caller' ? { device: await newDevice() } : {});
  return aligner;
}

/** Again and again: the browser needs a moment to start another GPU process. What fails until then must be typed. */
async function patiently<T>(action: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof FullposeError) || attempt === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
