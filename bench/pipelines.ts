/**
 * Every compute pipeline of a frame, and the rivals' convolutions, with their work: what an offline shader compiler
 * wants to know.
 */
import { fetchPicture } from '../pages/pictures.js';
import { addressOf, fetchFixture, layerWork, MANIFEST, PICTURE } from './benchmark.js';
import { Capture, type CapturedDispatch, workgroupSize } from './capture.js';
import { CascadeBench } from './cascade.js';
import { readNetworkCase } from './network.js';
import { OnnxRuntimeNetwork } from './rivals/onnxruntime.js';
import { TensorFlowNetwork } from './rivals/tfjs.js';

/** One dispatch for one face. */
export interface PipelineReport {
  readonly label: string;
  readonly wgsl: string;
  readonly entryPoint?: string;
  readonly constants: Readonly<Record<string, number>>;
  readonly invocations: number;
  /** Multiply-adds, where the dispatch is a layer's. */
  readonly macs?: number;
}

declare global {
  interface Window {
    listPipelines: (rivals: boolean) => Promise<readonly PipelineReport[]>;
  }
}

function describe(label: string, dispatch: CapturedDispatch, macs: number | undefined): PipelineReport {
  const { wgsl, entryPoint, constants, workgroups } = dispatch;
  return {
    label,
    wgsl,
    ...(entryPoint !== undefined && { entryPoint }),
    constants,
    invocations: workgroups * workgroupSize(dispatch),
    ...(macs !== undefined && { macs }),
  };
}

/** The first dispatch of every stage. */
function ours(bench: CascadeBench, dispatches: readonly CapturedDispatch[]): readonly PipelineReport[] {
  const steps = bench.steps();
  if (steps.length !== dispatches.length)
    throw new Error(`caught ${dispatches.length} dispatches; wanted ${steps.length}`);
  const { nodes } = bench.weights.network.graph;
  const seen = new Set<string>();
  return steps.flatMap(({ stage }, i): PipelineReport[] => {
    const dispatch = dispatches[i];
    if (dispatch === undefined || seen.has(stage)) return [];
    seen.add(stage);
    const node = nodes.find(({ name }) => stage.split(' ').includes(name));
    return [describe(stage, dispatch, node === undefined ? undefined : layerWork(node)?.macs)];
  });
}

/**
 * A rival's convolutions and matrix products, which it also makes of convolutions: each kernel once, at its largest
 * dispatch. Labels are the library's own where it gives any.
 */
function products(rival: string, dispatches: readonly CapturedDispatch[]): readonly PipelineReport[] {
  const kernels = new Map<string, CapturedDispatch[]>();
  for (const dispatch of dispatches) {
    const { label, wgsl } = dispatch;
    if (!/conv|matmul/i.test(label) && !/\bfn mm_readA\b/.test(wgsl)) continue;
    kernels.set(wgsl, [...(kernels.get(wgsl) ?? []), dispatch]);
  }
  return [...kernels.values()].flatMap((uses, i): PipelineReport[] => {
    const [largest] = uses.toSorted((a, b) => b.workgroups - a.workgroups);
    if (largest === undefined) return [];
    const kind = largest.label || (/\bdilations\b/.test(largest.wgsl) ? 'convolution' : 'matrix product');
    return [describe(`${rival} ${i + 1}: ${kind}, ${uses.length} dispatches`, largest, undefined)];
  });
}

/** The kernels that a GPU would be given, whatever this adapter is: it says that it is no program. */
function poseAsHardware(): void {
  for (const name of ['vendor', 'architecture', 'device', 'description'] as const) {
    Object.defineProperty(GPUAdapterInfo.prototype, name, { get: () => 'hardware' });
  }
  Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false });
}

window.listPipelines = async (rivals) => {
  poseAsHardware();
  const capture = new Capture();
  const bench = await CascadeBench.create(await fetchPicture(addressOf(PICTURE)), addressOf(MANIFEST), 1, 'f16');
  try {
    capture.take();
    await bench.endToEnd(1);
    const reports = [...ours(bench, capture.take())];
    const [weights] = bench.weights.iterations;
    if (!rivals || weights === undefined) return reports;
    const { network } = bench.weights;
    const networkCase = readNetworkCase(await fetchFixture('network'), network, weights);
    for (const rival of [new OnnxRuntimeNetwork('webgpu', networkCase), new TensorFlowNetwork('webgpu', networkCase)]) {
      await rival.prepare();
      await rival.check();
      capture.take();
      await rival.run();
      reports.push(...products(rival.name, capture.take()));
    }
    return reports;
  } finally {
    capture.stop();
    bench.destroy();
  }
};
