/**
 * The tensor engine on its own (`fullpose/engine`): hand-written WebGPU kernels for small convolutional networks.
 *
 * ```ts
 * const gpu = await Gpu.create();
 * const shape = { height: 128, width: 128, channels: 3 };
 * const graph = parseNetwork(layers, { picture: shape });
 * const weights = new NetworkWeights(gpu, 'weights', packNetworkWeights(graph, parseSafetensors(file), 'ohwi'));
 * const workspace = new NetworkWorkspace(gpu, 'workspace', graph);
 * const picture = createTensor(gpu, 'picture', shape);
 * const output = createTensor(gpu, 'output', graph.output.shape);
 * const builder = new PlanBuilder(gpu, 'network');
 * recordNetwork(builder, { graph, weights, workspace, inputs: { picture }, output });
 * const plan = await builder.build();       // compiles; everything after this is cheap
 *
 * gpu.device.queue.writeBuffer(picture.buffer, 0, packTensor(pixels, shape));
 * const encoder = gpu.device.createCommandEncoder();
 * const pass = encoder.beginComputePass();
 * plan.encode(pass);                        // allocates nothing
 * pass.end();
 * gpu.device.queue.submit([encoder.finish()]);
 * const values = unpackTensor(new Float32Array(await readBuffer(gpu, output.buffer)), output.shape.channels);
 * ```
 *
 * @module fullpose/engine
 */
export { type ArenaPlan, type ArenaStep, type Placement, planArena } from './arena.js';
export { type AdapterSummary, Gpu, type GpuMemory, type GpuOptions } from './device.js';
export * from './errors.js';
export { halvesWork } from './halves-test.js';
export { recordActivation } from './kernels/activation.js';
export { addOutputShape, recordAdd } from './kernels/add.js';
export { ACTIVATIONS, type Activation, packBiasSlope, type StepNames, type Window } from './kernels/common.js';
export { concatOutputShape, recordConcat } from './kernels/concat.js';
export {
  type Conv2dPlan,
  type Conv2dSpec,
  type Conv2dVariant,
  chooseConv2dVariant,
  conv2dMacs,
  conv2dVariants,
  packConv2dBiasSlope,
  packConv2dWeights,
  planConv2d,
  recordConv2d,
} from './kernels/conv2d.js';
export {
  type DepthwiseConv2dSpec,
  depthwiseConv2dMacs,
  depthwiseConv2dOutputShape,
  packDepthwiseConv2dWeights,
  recordDepthwiseConv2d,
} from './kernels/depthwiseConv2d.js';
export { recordFill } from './kernels/fill.js';
export {
  type FullyConnectedSpec,
  fullyConnectedOutputShape,
  packFullyConnectedWeights,
  recordFullyConnected,
} from './kernels/fullyConnected.js';
export { packHalves } from './kernels/halves.js';
export { type PoolSpec, poolOutputShape, recordPool } from './kernels/pool.js';
export { type ResizeNearestSpec, recordResizeNearest, resizeNearestOutputShape } from './kernels/resizeNearest.js';
export {
  type DType,
  type Layer,
  type LayerNode,
  type NetworkGraph,
  type NetworkNode,
  type NetworkRecording,
  NetworkWeights,
  NetworkWorkspace,
  type PackedWeights,
  packNetworkWeights,
  parseNetwork,
  recordNetwork,
} from './network.js';
export type { BindingKind, Bindings, CompiledKernel, Kernel, KernelDeclaration, PipelineCache } from './pipelines.js';
export { Plan, PlanBuilder, type PreparedStep, Sequence, type Step, type Watch } from './plan.js';
export { type PreprocessOptions, preprocess } from './preprocess.js';
export { Profiler, type StageTime } from './profiler.js';
export { readBuffer, StagingRing, type StagingSlot } from './readback.js';
export {
  decodeHalves,
  parseSafetensors,
  requireFloats,
  requireTensor,
  type SafeDType,
  type SafeTensor,
  type SafeTensorOf,
  type SafeTensors,
} from './safetensors.js';
export {
  blocksOf,
  createTensor,
  type FeatureShape,
  packTensor,
  type Tensor,
  tensorBinding,
  tensorBytes,
  unpackTensor,
} from './tensor.js';
export { type UniformScalar, UniformStruct } from './uniform.js';
