/** The operators of networks in general: those of the library's own, and those that faces have no use for. */
import { LAYER_KINDS } from '../engine/network/kinds.js';
import type { LayerOf, NodeOf } from '../engine/network/layer.js';
import { globalAveragePoolKind } from './kernels/globalAveragePool.js';
import { multiplyKind } from './kernels/multiply.js';
import { resizeBilinearKind } from './kernels/resizeBilinear.js';
import { softmaxKind } from './kernels/softmax.js';

export const ALL_LAYER_KINDS = [
  ...LAYER_KINDS,
  globalAveragePoolKind,
  multiplyKind,
  resizeBilinearKind,
  softmaxKind,
] as const;

type AnyKind = (typeof ALL_LAYER_KINDS)[number];

/** A layer of a description, told apart by `op`. */
export type NetworkLayer = LayerOf<AnyKind>;

/** One layer of a graph, or several that run as one kernel. */
export type GraphNode = NodeOf<AnyKind>;
