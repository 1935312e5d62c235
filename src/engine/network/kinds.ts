/**
 * The operators of the library's own networks. A new one is a row here and a file in kernels/, or, where faces have no
 * use for it, a row of networks/kinds.ts; docs/formats.md lists their fields.
 */
import { activationKind } from '../kernels/activation.js';
import { addKind } from '../kernels/add.js';
import { concatKind } from '../kernels/concat.js';
import { conv2dKind } from '../kernels/conv2d.js';
import { depthwiseConv2dKind } from '../kernels/depthwiseConv2d.js';
import { fullyConnectedKind } from '../kernels/fullyConnected.js';
import { poolKind } from '../kernels/pool.js';
import { resizeNearestKind } from '../kernels/resizeNearest.js';
import type { LayerOf, NodeOf } from './layer.js';

export const LAYER_KINDS = [
  conv2dKind,
  depthwiseConv2dKind,
  poolKind,
  fullyConnectedKind,
  concatKind,
  addKind,
  activationKind,
  resizeNearestKind,
] as const;

/** A layer of a description, of any of these operators: told apart by `op`. */
export type Layer = LayerOf<(typeof LAYER_KINDS)[number]>;

/** One layer of a graph of these, or several that run as one kernel. */
export type NetworkNode = NodeOf<(typeof LAYER_KINDS)[number]>;
