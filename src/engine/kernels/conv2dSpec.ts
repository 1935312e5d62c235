/** What a convolution is, whichever kernel computes it. */
import type { FeatureShape } from '../tensor.js';
import type { Activation, Window } from './common.js';

export const CONV2D_VARIANTS = ['general', 'wide', 'windows', 'split', 'quads'] as const;

/** Of the kernels for windows of at most three strides a side (conv2dWindows.ts). */
export type WindowsVariant = Exclude<Conv2dVariant, 'general' | 'wide'>;

/**
 * `general` computes any window, `wide` the same with four invocations that share weights; `windows` those of at most
 * three strides a side, `split` the same with four invocations a tile, `quads` with four invocations that share what
 * they read. `wide` and `quads` want subgroups.
 */
export type Conv2dVariant = (typeof CONV2D_VARIANTS)[number];

/** A 2D convolution. */
export interface Conv2dSpec extends Window {
  /** Shape of one input item. Its channels may exceed `inChannels` within the last block, where the weights are 0. */
  readonly input: FeatureShape;
  /** Channels that the weights have. */
  readonly inChannels: number;
  /** Channels of the result. */
  readonly outChannels: number;
  /** At the end, before the pool. */
  readonly activation: Activation;
  /** Max pool of 2x2, stride 2, no padding, on the result. */
  readonly pool: boolean;
  /**
   * Default: what `chooseConv2dVariant` says of the device that records it. The layout of the weights is one for
   * `general` and `wide`, one for all others; a kernel that fits the others takes those by default.
   */
  readonly variant?: Conv2dVariant;
}
