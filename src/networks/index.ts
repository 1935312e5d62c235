/**
 * Networks of one's own on the library's engine (`fullpose/networks`), apart from `fullpose`, so that who only aligns
 * faces does not load it. A network is a list of layers and a safetensors file; `npx fullpose-convert model.onnx` makes
 * both.
 *
 * ```ts
 * const network = await Network.load('/my-network/manifest.json');
 * const scores = await network.run(photo);          // or a Float32Array of the input's shape
 * ```
 *
 * @module fullpose/networks
 */
export type { ActivationLayer } from '../engine/kernels/activation.js';
export type { AddLayer } from '../engine/kernels/add.js';
export type { ConcatLayer } from '../engine/kernels/concat.js';
export type { Conv2dLayer } from '../engine/kernels/conv2d.js';
export type { DepthwiseConv2dLayer } from '../engine/kernels/depthwiseConv2d.js';
export type { FullyConnectedLayer } from '../engine/kernels/fullyConnected.js';
export type { PoolLayer } from '../engine/kernels/pool.js';
export type { ResizeNearestLayer } from '../engine/kernels/resizeNearest.js';
export type { ActivationField, InputField, LayerFields, WindowFields } from '../engine/network/reader.js';
export type { PictureSource } from '../pictures/frame.js';
export { type NetworkDescription, type ParsedNetwork, parseDescription } from './description.js';
export type { GlobalAveragePoolLayer } from './kernels/globalAveragePool.js';
export type { MultiplyLayer, ProductActivation } from './kernels/multiply.js';
export type { ResizeBilinearLayer, ResizeCoordinates } from './kernels/resizeBilinear.js';
export type { SoftmaxLayer } from './kernels/softmax.js';
export type { GraphNode, NetworkLayer } from './kinds.js';
export { toOhwi, type WeightsLayout } from './layout.js';
export { Network, type NetworkInput, type NetworkInputs, type NetworkOptions } from './network.js';
export type { PictureInput, PictureSettings } from './picture.js';
