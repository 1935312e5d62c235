/** Weights as 16-bit floats, two in a u32, where that changes none of them. See lib/halves.wgsl. */

/**
 * What weights are multiplied by before they are rounded: a tiny one would be a subnormal half, which GPUs may take for
 * 0. Those of a file in 16 bits stay exact below 64.
 */
const WEIGHT_SCALE = 2 ** 10;

/** Bits of the smallest normal half, and of the smallest f32 beyond the halves, as f32s. */
const LEAST = 0x38800000;
const BEYOND = 0x47800000;

/** `weights` in their order as scaled halves, padded to whole u32s; undefined where one of them is no such half. */
export function packHalves(weights: Float32Array): Uint16Array<ArrayBuffer> | undefined {
  const halves = new Uint16Array(Math.ceil(weights.length / 2) * 2);
  const bits = new Uint32Array(weights.map((weight) => weight * WEIGHT_SCALE).buffer);
  for (let i = 0; i < weights.length; i++) {
    const word = bits[i]!;
    const magnitude = word & 0x7fffffff;
    if (magnitude === 0) continue;
    if ((word & 0x1fff) !== 0 || magnitude < LEAST || magnitude >= BEYOND) return undefined;
    halves[i] = ((word >>> 16) & 0x8000) | ((magnitude - (112 << 23)) >>> 13);
  }
  return halves;
}
