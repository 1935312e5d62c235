/** Every compute pipeline of a frame, and the rivals' convolutions, with their work: what an offline shader compiler wants to know. */
import { fetchPicture } from '../pages/pictures.js';
import type { NetworkDescription } from '../src/cascade/weights.js';
import { conv2dMacs } from '../src/engine/kernels/conv2d.js';
import { fetchFixture, layerWork, MANIFEST, PICTURE } from './benchmark.js';
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

/** A rival's convolutions: its dispatches that are called so, with the layers' work where there is one a layer. */
function convolutions(
  rival: string,
  network: NetworkDescription,
  dispatches: readonly CapturedDispatch[],
): readonly PipelineReport[] {
  const layers = network.graph.nodes.filter((node) => node.op === 'conv2d');
  const found = dispatches.filter(({ label, wgsl }) => /conv/i.test(label) || /\bfn (mm_readA|conv)/.test(wgsl));
  return found.map((dispatch, i) => {
    const layer = found.length === layers.length ? layers[i] : undefined;
    const label = `${rival}: ${layer?.name ?? `${i + 1} ${dispatch.label}`}`;
    return describe(label, dispatch, layer === undefined ? undefined : conv2dMacs(layer.spec));
  });
}

window.listPipelines = async (rivals) => {
  const capture = new Capture();
  const bench = await CascadeBench.create(await fetchPicture(PICTURE), MANIFEST, 1);
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
      reports.push(...convolutions(rival.name, network, capture.take()));
    }
    return reports;
  } finally {
    capture.stop();
    bench.destroy();
  }
};
