/** The operators of networks. A new one is a row here and a file in kernels/; docs/formats.md lists their fields. */
import { activationKind } from '../kernels/activation.js';
import { addKind } from '../kernels/add.js';
import { concatKind } from '../kernels/concat.js';
import { conv2dKind } from '../kernels/conv2d.js';
import { depthwiseConv2dKind } from '../kernels/depthwiseConv2d.js';
import { fullyConnectedKind } from '../kernels/fullyConnected.js';
import { poolKind } from '../kernels/pool.js';
import { resizeNearestKind } from '../kernels/resizeNearest.js';
import type { FeatureShape } from '../tensor.js';
import type { LayerKind } from './layer.js';

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

type NodeOf<Kind> =
  Kind extends LayerKind<infer Op, infer Spec> ? NodeNames & { readonly op: Op; readonly spec: Spec } : never;

interface NodeNames {
  /** The layer whose weights it uses; its own name where it has none. */
  readonly name: string;
  /** The layer whose result it writes. */
  readonly output: string;
  /** Shape of that result. */
  readonly shape: FeatureShape;
  /** Layers or network inputs that it reads. */
  readonly inputs: readonly string[];
}

/** One layer, or several that run as one kernel. */
export type NetworkNode = NodeOf<(typeof LAYER_KINDS)[number]>;

/** What descriptions may call an operator. */
export const LAYER_NAMES: readonly string[] = LAYER_KINDS.flatMap(({ names }) => names);

/** The operator that descriptions call `name`, one of `LAYER_NAMES`. */
export function kindNamed(name: string): LayerKind {
  return LAYER_KINDS.find(({ names }) => names.includes(name))!;
}

/** The operator of a node. */
export function kindOf({ op }: Pick<NetworkNode, 'op'>): LayerKind {
  return LAYER_KINDS.find((kind) => kind.op === op)!;
}
