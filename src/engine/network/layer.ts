/** What an operator of networks is: one value, kept beside its kernel, and collected in kinds.ts. */
import type { Gpu } from '../device.js';
import type { LayerPart, StepNames, TensorSource } from '../kernels/common.js';
import type { PlanBuilder } from '../plan.js';
import type { FeatureShape, Tensor } from '../tensor.js';
import type { LayerFields, LayerReader } from './reader.js';

/** A tensor of a layer's weights in its kernel's layout. */
export interface LayerTensor {
  readonly part: LayerPart;
  readonly values: Float32Array;
  /** Whether the kernel takes them as halves, too (`packHalves`). */
  readonly halves?: boolean;
}

/** A layer's weights on the GPU. */
export interface LayerWeights {
  /** @throws WeightsError where these weights were packed for another network. */
  binding(part: LayerPart): GPUBufferBinding;
  /** Whether they are held in halves. @throws as `binding` */
  areHalves(part: LayerPart): boolean;
}

/** What a layer runs on. */
export interface LayerTensors {
  /** In the order of the layer's inputs; at least one. */
  readonly inputs: readonly [Tensor, ...Tensor[]];
  readonly output: Tensor;
  readonly weights: LayerWeights;
}

/** What decides between variants of a kernel. */
export type VariantDevice = Pick<Gpu, 'adapter' | 'features'>;

/** Kernels of one operator that compute the same, and of which one or the other is the faster on a device. */
export interface LayerVariants<Spec> {
  /** The names of those that are worth measuring for a layer, the likeliest to be fast first; at least one. */
  worthMeasuring(spec: Spec, device: VariantDevice): readonly [string, ...string[]];
  /** The spec of the same layer, computed by a variant. @throws ShapeError for a name that is none. */
  choose(spec: Spec, variant: string): Spec;
}

// biome-ignore lint/suspicious/noExplicitAny: whoever has a kind of no known fields hands it a layer that names it
type AnyFields = any;

/**
 * An operator of networks. `Spec` is all that its kernel wants to know of a layer, the shapes of its inputs included;
 * `Fields` is the layer as a description has it.
 *
 * Members are methods, so that kinds of different specs fit one table; who calls one hands it a spec of its own.
 */
export interface LayerKind<Op extends string = string, Spec = unknown, Fields extends LayerFields = AnyFields> {
  /** What nodes of the graph call it. */
  readonly op: Op;
  /** What descriptions call it (docs/formats.md, `op`). */
  readonly names: readonly Fields['op'][];
  /** Reads a layer's fields. @throws WeightsError for a damaged field; ShapeError where shapes do not fit together. */
  read(layer: LayerReader<Fields>): { readonly inputs: readonly string[]; readonly spec: Spec };
  /** Shape of one item of the result. @throws ShapeError */
  shape(spec: Spec): FeatureShape;
  /** Begins the names of its stages: "max pool". */
  stage(spec: Spec): string;
  /** Multiplications for one item; without it none. */
  macs?(spec: Spec): number;
  /**
   * The spec of a layer that computes this one and `next`, which alone reads its result; undefined where no kernel does
   * both.
   */
  fuse?(spec: Spec, next: { readonly op: string; readonly spec: unknown }): Spec | undefined;
  /** Which kernels may compute it; without it there is one. */
  readonly variants?: LayerVariants<Spec>;
  /** Its weights in the kernel's layouts; without it, it has none. @throws WeightsError where the source lacks one. */
  pack?(spec: Spec, source: TensorSource): readonly LayerTensor[];
  /** Adds its steps to a plan. @throws ShapeError where a tensor has another shape than `spec` says. */
  record(builder: PlanBuilder, names: StepNames, spec: Spec, tensors: LayerTensors): void;
}

/** The layers of descriptions that a kind reads. */
export type LayerOf<Kind> = Kind extends LayerKind<infer _Op, infer _Spec, infer Fields> ? Fields : never;

/** One layer of a graph, or several that run as one kernel. */
export interface LayerNode {
  /** The layer whose weights it uses; its own name where it has none. */
  readonly name: string;
  /** The layer whose result it writes. */
  readonly output: string;
  /** What its kind is called. */
  readonly op: string;
  /** What computes it. */
  readonly kind: LayerKind;
  /** Of that kind. */
  readonly spec: unknown;
  /** Shape of its result. */
  readonly shape: FeatureShape;
  /** Layers or network inputs that it reads. */
  readonly inputs: readonly string[];
}

/** The nodes of kinds, told apart by `op`. */
export type NodeOf<Kind> =
  Kind extends LayerKind<infer Op, infer Spec, infer _Fields>
    ? LayerNode & { readonly op: Op; readonly spec: Spec }
    : never;
