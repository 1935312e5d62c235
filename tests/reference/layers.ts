/**
 * The layers of a network as plain loops in float64, on dense `[N, H, W, C]` arrays. Slow, obvious, and the truth for
 * the kernels.
 */

/** A batch of `[height, width, channels]` items. */
export interface Batch {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly values: Float64Array;
}

export type ReferenceActivation =
  | 'none'
  | 'relu'
  | 'prelu'
  | 'sigmoid'
  | 'tanh'
  | 'silu'
  | 'relu6'
  | 'hardSigmoid'
  | 'hardSwish';

export interface ReferenceWindow {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [top: number, left: number, bottom: number, right: number];
}

export function batchOf(
  count: number,
  shape: { readonly height: number; readonly width: number; readonly channels: number },
  values: ArrayLike<number>,
): Batch {
  const { height, width, channels } = shape;
  if (values.length !== count * height * width * channels) {
    throw new Error(`${values.length} values; wanted ${count} x ${height} x ${width} x ${channels}`);
  }
  return { count, height, width, channels, values: Float64Array.from(values) };
}

function emptyBatch(count: number, height: number, width: number, channels: number): Batch {
  return { count, height, width, channels, values: new Float64Array(count * height * width * channels) };
}

function at(batch: Batch, n: number, y: number, x: number, c: number): number {
  return batch.values[((n * batch.height + y) * batch.width + x) * batch.channels + c]!;
}

function setAt(batch: Batch, n: number, y: number, x: number, c: number, value: number): void {
  batch.values[((n * batch.height + y) * batch.width + x) * batch.channels + c] = value;
}

export function activate(value: number, activation: ReferenceActivation, slope = 0): number {
  switch (activation) {
    case 'none':
      return value;
    case 'relu':
      return Math.max(value, 0);
    case 'prelu':
      return value >= 0 ? value : slope * value;
    case 'sigmoid':
      return 1 / (1 + Math.exp(-value));
    case 'tanh':
      return Math.tanh(value);
    case 'silu':
      return value / (1 + Math.exp(-value));
    case 'relu6':
      return Math.min(6, Math.max(0, value));
    case 'hardSigmoid':
      return Math.min(1, Math.max(0, (value + 3) / 6));
    case 'hardSwish':
      return (value * Math.min(6, Math.max(0, value + 3))) / 6;
  }
}

function positions(size: number, kernel: number, stride: number, before: number, after: number): number {
  return Math.floor((size + before + after - kernel) / stride) + 1;
}

/** @param weights `[outChannels, kh, kw, inChannels]`; `inChannels` may be fewer than the batch has */
export function conv2d(
  input: Batch,
  window: ReferenceWindow,
  layer: {
    readonly outChannels: number;
    readonly inChannels: number;
    readonly weights: ArrayLike<number>;
    readonly bias: ArrayLike<number>;
    readonly slope?: ArrayLike<number>;
    readonly activation: ReferenceActivation;
  },
): Batch {
  const { kernel, stride, padding } = window;
  const { outChannels, inChannels, weights, bias, slope, activation } = layer;
  const output = emptyBatch(
    input.count,
    positions(input.height, kernel[0], stride[0], padding[0], padding[2]),
    positions(input.width, kernel[1], stride[1], padding[1], padding[3]),
    outChannels,
  );
  for (let n = 0; n < output.count; n++) {
    for (let y = 0; y < output.height; y++) {
      for (let x = 0; x < output.width; x++) {
        for (let o = 0; o < outChannels; o++) {
          let sum = bias[o]!;
          for (let ky = 0; ky < kernel[0]; ky++) {
            for (let kx = 0; kx < kernel[1]; kx++) {
              const sourceY = y * stride[0] + ky - padding[0];
              const sourceX = x * stride[1] + kx - padding[1];
              if (sourceY < 0 || sourceY >= input.height || sourceX < 0 || sourceX >= input.width) continue;
              for (let c = 0; c < inChannels; c++) {
                const weight = weights[((o * kernel[0] + ky) * kernel[1] + kx) * inChannels + c]!;
                sum += weight * at(input, n, sourceY, sourceX, c);
              }
            }
          }
          setAt(output, n, y, x, o, activate(sum, activation, slope?.[o]));
        }
      }
    }
  }
  return output;
}

/** @param weights `[kh, kw, channels]` */
export function depthwiseConv2d(
  input: Batch,
  window: ReferenceWindow,
  layer: {
    readonly weights: ArrayLike<number>;
    readonly bias: ArrayLike<number>;
    readonly slope?: ArrayLike<number>;
    readonly activation: ReferenceActivation;
  },
): Batch {
  const { kernel, stride, padding } = window;
  const { weights, bias, slope, activation } = layer;
  const output = emptyBatch(
    input.count,
    positions(input.height, kernel[0], stride[0], padding[0], padding[2]),
    positions(input.width, kernel[1], stride[1], padding[1], padding[3]),
    input.channels,
  );
  for (let n = 0; n < output.count; n++) {
    for (let y = 0; y < output.height; y++) {
      for (let x = 0; x < output.width; x++) {
        for (let c = 0; c < output.channels; c++) {
          let sum = bias[c]!;
          for (let ky = 0; ky < kernel[0]; ky++) {
            for (let kx = 0; kx < kernel[1]; kx++) {
              const sourceY = y * stride[0] + ky - padding[0];
              const sourceX = x * stride[1] + kx - padding[1];
              if (sourceY < 0 || sourceY >= input.height || sourceX < 0 || sourceX >= input.width) continue;
              sum += weights[(ky * kernel[1] + kx) * input.channels + c]! * at(input, n, sourceY, sourceX, c);
            }
          }
          setAt(output, n, y, x, c, activate(sum, activation, slope?.[c]));
        }
      }
    }
  }
  return output;
}

/** Every pixel becomes `scale` pixels, vertical and horizontal. */
export function resizeNearest(input: Batch, scale: readonly [number, number]): Batch {
  const output = emptyBatch(input.count, input.height * scale[0], input.width * scale[1], input.channels);
  for (let n = 0; n < output.count; n++) {
    for (let y = 0; y < output.height; y++) {
      for (let x = 0; x < output.width; x++) {
        for (let c = 0; c < output.channels; c++) {
          setAt(output, n, y, x, c, at(input, n, Math.floor(y / scale[0]), Math.floor(x / scale[1]), c));
        }
      }
    }
  }
  return output;
}

/** Interpolated between the four pixels round a place that is first moved into the picture. */
export function resizeBilinear(
  input: Batch,
  [height, width]: readonly [number, number],
  coordinates: 'halfPixel' | 'alignCorners' | 'asymmetric',
): Batch {
  const place = (to: number, from: number, size: number): number => {
    if (coordinates === 'halfPixel') return ((to + 0.5) * from) / size - 0.5;
    if (coordinates === 'asymmetric') return (to * from) / size;
    return size === 1 ? 0 : (to * (from - 1)) / (size - 1);
  };
  const output = emptyBatch(input.count, height, width, input.channels);
  for (let n = 0; n < output.count; n++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const sourceY = Math.min(input.height - 1, Math.max(0, place(y, input.height, height)));
        const sourceX = Math.min(input.width - 1, Math.max(0, place(x, input.width, width)));
        const [top, left] = [Math.floor(sourceY), Math.floor(sourceX)];
        const [bottom, right] = [Math.min(top + 1, input.height - 1), Math.min(left + 1, input.width - 1)];
        const [down, along] = [sourceY - top, sourceX - left];
        for (let c = 0; c < output.channels; c++) {
          const upper = (1 - along) * at(input, n, top, left, c) + along * at(input, n, top, right, c);
          const lower = (1 - along) * at(input, n, bottom, left, c) + along * at(input, n, bottom, right, c);
          setAt(output, n, y, x, c, (1 - down) * upper + down * lower);
        }
      }
    }
  }
  return output;
}

/** Over the channels of every pixel. */
export function softmax(input: Batch): Batch {
  const output = emptyBatch(input.count, input.height, input.width, input.channels);
  for (let first = 0; first < input.values.length; first += input.channels) {
    const values = input.values.subarray(first, first + input.channels);
    const largest = Math.max(...values);
    const sum = values.reduce((total, value) => total + Math.exp(value - largest), 0);
    output.values.set(
      values.map((value) => Math.exp(value - largest) / sum),
      first,
    );
  }
  return output;
}

/** `right` may be one pixel for all. */
export function multiply(left: Batch, right: Batch, activation: ReferenceActivation): Batch {
  const output = emptyBatch(left.count, left.height, left.width, left.channels);
  const isGate = right.height === 1 && right.width === 1;
  for (let n = 0; n < output.count; n++) {
    for (let y = 0; y < output.height; y++) {
      for (let x = 0; x < output.width; x++) {
        for (let c = 0; c < output.channels; c++) {
          const factor = isGate ? at(right, n, 0, 0, c) : at(right, n, y, x, c);
          setAt(output, n, y, x, c, activate(at(left, n, y, x, c) * factor, activation));
        }
      }
    }
  }
  return output;
}

/** An activation by itself; `slope` of one value a channel, for `prelu`. */
export function activation(input: Batch, kind: ReferenceActivation, slope?: ArrayLike<number>): Batch {
  return { ...input, values: input.values.map((value, i) => activate(value, kind, slope?.[i % input.channels])) };
}

/** The maximum ignores the outside; the average counts it as zeros. */
export function pool(input: Batch, window: ReferenceWindow, mode: 'max' | 'average'): Batch {
  const { kernel, stride, padding } = window;
  const output = emptyBatch(
    input.count,
    positions(input.height, kernel[0], stride[0], padding[0], padding[2]),
    positions(input.width, kernel[1], stride[1], padding[1], padding[3]),
    input.channels,
  );
  for (let n = 0; n < output.count; n++) {
    for (let y = 0; y < output.height; y++) {
      for (let x = 0; x < output.width; x++) {
        for (let c = 0; c < output.channels; c++) {
          const seen: number[] = [];
          for (let ky = 0; ky < kernel[0]; ky++) {
            for (let kx = 0; kx < kernel[1]; kx++) {
              const sourceY = y * stride[0] + ky - padding[0];
              const sourceX = x * stride[1] + kx - padding[1];
              if (sourceY < 0 || sourceY >= input.height || sourceX < 0 || sourceX >= input.width) continue;
              seen.push(at(input, n, sourceY, sourceX, c));
            }
          }
          const sum = seen.reduce((total, value) => total + value, 0);
          setAt(output, n, y, x, c, mode === 'max' ? Math.max(...seen) : sum / (kernel[0] * kernel[1]));
        }
      }
    }
  }
  return output;
}

/** @param weights `[outFeatures, height * width * channels]`, inputs in h, w, c order */
export function fullyConnected(
  input: Batch,
  layer: {
    readonly outFeatures: number;
    readonly weights: ArrayLike<number>;
    readonly bias: ArrayLike<number>;
    readonly slope?: ArrayLike<number>;
    readonly activation: ReferenceActivation;
  },
): Batch {
  const { outFeatures, weights, bias, slope, activation } = layer;
  const features = input.height * input.width * input.channels;
  const output = emptyBatch(input.count, 1, 1, outFeatures);
  for (let n = 0; n < input.count; n++) {
    for (let o = 0; o < outFeatures; o++) {
      let sum = bias[o]!;
      for (let k = 0; k < features; k++) sum += weights[o * features + k]! * input.values[n * features + k]!;
      setAt(output, n, 0, 0, o, activate(sum, activation, slope?.[o]));
    }
  }
  return output;
}

export function applyActivation(input: Batch, activation: ReferenceActivation, slope?: ArrayLike<number>): Batch {
  return {
    ...input,
    values: input.values.map((value, index) => activate(value, activation, slope?.[index % input.channels])),
  };
}

/** Channels that one of the two lacks count as 0. */
export function add(left: Batch, right: Batch, activation: ReferenceActivation, slope?: ArrayLike<number>): Batch {
  const channels = Math.max(left.channels, right.channels);
  const output = emptyBatch(left.count, left.height, left.width, channels);
  for (let n = 0; n < output.count; n++) {
    for (let y = 0; y < output.height; y++) {
      for (let x = 0; x < output.width; x++) {
        for (let c = 0; c < channels; c++) {
          const a = c < left.channels ? at(left, n, y, x, c) : 0;
          const b = c < right.channels ? at(right, n, y, x, c) : 0;
          setAt(output, n, y, x, c, a + b);
        }
      }
    }
  }
  return applyActivation(output, activation, slope);
}

export function concat(inputs: readonly Batch[]): Batch {
  const [first] = inputs;
  if (first === undefined) throw new Error('concat of nothing');
  const channels = inputs.reduce((sum, input) => sum + input.channels, 0);
  const output = emptyBatch(first.count, first.height, first.width, channels);
  for (let n = 0; n < output.count; n++) {
    for (let y = 0; y < output.height; y++) {
      for (let x = 0; x < output.width; x++) {
        let channel = 0;
        for (const input of inputs) {
          for (let c = 0; c < input.channels; c++) setAt(output, n, y, x, channel++, at(input, n, y, x, c));
        }
      }
    }
  }
  return output;
}
