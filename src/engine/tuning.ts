/**
 * Which variant of a kernel is the fastest on this device, for the layers of a network that have a choice. Shapes give
 * a good guess (`chooseVariants`); `measureVariants` asks the device.
 */
import type { Gpu } from './device.js';
import { ShapeError } from './errors.js';
import type { TensorSource } from './kernels/common.js';
import type { LayerWeights, VariantDevice } from './network/layer.js';
import type { NetworkGraph, NetworkNode } from './network.js';
import { type Plan, PlanBuilder } from './plan.js';
import { createTensor, type FeatureShape } from './tensor.js';

/** The variant of every layer that has a choice, by the layer's name. */
export type VariantsByLayer = ReadonlyMap<string, string>;

/** The layers of `graph` that have a choice, with what they can choose, the likeliest to be fast first. */
function layersWithChoice(
  device: VariantDevice,
  graph: NetworkGraph,
): { readonly node: NetworkNode; readonly choices: readonly string[] }[] {
  return graph.nodes
    .map((node) => ({ node, choices: node.kind.variants?.worthMeasuring(node.spec, device) ?? [] }))
    .filter(({ choices }) => choices.length > 1);
}

/** What the shapes and the kind of adapter make the likeliest to be fast. */
export function chooseVariants(device: VariantDevice, graph: NetworkGraph): VariantsByLayer {
  return new Map(layersWithChoice(device, graph).map(({ node, choices }) => [node.name, choices[0]!]));
}

/**
 * `graph` with these variants; other layers stay as they are.
 * @throws ShapeError for a variant that a layer cannot have.
 */
export function withVariants(graph: NetworkGraph, variants: VariantsByLayer): NetworkGraph {
  const nodes = graph.nodes.map((node) => {
    const variant = variants.get(node.name);
    return variant === undefined ? node : withVariant(node, variant);
  });
  return { ...graph, nodes };
}

function withVariant(node: NetworkNode, variant: string): NetworkNode {
  const { op, variants } = node.kind;
  if (variants === undefined) throw new ShapeError(`Layer '${node.name}' is a ${op}, which has no variants.`);
  // A kind makes specs of its own layers only; the compiler does not know that.
  return { ...node, spec: variants.choose(node.spec, variant) } as NetworkNode;
}

/**
 * Whether `variants` names every layer of `graph` that has a choice on the device, no other, and a choice that it has.
 */
export function fitsGraph(device: VariantDevice, graph: NetworkGraph, variants: VariantsByLayer): boolean {
  const layers = layersWithChoice(device, graph);
  return (
    layers.length === variants.size &&
    layers.every(({ node, choices }) => choices.some((variant) => variant === variants.get(node.name)))
  );
}

/** A measurement lasts at least this long: browsers see the end of work in steps of some milliseconds. */
const LEAST_MS = 10;

const MOST_REPEATS = 512;

/** Every variant is measured this often, all in turn; the shortest time counts, which a busy machine disturbs least. */
const ROUNDS = 3;

/**
 * Runs every variant of every layer that has a choice and returns the fastest of each. Takes about a second on a GPU;
 * what it makes is freed.
 * @throws as `PlanBuilder.build`
 */
export async function measureVariants(gpu: Gpu, graph: NetworkGraph): Promise<VariantsByLayer> {
  const fastest = new Map<string, string>();
  for (const { node, choices } of layersWithChoice(gpu, graph)) {
    const candidates = [];
    try {
      for (const variant of choices) candidates.push({ variant, ...(await prepare(gpu, graph, node, variant)) });
      // Also the warm-up.
      let repeats = 1;
      for (const { plan } of candidates) repeats = Math.max(repeats, await repeatsOf(gpu, plan));
      const times = new Map(choices.map((variant) => [variant, Number.POSITIVE_INFINITY]));
      for (let round = 0; round < ROUNDS; round++) {
        for (const { variant, plan } of candidates) {
          times.set(variant, Math.min(times.get(variant)!, await time(gpu, plan, repeats)));
        }
      }
      const [best] = [...times].sort(([, a], [, b]) => a - b);
      if (best !== undefined) fastest.set(node.name, best[0]);
    } finally {
      for (const { destroy } of candidates) destroy();
    }
  }
  return fastest;
}

/** One layer on tensors and weights of zeros: kernels do not look at what they multiply. */
async function prepare(gpu: Gpu, graph: NetworkGraph, node: NetworkNode, variant: string) {
  const label = `tuning.${node.name}`;
  const buffers: GPUBuffer[] = [];
  const zeros = (name: string, shape: FeatureShape) => {
    const tensor = createTensor(gpu, `${label}.${name}`, shape);
    buffers.push(tensor.buffer);
    return tensor;
  };
  const source: TensorSource = (_, shape) => new Float32Array(shape.reduce((product, size) => product * size, 1));
  const { spec } = withVariant(node, variant);
  const { kind } = node;
  const packed = new Map(
    kind.pack?.(spec, source).map(({ part, values }) => [part, gpu.uploadBuffer(`${label}.${part}`, values)]),
  );
  buffers.push(...packed.values());
  const weights: LayerWeights = { binding: (part) => ({ buffer: packed.get(part)! }), areHalves: () => false };
  const [first, ...others] = node.inputs.map((name) => zeros(name, shapeOf(graph, name)));
  const builder = new PlanBuilder(gpu, label);
  kind.record(builder, { label: node.name, stage: node.name }, spec, {
    inputs: [first!, ...others],
    output: zeros('output', node.shape),
    weights,
  });
  const plan = await builder.build();
  return {
    plan,
    destroy: () => {
      plan.destroy();
      for (const buffer of buffers) gpu.destroyBuffer(buffer);
    },
  };
}

/** Shape of what a layer reads. */
function shapeOf({ nodes, inputs }: NetworkGraph, name: string): FeatureShape {
  return inputs.get(name) ?? nodes.find(({ output }) => output === name)!.shape;
}

async function repeatsOf(gpu: Gpu, plan: Plan): Promise<number> {
  let repeats = 1;
  while (repeats < MOST_REPEATS && (await time(gpu, plan, repeats)) < LEAST_MS) repeats *= 2;
  return repeats;
}

/** Milliseconds of `repeats` runs in one pass, by the wall clock, on an idle queue. */
async function time(gpu: Gpu, plan: Plan, repeats: number): Promise<number> {
  const { device } = gpu;
  const encoder = device.createCommandEncoder({ label: plan.label });
  const pass = encoder.beginComputePass({ label: plan.label });
  for (let repeat = 0; repeat < repeats; repeat++) plan.encode(pass);
  pass.end();
  const commands = encoder.finish();
  await gpu.until(device.queue.onSubmittedWorkDone());
  const start = performance.now();
  device.queue.submit([commands]);
  await gpu.until(device.queue.onSubmittedWorkDone());
  return performance.now() - start;
}
