/**
 * Every WGSL file against the TypeScript that uses it, by reflection: bindings, uniform structs, overrides; and the
 * kernels with workgroup memory run on the CPU in lockstep to find missing barriers.
 */
import { describe, expect, it } from 'vitest';
import { detectRaces, ResourceType, type VariableInfo, WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import { declarations as recropDeclarations } from '../../src/cascade/kernels/recrop.js';
import { declarations as conv2dWindowsDeclarations } from '../../src/engine/kernels/conv2dWindows.js';
import { declarations as fullyConnectedDeclarations } from '../../src/engine/kernels/fullyConnected.js';
import type { BindingKind, Kernel, KernelDeclaration } from '../../src/engine/pipelines.js';

const shaderFiles = import.meta.glob<string>('../../src/shaders/*.wgsl', {
  query: '?raw',
  import: 'default',
  eager: true,
});
const modules = import.meta.glob<{ readonly declarations?: readonly KernelDeclaration[] }>(
  ['../../src/*/kernels/*.ts'],
  { eager: true },
);

const shaders = new Map(Object.entries(shaderFiles).map(([path, text]) => [path.replace(/^.*\//, ''), text]));
const declarations = Object.values(modules).flatMap((module) => module.declarations ?? []);

/** Kernels of one source differ by their constants alone. */
const reflections = new Map<string, WgslReflect>();

function reflect(code: string): WgslReflect {
  const reflection = reflections.get(code) ?? new WgslReflect(code);
  reflections.set(code, reflection);
  return reflection;
}

function kindOf({ resourceType, access }: VariableInfo): BindingKind {
  switch (resourceType) {
    case ResourceType.Uniform:
      return 'uniform';
    case ResourceType.Texture:
      return 'texture';
    case ResourceType.Storage:
      return access === 'read_write' ? 'read-write' : 'read';
    default:
      throw new Error(`no binding kind for resource type ${resourceType}`);
  }
}

it('every shader is declared, and every declaration has its file', () => {
  expect([...new Set(declarations.map(({ shader }) => shader))].sort()).toEqual([...shaders.keys()].sort());
});

describe.each([...shaders])('%s', (_, text) => {
  it('starts with a header of comments', () => {
    const [code = 0] = text.split('\n').flatMap((line, index) => (line.startsWith('//') ? [] : [index]));
    expect(code).toBeGreaterThanOrEqual(3);
  });
});

describe.each(declarations.map((declaration) => [declaration.shader, declaration] as const))('%s', (_, declaration) => {
  const { kernels, params } = declaration;

  it.each(kernels.map((kernel) => [describeKernel(kernel), kernel] as const))(
    '%s binds what the WGSL declares',
    (_, kernel) => {
      const reflection = reflect(kernel.code);
      expect(reflection.entry.compute.map(({ name }) => name)).toContain('main');

      const [group0 = [], group1 = [], ...others] = reflection.getBindGroups();
      expect(others).toEqual([]);
      // Entries, not records: a record would equal another in any order.
      const declared = Array.from(group0, (variable) => variable && [variable.name, kindOf(variable)]);
      expect(declared).toEqual(Object.entries(kernel.bindings));
      const storage = Object.values(kernel.bindings).filter((kind) => kind === 'read' || kind === 'read-write');
      expect(storage.length, 'storage buffers, of which every adapter has 8').toBeLessThanOrEqual(8);

      expect(group1.length).toBe(params === undefined ? 0 : 1);
      const struct = group1[0];
      if (params === undefined || struct === undefined) return;
      expect(kindOf(struct)).toBe('uniform');
      const members = struct.members?.map(({ name, type, offset }) => [name, type.name, offset]);
      expect(members).toEqual(params.fields.map(([name, type], index) => [name, type, index * 4]));
      expect(struct.size).toBe(params.byteLength);
    },
  );

  it.each(kernels.map((kernel) => [describeKernel(kernel), kernel] as const))(
    '%s sets overrides that exist',
    (_, kernel) => {
      const known = reflect(kernel.code).overrides.map(({ name }) => name);
      expect(known).toEqual(expect.arrayContaining(Object.keys(kernel.constants ?? {})));
    },
  );
});

function describeKernel({ name, constants = {} }: Kernel): string {
  return `${name} ${JSON.stringify(constants)}`;
}

describe('data races', () => {
  const [kernel] = fullyConnectedDeclarations[0]?.kernels ?? [];
  // The interpreter cannot size an array by an override.
  const code = (kernel?.code ?? '').replace('override THREADS: u32', 'const THREADS: u32');
  const blocks = 70;
  const bindGroups = () => ({
    0: {
      0: new Float32Array(blocks * 4).fill(1),
      1: new Float32Array(blocks * 16).fill(1),
      2: new Float32Array(8),
      3: new Float32Array(4),
    },
    1: { 0: { uniform: new Uint32Array([blocks, 1, 4]) } },
  });

  it('fullyConnected has none', () => {
    const groups = bindGroups();
    const result = detectRaces(code, 'main', [1, 1, 1], groups);
    expect(result.errors).toEqual([]);
    expect(result.races.map(({ message }) => message)).toEqual([]);
    expect([...groups[0][3]]).toEqual([280, 280, 280, 280]);
  });

  it.each([0, 1])('without its barrier %i it would have some', (removed) => {
    let index = 0;
    const broken = code.replaceAll('workgroupBarrier();', (call) => (index++ === removed ? '' : call));
    expect(index).toBe(2);
    expect(detectRaces(broken, 'main', [1, 1, 1], bindGroups()).races.length).toBeGreaterThan(0);
  });
});

describe('data races of split convolutions', () => {
  const split = conv2dWindowsDeclarations[0]?.kernels.find(({ name }) => name === 'conv2d.split');
  // 2x2 pixels of one channel, one tile; the interpreter knows no arrays of matrices, so that a row of sums is one
  // vector here.
  const code = (split?.code ?? '')
    .replace('array<mat4x4f, 64>', 'array<vec4f, 64>')
    .replace(/fn add_slices\(row: mat4x4f/, 'fn add_slices(row: vec4f')
    .replace('keeper: u32) -> mat4x4f', 'keeper: u32) -> vec4f')
    .replace(/(@compute[\s\S]*?\{)[\s\S]*$/, '$1output[local] = add_slices(vec4f(1.0), local, 0u); }');
  const groups = () => ({ 0: { 3: new Float32Array(64 * 4) } });

  it('there are none', () => {
    const bound = groups();
    const result = detectRaces(code, 'main', [1, 1, 1], bound);
    expect(result.errors).toEqual([]);
    expect(result.races.map(({ message }) => message)).toEqual([]);
    expect(bound[0][3].every((value) => value > 0)).toBe(true);
  });

  it('without the barrier before the sum it would have some', () => {
    const broken = code.replace('workgroupBarrier();', '');
    expect(detectRaces(broken, 'main', [1, 1, 1], groups()).races.length).toBeGreaterThan(0);
  });

  it('without the barrier after it, the next row would race', () => {
    const twice = code.replace(
      'output[local] =',
      'let before = add_slices(vec4f(1.0), local, 0u);\noutput[local] = before +',
    );
    expect(detectRaces(twice, 'main', [1, 1, 1], groups()).races).toEqual([]);
    const last = twice.lastIndexOf('workgroupBarrier();');
    const broken = twice.slice(0, last) + twice.slice(last + 'workgroupBarrier();'.length);
    expect(detectRaces(broken, 'main', [1, 1, 1], groups()).races.length).toBeGreaterThan(0);
  });
});

describe('data races of recrop', () => {
  const followed = recropDeclarations[0]?.kernels.find(({ name }) => name === 'recrop');
  // The interpreter cannot combine vectors of bits; that everything is finite is not in question here.
  const code = (followed?.code ?? '').replace(/return all\(\(bitcast[^\n]*;/, 'return true;');
  const landmarks = 140;
  const groups = () => ({
    0: {
      0: Float32Array.of(5, 0, 0, 0, 60, 60, 0, 0, 0.5, 0.5, 0.5, 0),
      1: new Float32Array(12),
      2: new Float32Array(12),
      3: new Float32Array(20),
      4: Float32Array.from({ length: 3 * landmarks }, (_, i) => Math.sin(i)),
      5: new Uint32Array(3 * landmarks),
      6: new Float32Array(4),
    },
    1: { 0: { uniform: new Uint32Array([3, 128, landmarks, landmarks / 4, 0x3f800000, 0x3f800000, 16, 1, 1]) } },
  });

  it('there are none', () => {
    const bound = groups();
    const result = detectRaces(code, 'main', [1, 1, 1], bound);
    expect(result.errors).toEqual([]);
    expect(result.races.map(({ message }) => message)).toEqual([]);
    expect(bound[0][2].some((value) => value !== 0)).toBe(true);
  });

  it.each([0, 1])('without its barrier %i it would have some', (removed) => {
    let index = 0;
    const broken = code.replaceAll('workgroupBarrier();', (call) => (index++ === removed ? '' : call));
    expect(index).toBe(2);
    expect(detectRaces(broken, 'main', [1, 1, 1], groups()).races.length).toBeGreaterThan(0);
  });
});

/** A small run of every kernel without workgroup memory: bindings of group 0, and the uniform struct. */
const independent: readonly (readonly [
  shader: string,
  bindings: readonly Float32Array[],
  params: readonly number[],
])[] = [
  ['activation.wgsl', [new Float32Array(24), new Float32Array(24)], [6, 2, 5]],
  // 3 pixels, 2 blocks to 1 block
  ['add.wgsl', [new Float32Array(24), new Float32Array(12), new Float32Array(24)], [6, 2, 5, 2, 1]],
  // 3x3 by 2x2 stride 1, 2 blocks
  [
    'depthwiseConv2d.wgsl',
    [new Float32Array(72), new Float32Array(32), new Float32Array(16), new Float32Array(32)],
    [3, 3, 2, 2, 2, 2, 8, 2, 2, 1, 1, 0, 0, 1, 1],
  ],
  // 3 pixels, 5 channels at 3: two blocks touched, the first of them shared with the input before.
  ['concat.wgsl', [new Float32Array(24), new Float32Array(24)], [3, 2, 5, 2, 3, 2]],
  // 3x3 by 2x2 stride 1, 2 blocks
  ['pool.wgsl', [new Float32Array(72), new Float32Array(32)], [3, 3, 2, 2, 2, 2, 2, 1, 1, 0, 0]],
  // 2x1 by 2x3, 2 blocks
  ['resizeNearest.wgsl', [new Float32Array(16), new Float32Array(96)], [1, 2, 3, 4, 2, 3, 2]],
  ['fill.wgsl', [new Float32Array(12)], [3, 7]],
  // 3 pixels, 2 blocks, 5 channels
  ['softmax.wgsl', [new Float32Array(24), new Float32Array(24)], [3, 2, 5]],
  // 2x1 to 3x2, 2 blocks; steps and starts are 0
  ['resizeBilinear.wgsl', [new Float32Array(16), new Float32Array(48)], [1, 2, 2, 2, 3, 0, 0, 0, 0]],
  // 3 pixels, 2 blocks, a gate
  ['multiply.wgsl', [new Float32Array(24), new Float32Array(8), new Float32Array(24)], [6, 2, 5, 2]],
];

describe.each(independent)('%s', (shader, bindings, params) => {
  const [kernel] = declarations.find((declaration) => declaration.shader === shader)?.kernels ?? [];

  it('has invocations that write apart', () => {
    const groups = { 0: { ...bindings }, 1: { 0: { uniform: new Uint32Array(params) } } };
    const { races, errors } = detectRaces(kernel?.code ?? '', 'main', [1, 1, 1], groups);
    expect(errors).toEqual([]);
    expect(races.map(({ message }) => message)).toEqual([]);
  });

  it('would be caught if they wrote together', () => {
    const together = (kernel?.code ?? '').replace(/output\[[^=]*\] =/g, 'output[0] =');
    const groups = { 0: { ...bindings }, 1: { 0: { uniform: new Uint32Array(params) } } };
    expect(detectRaces(together, 'main', [1, 1, 1], groups).races.length).toBeGreaterThan(0);
  });
});

it('workgroup memory is used only where its barriers are tested', () => {
  const users = [...shaders].filter(([, text]) => text.includes('var<workgroup>')).map(([name]) => name);
  expect(users).toEqual(['conv2dWindows.wgsl', 'fullyConnected.wgsl', 'recrop.wgsl']);
});
