/**
 * Networks from a list of layers (docs/formats.md, `layers`): parsed and fused into a graph, its weights packed and
 * uploaded, its intermediates placed in an arena, its kernels recorded onto a plan of the caller's.
 *
 * The four parts are separate because they are shared differently: a cascade of K networks of one structure has one
 * graph and one workspace, K sets of weights, and records K times.
 */
export { type NetworkGraph, parseNetwork } from './network/graph.js';
export type { Layer, NetworkNode } from './network/kinds.js';
export type { LayerNode } from './network/layer.js';
export { type NetworkRecording, recordNetwork } from './network/record.js';
export { DTYPES, type DType, NetworkWeights, type PackedWeights, packNetworkWeights } from './network/weights.js';
export { NetworkWorkspace } from './network/workspace.js';
