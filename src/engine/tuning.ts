/**
 * Which variant of a kernel is the fastest on this device, for the layers of a network that have a choice. Shapes give a good guess
 * (`chooseVariants`); `measureVariants` asks the device.
 */
import type { Gpu } from './device.js';
import {
  type Conv2dDevice,
  type Conv2dSpec,
  type Conv2dVariant,
  chooseConv2dVariant,
  conv2dVariants,
  packConv2dBiasSlope,
  packConv2dWeights,
  planConv2d,
  recordConv2d,
} from './kernels/conv2d.js';
import type { NetworkGraph } from './network.js';
import { type Plan, PlanBuilder } from './plan.js';
import { createTensor } from './tensor.js';

/** The variant of every layer that has a choice, by the layer's name. */
export type LayerVariants = ReadonlyMap<string, Conv2dVariant>;

/** The layers of `graph` that have a choice. */
function layersWithChoice(
  device: Conv2dDevice,
  graph: NetworkGraph,
): { readonly name: string; readonly spec: Conv2dSpec }[] {
  return graph.nodes.flatMap((node) =>
    node.op === 'conv2d' && conv2dVariants(node.spec, device).length > 1 ? [{ name: node.name, spec: node.spec }] : [],
  );
}

/** What the shapes and the kind of adapter make the likeliest to be fast. */
export function chooseVariants(device: Conv2dDevice, graph: NetworkGraph): LayerVariants {
  return new Map(layersWithChoice(device, graph).map(({ name, spec }) => [name, chooseConv2dVariant(spec, device)]));
}

/** `graph` with these variants; other layers stay as they are. */
export function withVariants(graph: NetworkGraph, variants: LayerVariants): NetworkGraph {
  const nodes = graph.nodes.map((node) => {
    const variant = variants.get(node.name);
    return node.op === 'conv2d' && variant !== undefined ? { ...node, spec: { ...node.spec, variant } } : node;
  });
  return { ...graph, nodes };
}

/** Whether `variants` names every layer of `graph` that has a choice on the device, no other, and a choice that it has. */
export function fitsGraph(device: Conv2dDevice, graph: NetworkGraph, variants: LayerVariants): boolean {
  const layers = layersWithChoice(device, graph);
  return (
    layers.length === variants.size &&
    layers.every(({ name, spec }) => conv2dVariants(spec, device).some((variant) => variant === variants.get(name)))
  );
}

/** A measurement lasts at least this long: browsers see the end of work in steps of some milliseconds. */
const LEAST_MS = 10;

const MOST_REPEATS = 512;

/** Every variant is measured this often, all in turn; the shortest time counts, which a busy machine disturbs least. */
const ROUNDS = 3;

/**
 * Runs every variant of every layer that has a choice and returns the fastest of each. Takes about a second on a GPU; what it makes is freed.
 * @throws as `PlanBuilder.build`
 */
export async function measureVariants(gpu: Gpu, graph: NetworkGraph): Promise<LayerVariants> {
  const fastest = new Map<string, Conv2dVariant>();
  for (const { name, spec } of layersWithChoice(gpu, graph)) {
    const candidates = [];
    for (const variant of conv2dVariants(spec, gpu)) candidates.push(await prepare(gpu, name, { ...spec, variant }));
    try {
      // Also the warm-up.
      let repeats = 1;
      for (const { plan } of candidates) repeats = Math.max(repeats, await repeatsOf(gpu, plan));
      for (let round = 0; round < ROUNDS; round++) {
        for (const candidate of candidates)
          candidate.ms = Math.min(candidate.ms, await time(gpu, candidate.plan, repeats));
      }
      const [best] = candidates.sort((a, b) => a.ms - b.ms);
      if (best !== undefined) fastest.set(name, best.variant);
    } finally {
      for (const { destroy } of candidates) destroy();
    }
  }
  return fastest;
}

/** One layer on tensors of zeros: kernels do not look at what they multiply. */
async function prepare(gpu: Gpu, name: string, spec: Conv2dSpec) {
  const { variant, output: shape } = planConv2d(spec);
  const weights = new Float32Array(spec.outChannels * spec.kernel[0] * spec.kernel[1] * spec.inChannels);
  const input = createTensor(gpu, `tuning.${name}.input`, spec.input);
  const output = createTensor(gpu, `tuning.${name}.output`, shape);
  const channels = new Float32Array(spec.outChannels);
  const uploads = {
    weights: gpu.uploadBuffer(`tuning.${name}.weights`, packConv2dWeights(spec, weights)),
    biasSlope: gpu.uploadBuffer(`tuning.${name}.bias`, packConv2dBiasSlope(spec, channels, channels)),
  };
  const builder = new PlanBuilder(gpu, `tuning.${name}`);
  recordConv2d(builder, { label: name, stage: name }, spec, {
    input,
    output,
    weights: { buffer: uploads.weights },
    biasSlope: { buffer: uploads.biasSlope },
  });
  const plan = await builder.build();
  return {
    variant,
    plan,
    ms: Number.POSITIVE_INFINITY,
    destroy: () => {
      plan.destroy();
      for (const buffer of [input.buffer, output.buffer, uploads.weights, uploads.biasSlope]) gpu.destroyBuffer(buffer);
    },
  };
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
