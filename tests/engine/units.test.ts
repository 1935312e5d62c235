import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError, ShapeError } from '../../src/engine/errors.js';
import { packBiasSlope, slideWindow } from '../../src/engine/kernels/common.js';
import { chooseConv2dVariant, conv2dVariants, packConv2dWeights, planConv2d } from '../../src/engine/kernels/conv2d.js';
import { packFullyConnectedWeights } from '../../src/engine/kernels/fullyConnected.js';
import { packHalves } from '../../src/engine/kernels/halves.js';
import { poolOutputShape } from '../../src/engine/kernels/pool.js';
import { stageTimes } from '../../src/engine/profiler.js';
import { packTensor, tensorBytes, unpackTensor } from '../../src/engine/tensor.js';
import { UniformStruct } from '../../src/engine/uniform.js';

describe('packTensor and unpackTensor', () => {
  it('are inverse, and pad with zeros', () => {
    const size = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(fc.tuple(size, size, size, size), ([count, height, width, channels]) => {
        const shape = { height, width, channels };
        const values = Float32Array.from({ length: count * height * width * channels }, (_, index) => index + 1);
        const packed = packTensor(values, shape);
        expect(packed.byteLength).toBe(tensorBytes(shape, count));
        expect(unpackTensor(packed, channels)).toEqual(values);
        expect(packed.filter((value) => value !== 0)).toEqual(values);
      }),
    );
  });

  it('refuse values that are no whole number of items', () => {
    const shape = { height: 2, width: 2, channels: 3 };
    expect(() => packTensor(new Float32Array(13), shape)).toThrow(ShapeError);
    expect(() => packTensor(new Float32Array(0), shape)).toThrow(
      /0 values are no whole number of items of shape \[2, 2, 3\]/,
    );
  });
});

describe('slideWindow', () => {
  const input = { height: 7, width: 10, channels: 1 };
  const window = { kernel: [3, 2], stride: [2, 3], padding: [1, 0, 0, 2] } as const;

  it('counts positions', () => {
    expect(slideWindow(input, window, 'test')).toEqual({ height: 3, width: 4 });
  });

  it.each([
    [{ ...window, kernel: [9, 1] as const }, /kernel of 9x1 does not fit an input of \[7, 10, 1\]/],
    [{ ...window, stride: [0, 1] as const }, /stride 0x1; wanted whole numbers >= 1/],
    [{ ...window, kernel: [1.5, 1] as const }, /kernel 1.5x1/],
    [{ ...window, padding: [-1, 0, 0, 0] as const }, /padding \[-1, 0, 0, 0\]/],
  ])('refuses %j', (bad, message) => {
    expect(() => slideWindow(input, bad, 'test')).toThrow(ShapeError);
    expect(() => slideWindow(input, bad, 'test')).toThrow(message);
  });

  it('refuses an empty input', () => {
    expect(() => slideWindow({ ...input, width: 0 }, window, 'test')).toThrow(
      /shape \[7, 0, 1\]; wanted whole numbers/,
    );
  });
});

const adapter = { vendor: '', architecture: '', description: '' } as const;
const hardware = { adapter: { ...adapter, isSoftware: false }, features: new Set(['subgroups']) };
const software = (...features: readonly string[]) => ({
  adapter: { ...adapter, isSoftware: true },
  features: new Set(features),
});

describe('kernel planners', () => {
  const conv = {
    input: { height: 8, width: 8, channels: 8 },
    inChannels: 6,
    outChannels: 20,
    kernel: [3, 3],
    stride: [1, 1],
    padding: [1, 1, 1, 1],
    activation: 'none',
    pool: false,
  } as const;

  it('conv2d covers every output with whole tiles and no more', () => {
    const size = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(size, size, size, fc.boolean(), fc.constantFrom(1, 3), (height, width, outChannels, pool, side) => {
        fc.pre(!pool || (height > 1 && width > 1));
        const reach = (side - 1) / 2;
        const window = { kernel: [side, side], stride: [1, 1], padding: [reach, reach, reach, reach] } as const;
        const spec = { ...conv, ...window, input: { height, width, channels: 6 }, outChannels, pool };
        for (const variant of side === 1
          ? (['general', 'wide'] as const)
          : (['general', 'wide', 'windows', 'quads'] as const)) {
          const { output, workgroups } = planConv2d({ ...spec, variant });
          const [tileWidth, tileHeight, channels, workgroup] = {
            general: [4, 2, 8, 64] as const,
            // Of whole quads of tiles.
            wide: [4, 4, 16, 16] as const,
            windows: [4, 4, 4, 64] as const,
            // Four lanes share a tile of 16 channels.
            quads: [4, 8, 16, 4] as const,
          }[variant];
          const pooled = pool ? 2 : 1;
          const count =
            Math.ceil((output.width * pooled) / tileWidth) * Math.ceil((output.height * pooled) / tileHeight);
          const tiles = variant === 'wide' ? Math.ceil(count / 4) * 4 : count;
          expect(workgroups).toEqual([Math.ceil((tiles * Math.ceil(outChannels / channels)) / workgroup), 1, 1]);
        }
      }),
    );
  });

  it('conv2d goes by windows where the kernel fits three strides and fills them', () => {
    const variants = (kernel: readonly [number, number], stride: readonly [number, number]) =>
      conv2dVariants({ kernel, stride, padding: [0, 0, 0, 0], inChannels: 15 }, hardware);
    expect(variants([3, 3], [1, 1])).toEqual(['windows']);
    expect(variants([5, 5], [2, 2])).toEqual(['windows']);
    expect(variants([3, 3], [2, 2])).toEqual(['general']);
    expect(variants([1, 1], [1, 1])).toEqual(['general']);
    expect(variants([3, 4], [1, 1])).toEqual(['general']);
    const pointwise = { ...conv, kernel: [1, 1], variant: 'windows' } as const;
    expect(() => planConv2d(pointwise)).toThrow(/'windows' cannot compute kernel 1x1, stride 1x1/);
  });

  it('conv2d splits many channels of small pictures on GPUs that are none of a software adapter', () => {
    const wide = { ...conv, input: { height: 32, width: 32, channels: 16 }, inChannels: 16, outChannels: 508 };
    expect(conv2dVariants(wide, hardware)).toEqual(['windows', 'split']);
    // 8 x 8 tiles of 127 blocks: 8128
    expect(chooseConv2dVariant(wide, hardware)).toBe('split');
    expect(chooseConv2dVariant({ ...wide, outChannels: 512 }, hardware)).toBe('windows');
    expect(chooseConv2dVariant(conv, hardware)).toBe('windows');
    expect(planConv2d({ ...wide, variant: 'split' }).workgroups).toEqual([508, 1, 1]);
    expect(() => planConv2d({ ...conv, variant: 'split' })).toThrow(/'split' cannot compute/);
  });

  it('conv2d shares loads among quads on a software adapter with subgroups, unless too many would be idle', () => {
    const wide = { ...conv, input: { height: 32, width: 32, channels: 16 }, inChannels: 16, outChannels: 48 };
    expect(conv2dVariants(wide, software('subgroups'))).toEqual(['windows', 'quads']);
    expect(conv2dVariants(wide, software())).toEqual(['windows']);
    expect(chooseConv2dVariant(wide, software())).toBe('windows');
    expect(chooseConv2dVariant(wide, software('subgroups'))).toBe('quads');
    // Two blocks of four.
    expect(chooseConv2dVariant({ ...wide, outChannels: 8 }, software('subgroups'))).toBe('windows');
    // Four rows of eight.
    const low = { ...wide, input: { height: 4, width: 32, channels: 16 } };
    expect(chooseConv2dVariant(low, software('subgroups'))).toBe('windows');
    const pointwise = { ...wide, kernel: [1, 1], padding: [0, 0, 0, 0] } as const;
    expect(conv2dVariants(pointwise, software('subgroups'))).toEqual(['general', 'wide']);
    expect(conv2dVariants(pointwise, software())).toEqual(['general']);
    expect(chooseConv2dVariant(pointwise, software('subgroups'))).toBe('wide');
    // Two blocks of four, and one tile of a quad's four.
    expect(chooseConv2dVariant({ ...pointwise, outChannels: 8 }, software('subgroups'))).toBe('general');
    const small = { ...pointwise, input: { height: 4, width: 4, channels: 16 } };
    expect(chooseConv2dVariant(small, software('subgroups'))).toBe('general');
  });

  it('conv2d refuses channels and sizes that do not fit', () => {
    expect(() => planConv2d({ ...conv, inChannels: 4 })).toThrow(/takes 4 channels.*its input has 8/);
    expect(() => planConv2d({ ...conv, inChannels: 9 })).toThrow(ShapeError);
    const narrow = { ...conv, input: { height: 1, width: 8, channels: 6 }, pool: true };
    expect(() => planConv2d(narrow)).toThrow(/1x8 is too small for a 2x2 pool/);
  });

  it('weights become halves where that changes none of them', () => {
    const halves = [0, -0, 1, -1, 0.5, 1 / 3 - ((1 / 3) % 2 ** -12), 63.96875, -(2 ** -24), 3 * 2 ** -24, 2 ** -14];
    const packed = packHalves(Float32Array.from([...halves, 1.5 * 2 ** -23]));
    // 1024 times each, in 16 bits: 1024 is 0x6400, 2^-14 is 0x0400.
    expect([...(packed ?? [])].map((half) => half.toString(16))).toEqual(
      ['0', '0', '6400', 'e400', '6000', '5d55', '7bff', '8400', 'a00', '2c00', 'a00', '0'], // padded to whole words
    );
    for (const value of [1 / 3, 64, 2 ** -25, 1 + 2 ** -11, Number.NaN, Number.POSITIVE_INFINITY, 1e-30]) {
      expect(packHalves(Float32Array.of(1, value)), `${value}`).toBeUndefined();
    }
  });

  it('weight packers place every weight once, in zeros', () => {
    const weights = Float32Array.from({ length: 20 * 9 * 6 }, (_, index) => index + 1);
    const packed = packConv2dWeights({ ...conv, variant: 'general' }, weights);
    // 3 groups of 2 blocks, 9 taps, 2 input blocks, 16 floats a matrix
    expect(packed.length).toBe(3 * 9 * 2 * 2 * 16);
    expect(packed.filter((value) => value !== 0).sort()).toEqual(weights);
    // output 13 (group 1, block 1, row 1), tap 4, input 5 (block 1, column 1)
    expect(packed[(((1 * 9 + 4) * 2 + 1) * 2 + 1) * 16 + 1 * 4 + 1]).toBe(weights[(13 * 9 + 4) * 6 + 5]);

    const windows = packConv2dWeights(conv, weights);
    expect([...windows].sort()).toEqual([...weights].sort());
    // output 13 (block 3, row 1), input 5, tap 4
    expect(windows[((3 * 6 + 5) * 9 + 4) * 4 + 1]).toBe(weights[(13 * 9 + 4) * 6 + 5]);
    const strided = { ...conv, kernel: [5, 5], stride: [2, 2] } as const;
    const phases = packConv2dWeights(
      strided,
      Float32Array.from({ length: 20 * 25 * 6 }, (_, index) => index + 1),
    );
    // 5 blocks, 2 x 2 phases, 6 inputs, 9 taps
    expect(phases.length).toBe(5 * 4 * 6 * 9 * 4);
    expect(phases.filter((value) => value !== 0).length).toBe(20 * 25 * 6);
    // output 6 (block 1, row 2), tap (3, 2): phase (1, 0), tap (1, 1) of it, input 2
    expect(phases[(((1 * 4 + 2) * 6 + 2) * 9 + 4) * 4 + 2]).toBe(((6 * 5 + 3) * 5 + 2) * 6 + 2 + 1);

    const dense = { input: { height: 1, width: 2, channels: 5 }, outFeatures: 6, activation: 'none' } as const;
    const matrix = Float32Array.from({ length: 60 }, (_, index) => index + 1);
    const columns = packFullyConnectedWeights(dense, matrix);
    expect(columns.length).toBe(2 * 4 * 4 * 4);
    expect(columns.filter((value) => value !== 0).sort()).toEqual(matrix);

    expect(() => packConv2dWeights(conv, weights.subarray(1))).toThrow(/1079 weights; wanted \[20, 3, 3, 6\] = 1080/);
    expect(() => packFullyConnectedWeights(dense, matrix.subarray(1))).toThrow(/59 weights; wanted \[6, 10\] = 60/);
  });

  it('packBiasSlope puts slopes after biases', () => {
    expect([...packBiasSlope(new Float32Array([1, 2]), new Float32Array([3, 4]), 2)]).toEqual([1, 2, 0, 0, 3, 4, 0, 0]);
    expect([...packBiasSlope(new Float32Array([1]), undefined, 1)]).toEqual([1, 0, 0, 0, 0, 0, 0, 0]);
    expect(() => packBiasSlope(new Float32Array(3), undefined, 2)).toThrow(/bias has 3 values; wanted 2/);
    expect(() => packBiasSlope(new Float32Array(2), new Float32Array(1), 2)).toThrow(/slope has 1 values; wanted 2/);
  });

  it('pool refuses padding that would leave a window empty', () => {
    const spec = { mode: 'max', input: conv.input, kernel: [2, 2], stride: [2, 2], padding: [2, 0, 0, 0] } as const;
    expect(() => poolOutputShape(spec)).toThrow(/padding \[2, 0, 0, 0\]; wanted less than its kernel 2x2/);
  });
});

describe('UniformStruct', () => {
  const struct = new UniformStruct({ count: 'u32', offset: 'i32', scale: 'f32' });

  it('packs 32-bit scalars in order, little-endian', () => {
    const view = new DataView(struct.pack({ scale: 0.5, offset: -2, count: 2 ** 32 - 1 }).buffer);
    expect([view.byteLength, view.getUint32(0, true), view.getInt32(4, true), view.getFloat32(8, true)]).toEqual([
      12,
      2 ** 32 - 1,
      -2,
      0.5,
    ]);
  });

  it.each([
    { count: -1, offset: 0, scale: 0 },
    { count: 2 ** 32, offset: 0, scale: 0 },
    { count: 0, offset: 0.5, scale: 0 },
    { count: 0, offset: 2 ** 31, scale: 0 },
    { count: 0, offset: 0, scale: Number.NaN },
  ])('refuses %j', (values) => {
    expect(() => struct.pack(values)).toThrow(InputError);
    expect(() => struct.pack(values)).toThrow(/Uniform field '\w+' is \S+; wanted a finite [uif]32/);
  });
});

describe('stageTimes', () => {
  it('turns pairs of nanoseconds into milliseconds and drops those that run backwards', () => {
    const ticks = BigUint64Array.of(1_000_000n, 3_500_000n, 9n, 8n, 2n ** 60n, 2n ** 60n + 1_000n);
    expect(stageTimes(['a', 'b', 'c'], ticks)).toEqual([
      { stage: 'a', milliseconds: 2.5 },
      { stage: 'c', milliseconds: 0.001 },
    ]);
  });
});
