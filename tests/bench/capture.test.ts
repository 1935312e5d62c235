import { expect, it } from 'vitest';
import { workgroupSize } from '../../bench/capture.js';
import { peakForms } from '../../bench/peak.js';

it.each([
  ['@compute @workgroup_size(64) fn main() {}', {}, 64],
  ['@compute @workgroup_size(8, 8u) fn main() {}', {}, 64],
  ['@compute @workgroup_size(8, 4, 2,) fn main() {}', {}, 64],
  ['override wide = 16; @compute @workgroup_size(wide, 2) fn main() {}', { wide: 32 }, 64],
  ['override wide: u32 = 16u; @compute @workgroup_size(wide, 2) fn main() {}', {}, 32],
  ['const tall = 4u; @compute @workgroup_size(1, tall, 1) fn main() {}', {}, 4],
] as const)('the workgroup of %s with %j', (wgsl, constants, expected) => {
  expect(workgroupSize({ wgsl, constants })).toBe(expected);
});

it('a workgroup size that is not known is refused', () => {
  expect(() => workgroupSize({ wgsl: 'fn main() {}', constants: {} })).toThrow('@workgroup_size');
  expect(() => workgroupSize({ wgsl: '@workgroup_size(n)', constants: {} })).toThrow('"n"');
});

it('every form of the peak kernel makes as many multiply-adds', () => {
  const work = peakForms.map(({ kernel, steps }) => steps * (kernel.code.match(/= mad\(/g)?.length ?? 0));
  expect(new Set(work)).toEqual(new Set([512]));
});
