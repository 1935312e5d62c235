import { FaceAligner } from '../../src/align/aligner.js';
import { findTuning, type Tuning, type TuningStorage } from '../../src/align/tuning.js';
import type { Gpu } from '../../src/engine/device.js';
import { InputError } from '../../src/engine/errors.js';
import { type Conv2dVariant, conv2dVariants } from '../../src/engine/kernels/conv2d.js';
import {
  NetworkWeights,
  NetworkWorkspace,
  packNetworkWeights,
  parseNetwork,
  recordNetwork,
} from '../../src/engine/network.js';
import { PlanBuilder } from '../../src/engine/plan.js';
import { parseSafetensors } from '../../src/engine/safetensors.js';
import { tensorBinding, tensorBytes } from '../../src/engine/tensor.js';
import { chooseVariants, fitsGraph, measureVariants, withVariants } from '../../src/engine/tuning.js';
import { expectClose, expectEqual, expectError, expectThat, randomFloats } from '../browser/numbers.js';
import { gpuSuite } from '../browser/suite.js';
import { smallWeightBuffers } from '../cascade/small-weights.js';
import { poisonedTensor, randomBatch, uploadTensor } from '../engine/tensors.js';
import { safetensorsFile } from '../mmm/files.js';

const INPUT = { height: 6, width: 7, channels: 17 } as const;

/** A layer with a choice, and one without. */
const LAYERS = [
  {
    name: 'a',
    op: 'conv2d',
    input: 'x',
    kernel: [3, 3],
    stride: [1, 1],
    padding: [1, 1],
    inChannels: 17,
    outChannels: 9,
    activation: 'relu',
  },
  {
    name: 'b',
    op: 'conv2d',
    input: 'a',
    kernel: [1, 1],
    stride: [1, 1],
    padding: [0, 0],
    inChannels: 9,
    outChannels: 5,
    activation: 'none',
  },
];
const graph = parseNetwork(LAYERS, { x: INPUT });

class Memory implements TuningStorage {
  readonly items = new Map<string, string>();
  writes = 0;

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.writes++;
    this.items.set(key, value);
  }

  /** The one tuning in it. */
  get only(): Tuning {
    const [text, ...others] = this.items.values();
    expectThat(text !== undefined && others.length === 0, `${this.items.size} items; wanted one`);
    return JSON.parse(text);
  }

  put(tuning: unknown): void {
    for (const key of this.items.keys()) this.items.set(key, JSON.stringify(tuning));
  }
}

/** `gpu` as if its adapter were no software: layer `a` has a choice then, whatever the browser. */
function asHardware(gpu: Gpu): Gpu {
  Object.defineProperty(gpu, 'adapter', { value: { ...gpu.adapter, isSoftware: false } });
  return gpu;
}

/** The variant of layer `a` on this device that `variants` does not name. */
function otherOf(gpu: Gpu, variants: Tuning['variants']): Tuning['variants'] {
  const [node] = graph.nodes;
  const choices = node?.op === 'conv2d' ? conv2dVariants(node.spec, gpu) : [];
  const other = choices.find((variant) => variant !== variants.a);
  expectThat(other !== undefined, 'layer a has no choice here');
  return { a: other };
}

/** The network's result with layer `a` computed by `variant`, and the plan's dispatches. */
async function run(gpu: Gpu, variant: Conv2dVariant) {
  const chosen = withVariants(graph, new Map([['a', variant]]));
  const file = parseSafetensors(
    safetensorsFile({
      'a.weight': { shape: [9, 3, 3, 17], data: randomFloats(1, 9 * 9 * 17) },
      'a.bias': { shape: [9], data: randomFloats(2, 9) },
      'b.weight': { shape: [5, 1, 1, 9], data: randomFloats(3, 5 * 9) },
      'b.bias': { shape: [5], data: randomFloats(4, 5) },
    }),
  );
  const builder = new PlanBuilder(gpu, variant);
  const output = poisonedTensor(gpu, 'output', graph.output.shape, 1);
  recordNetwork(builder, {
    graph: chosen,
    weights: new NetworkWeights(gpu, 'weights', packNetworkWeights(chosen, file, 'ohwi')),
    workspace: new NetworkWorkspace(gpu, 'workspace', chosen),
    inputs: { x: uploadTensor(gpu, 'x', randomBatch(5, 1, INPUT)) },
    output,
  });
  const plan = await builder.build();
  const results = await plan.debug([{ after: 'conv b', ...tensorBinding(output), bytes: tensorBytes(output.shape) }]);
  return { plan, values: new Float32Array(results.get('conv b') ?? new ArrayBuffer(0)) };
}

export const tuning = gpuSuite('tuning', (test) => {
  test('a variant changes the plan and not the numbers', async ({ gpu }) => {
    const windows = await run(gpu, 'windows');
    const names: readonly Conv2dVariant[] = gpu.features.has('subgroups')
      ? ['split', 'general', 'quads']
      : ['split', 'general'];
    const others = [];
    for (const variant of names) others.push({ variant, ...(await run(gpu, variant)) });
    const all = [windows, ...others];
    expectEqual(new Set(all.map(({ plan }) => plan.steps[0]?.pipeline)).size, all.length, 'pipelines of layer a');
    expectEqual(new Set(all.map(({ plan }) => plan.steps[1]?.pipeline)).size, 1, 'of layer b');
    // Sums of 153 terms, then of 9 of those.
    const tolerance = { atol: 2e-4, rtol: 2e-5 };
    expectThat(
      windows.values.some((value) => Math.abs(value) > 1),
      'the network gives zeros',
    );
    for (const { variant, values } of others) expectClose(values, windows.values, { ...tolerance, label: variant });
  });

  test('measuring covers the layers that have a choice, and leaves no buffer behind', async (context) => {
    const gpu = asHardware(context.gpu);
    const before = gpu.memory;
    const variants = await measureVariants(gpu, graph);
    expectEqual([...variants.keys()], ['a']);
    expectThat(fitsGraph(gpu, graph, variants), 'the measured variants do not fit');
    expectEqual(gpu.memory, before, 'memory');
  });

  test('what was measured is remembered and used', async (context) => {
    const gpu = asHardware(context.gpu);
    const tuningStorage = new Memory();
    const measured = await findTuning(gpu, graph, { tuning: 'measure', tuningStorage });
    expectEqual(tuningStorage.only, measured, 'remembered');
    // One that measuring would not give: were it measured again, or chosen from the shapes, it would be another.
    const shapes = await findTuning(gpu, graph, { tuning: 'shapes', tuningStorage });
    const unlikely = { ...measured, variants: otherOf(gpu, shapes.variants) };
    tuningStorage.put(unlikely);
    expectEqual(await findTuning(gpu, graph, { tuningStorage }), unlikely, 'by default');
    expectEqual(await findTuning(gpu, graph, { tuning: 'measure', tuningStorage }), unlikely, 'by measure');
    expectEqual(await findTuning(gpu, graph, { tuning: unlikely }), unlikely, 'as JSON');
    expectEqual(await findTuning(gpu, graph, { tuning: 'shapes', tuningStorage }), shapes, 'from the shapes');
    expectEqual(tuningStorage.writes, 1, 'measurements');
  });

  test('adapters that give no names are told apart by features and limits', async ({ gpu }) => {
    const nameless = (limits: object, features: ReadonlySet<string> = gpu.features): Gpu => {
      const adapter = { vendor: '', architecture: '', description: '', isSoftware: false };
      const values = { adapter, features, limits: { maxBufferSize: 2 ** 28, ...limits } };
      return Object.create(gpu, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }])));
    };
    const first = nameless({});
    const shapes = await findTuning(first, graph, { tuning: 'shapes' });
    const unlikely = { ...shapes, variants: otherOf(first, shapes.variants) };
    expectEqual(await findTuning(nameless({}), graph, { tuning: unlikely }), unlikely, 'of the same GPU');
    for (const other of [nameless({ maxBufferSize: 2 ** 30 }), nameless({}, new Set())]) {
      const dropped = await findTuning(other, graph, { tuning: unlikely });
      expectThat(dropped.adapter !== unlikely.adapter, `${dropped.adapter} stands for two GPUs`);
      expectEqual(dropped.variants, shapes.variants, 'of another GPU');
    }
  });

  test('an outdated one is dropped', async (context) => {
    const gpu = asHardware(context.gpu);
    const tuningStorage = new Memory();
    const measured = await findTuning(gpu, graph, { tuning: 'measure', tuningStorage });
    const shapes = await findTuning(gpu, graph, { tuning: 'shapes' });
    const unlikely = { ...measured, variants: otherOf(gpu, shapes.variants) };
    const outdated: readonly unknown[] = [
      { ...unlikely, adapter: 'another adapter' },
      { ...unlikely, network: '00000000' },
      { ...unlikely, format: 'fullpose-tuning/0' },
      { ...unlikely, variants: {} },
      { ...unlikely, variants: { ...unlikely.variants, b: 'split' } },
      { ...unlikely, variants: { a: 'fastest' } },
      { ...unlikely, variants: null },
      null,
      7,
    ];
    for (const [index, stale] of outdated.entries()) {
      tuningStorage.put(stale);
      expectEqual(await findTuning(gpu, graph, { tuningStorage }), shapes, `outdated ${index}`);
    }
    const otherNetwork = parseNetwork([{ ...LAYERS[0], outChannels: 10 }], { x: INPUT });
    expectEqual(
      (await findTuning(gpu, otherNetwork, { tuning: unlikely })).variants,
      Object.fromEntries(chooseVariants(gpu, otherNetwork)),
      'of another network',
    );
    tuningStorage.put({ ...unlikely, adapter: 'another adapter' });
    const again = await findTuning(gpu, graph, { tuning: 'measure', tuningStorage });
    expectEqual(tuningStorage.only, again, 'measured anew');
    expectEqual(tuningStorage.writes, 2, 'measurements');
  });

  test('a storage that fails is none', async (context) => {
    const gpu = asHardware(context.gpu);
    const refuse = (): never => {
      throw new Error('forbidden');
    };
    const broken = { getItem: () => '{', setItem: refuse };
    const shapes = await findTuning(gpu, graph, { tuning: 'shapes' });
    expectEqual(await findTuning(gpu, graph, { tuningStorage: broken }), shapes);
    expectEqual(await findTuning(gpu, graph, { tuningStorage: { getItem: refuse, setItem: refuse } }), shapes);
    const measured = await findTuning(gpu, graph, { tuning: 'measure', tuningStorage: broken });
    expectThat(fitsGraph(gpu, graph, new Map(Object.entries(measured.variants))), 'measured nothing');
  });

  test('the aligner says what it uses, and refuses what is no choice', async ({ gpu }) => {
    const weights = smallWeightBuffers();
    const tuningStorage = new Memory();
    const aligner = await FaceAligner.create({ weights, device: gpu.device, tuning: 'measure', tuningStorage });
    expectEqual(tuningStorage.only, aligner.tuning);
    aligner.destroy();
    const bad = { weights, device: gpu.device };
    await expectError(
      () => FaceAligner.create({ ...bad, tuning: JSON.parse('"fastest"') }),
      InputError,
      /tuning is "fastest"; wanted remembered, measure, shapes or an aligner's tuning/,
    );
    await expectError(
      () => FaceAligner.create({ ...bad, tuningStorage: JSON.parse('{}') }),
      InputError,
      /tuningStorage has no getItem and setItem/,
    );
  });
});
