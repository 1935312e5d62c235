import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ShapeError, WeightsError } from '../../src/engine/errors.js';
import { packNetworkWeights, parseNetwork } from '../../src/engine/network.js';
import { parseSafetensors } from '../../src/engine/safetensors.js';
import { withVariants } from '../../src/engine/tuning.js';
import { depthwiseLayers, tinyFile, tinyInputs, tinyLayers, tinyWeights } from './tiny-network.js';

describe('parseNetwork', () => {
  const graph = parseNetwork(tinyLayers, tinyInputs);

  it('keeps order, names and shapes, and fuses the pool that alone reads a convolution', () => {
    expect(graph.nodes.map(({ op, name, output, shape }) => [op, name, output, Object.values(shape)])).toEqual([
      ['conv2d', 'a.conv1', 'a.pool1', [3, 3, 10]],
      ['conv2d', 'a.conv2', 'a.conv2', [3, 3, 10]],
      ['add', 'a.residual', 'a.residual', [3, 3, 10]],
      ['pool', 'a.average', 'a.average', [1, 1, 10]],
      ['pool', 'b.pool1', 'b.pool1', [4, 5, 5]],
      ['conv2d', 'b.conv2', 'b.conv2', [4, 5, 7]],
      ['fullyConnected', 'b.fc', 'b.fc', [1, 1, 9]],
      ['concat', 'concat', 'concat', [1, 1, 19]],
      ['fullyConnected', 'out', 'out', [1, 1, 6]],
    ]);
    expect(graph.output).toEqual({ name: 'out', shape: { height: 1, width: 1, channels: 6 } });
  });

  it('counts multiplications', () => {
    const conv1 = 7 * 6 * 10 * 25 * 6;
    const conv2 = 3 * 3 * 10 * 9 * 10;
    const convB = 4 * 5 * 7 * 3 * 5;
    expect(graph.macs).toBe(conv1 + conv2 + convB + 140 * 9 + 19 * 6);
  });

  it('does not fuse a pool whose convolution others read, or of another window', () => {
    const conv = {
      op: 'conv2d',
      kernel: [1, 1],
      stride: [1, 1],
      padding: [0, 0],
      inChannels: 4,
      outChannels: 4,
      activation: 'none',
    };
    const pool = { op: 'maxPool', input: 'c', kernel: [2, 2], stride: [2, 2], padding: [0, 0] };
    const input = { x: { height: 4, width: 4, channels: 4 } };
    const list = (...layers: object[]) => [{ ...conv, name: 'c', input: 'x' }, ...layers];
    const ops = (layers: object[]) => parseNetwork(layers, input).nodes.map(({ op, output }) => `${op} ${output}`);
    expect(ops(list({ ...pool, name: 'p' }))).toEqual(['conv2d p']);
    expect(ops(list({ ...pool, name: 'p', stride: [1, 1] }))).toEqual(['conv2d c', 'pool p']);
    expect(ops(list({ ...pool, name: 'p', op: 'averagePool' }))).toEqual(['conv2d c', 'pool p']);
    expect(
      ops(
        list(
          { ...pool, name: 'p' },
          { ...pool, name: 'q' },
          { name: 'a', op: 'add', inputs: ['p', 'q'], activation: 'none' },
        ),
      ),
    ).toEqual(['conv2d c', 'pool p', 'pool q', 'add a']);
  });

  it('reads the shipped network', () => {
    const description: unknown = JSON.parse(readFileSync('weights/network.json', 'utf8'));
    expect(description).toHaveProperty('layers');
    const layers =
      typeof description === 'object' && description !== null && 'layers' in description ? description.layers : [];
    const shipped = parseNetwork(layers, {
      stem: { height: 128, width: 128, channels: 8 },
      paf: { height: 64, width: 64, channels: 16 },
    });
    expect(shipped.output.shape).toEqual({ height: 1, width: 1, channels: 104 });
    expect(shipped.macs).toBeGreaterThan(1e7);
  });

  const layer = tinyLayers[0];
  const change = (fields: object): unknown[] => [{ ...layer, ...fields }];
  it.each<readonly [what: string, layers: unknown, type: typeof WeightsError | typeof ShapeError, message: RegExp]>([
    ['no list', {}, WeightsError, /layers are \{\}; wanted a list/],
    ['an undefined list', undefined, WeightsError, /layers are undefined; wanted a list/],
    ['an empty list', [], WeightsError, /layers are \[\]; wanted a list of at least one/],
    ['a layer that is no object', [3], WeightsError, /Layer 0 is 3; wanted an object/],
    ['a layer without name', change({ name: '' }), WeightsError, /Layer 0 has name ""; wanted a non-empty string/],
    ['a name that is taken', change({ name: 'paf' }), WeightsError, /named 'paf', which is taken/],
    ['an unknown operator', change({ op: 'conv3d' }), WeightsError, /'a.conv1' has op "conv3d"; wanted one of conv2d,/],
    ['an unknown input', change({ input: 'nowhere' }), WeightsError, /has input "nowhere"; wanted .* one of stem, paf/],
    [
      'a missing kernel',
      change({ kernel: undefined }),
      WeightsError,
      /has kernel undefined; wanted two whole numbers >= 1/,
    ],
    ['three strides', change({ stride: [1, 1, 1] }), WeightsError, /has stride \[1,1,1\]/],
    ['a stride of 0', change({ stride: [0, 1] }), WeightsError, /has stride \[0,1\]/],
    [
      'a negative padding',
      change({ padding: [-1, 0] }),
      WeightsError,
      /has padding \[-1,0\]; wanted two or four whole numbers >= 0/,
    ],
    ['three paddings', change({ padding: [1, 1, 1] }), WeightsError, /has padding \[1,1,1\]; wanted two or four/],
    [
      'a fractional count',
      change({ outChannels: 1.5 }),
      WeightsError,
      /has outChannels 1.5; wanted a whole number >= 1/,
    ],
    [
      'an unknown activation',
      change({ activation: 'gelu' }),
      WeightsError,
      /has activation "gelu"; wanted one of none, relu/,
    ],
    [
      'inputs that are no list',
      [{ name: 'c', op: 'concat', inputs: 'stem' }],
      WeightsError,
      /has inputs "stem"; wanted a list/,
    ],
    [
      'three summands',
      [{ name: 'c', op: 'add', inputs: ['stem', 'stem', 'stem'], activation: 'none' }],
      WeightsError,
      /adds 3 inputs; wanted two/,
    ],
    ['loose ends', [...tinyLayers, { ...layer, name: 'again' }], WeightsError, /No layer reads 'out'/],
    ['channels that do not fit', change({ inChannels: 4 }), ShapeError, /Layer 'a.conv1': conv2d takes 4 channels/],
    [
      'a window that does not fit',
      change({ kernel: [30, 1] }),
      ShapeError,
      /Layer 'a.conv1': conv2d: a kernel of 30x1/,
    ],
    [
      'features that do not fit',
      [{ name: 'f', op: 'fullyConnected', input: 'paf', inFeatures: 359, outFeatures: 2, activation: 'none' }],
      ShapeError,
      /Layer 'f': inFeatures is 359, but 'paf' \[8, 9, 5\] has 360/,
    ],
    [
      'concat of different sizes',
      [{ name: 'c', op: 'concat', inputs: ['stem', 'paf'] }],
      ShapeError,
      /Layer 'c': concat joins/,
    ],
    [
      'add of different shapes',
      [{ name: 'c', op: 'add', inputs: ['stem', 'paf'], activation: 'none' }],
      ShapeError,
      /Layer 'c': add of \[13, 12, 8\] and \[8, 9, 5\]/,
    ],
    [
      'add of different sizes even where channels are padded',
      [{ name: 'c', op: 'add', inputs: ['stem', 'paf'], activation: 'none', padChannels: true }],
      ShapeError,
      /Layer 'c': add of \[13, 12, 8\] and \[8, 9, 5\]; wanted equal heights/,
    ],
    [
      'a flag that is no truth',
      [{ name: 'c', op: 'add', inputs: ['stem', 'stem'], activation: 'none', padChannels: 1 }],
      WeightsError,
      /has padChannels 1; wanted true or false/,
    ],
  ])('refuses %s', (_, layers, type, message) => {
    expect(() => parseNetwork(layers, tinyInputs)).toThrow(type);
    expect(() => parseNetwork(layers, tinyInputs)).toThrow(message);
  });
});

describe('parseNetwork with several outputs', () => {
  const inputs = { stem: tinyInputs.stem };

  it('keeps a convolution whose result is wanted apart from its pool', () => {
    const ops = (outputs: readonly string[]) =>
      parseNetwork(depthwiseLayers, inputs, outputs).nodes.map(({ op }) => op);
    expect(ops(['head']).at(-1)).toBe('pool');
    expect(ops([]).at(-1)).toBe('conv2d');
    expect([...parseNetwork(depthwiseLayers, inputs, ['head']).outputs.keys()]).toEqual(['head', 'pooled']);
  });

  it('takes a loose end for an output only where it is one', () => {
    const layers = depthwiseLayers.map((layer) => (layer.name === 'pooled' ? { ...layer, input: 'wider' } : layer));
    expect(() => parseNetwork(layers, inputs)).toThrow(/No layer reads 'head', and it is no output/);
    expect(parseNetwork(layers, inputs, ['head']).outputs.get('head')).toEqual({ height: 6, width: 6, channels: 6 });
    expect(() => parseNetwork(layers, inputs, ['tail'])).toThrow(/No layer is named 'tail'/);
  });
});

describe('packNetworkWeights', () => {
  const graph = parseNetwork(tinyLayers, tinyInputs);
  const weights = tinyWeights(1);

  it('takes what the network wants, in slices at multiples of 256 that do not overlap', () => {
    const { data, slices } = packNetworkWeights(graph, parseSafetensors(tinyFile(weights)), 'ohwi');
    expect([...slices.keys()].sort()).toEqual(
      ['a.conv1', 'a.conv2', 'b.conv2', 'b.fc', 'out'].flatMap((name) => [`${name}.bias`, `${name}.weight`]).sort(),
    );
    let end = 0;
    for (const { offset, bytes } of slices.values()) {
      expect(offset % 256).toBe(0);
      expect(offset).toBeGreaterThanOrEqual(end);
      end = offset + bytes;
    }
    expect(data.byteLength).toBe(end);
  });

  it.each([
    ['a.conv2.slope', /'a.conv2.slope' \[10\] is missing/],
    ['b.fc.weight', /'b.fc.weight' \[9, 140\] is missing/],
    ['out.bias', /'out.bias' \[6\] is missing/],
  ])('misses %s', (name, message) => {
    const rest = Object.fromEntries(Object.entries(weights).filter(([key]) => key !== name));
    const file = parseSafetensors(tinyFile(rest));
    expect(() => packNetworkWeights(graph, file, 'ohwi')).toThrow(WeightsError);
    expect(() => packNetworkWeights(graph, file, 'ohwi')).toThrow(message);
  });
});

describe('withVariants', () => {
  const graph = parseNetwork(tinyLayers, tinyInputs);
  const conv = graph.nodes.find(({ op }) => op === 'conv2d')?.name ?? '';
  const other = graph.nodes.find(({ op }) => op !== 'conv2d')?.name ?? '';

  it('changes the layers it names, and no other', () => {
    const chosen = withVariants(graph, new Map([[conv, 'general']]));
    for (const [i, node] of chosen.nodes.entries()) {
      if (node.name === conv) expect(node.spec).toEqual({ ...graph.nodes[i]?.spec, variant: 'general' });
      else expect(node).toBe(graph.nodes[i]);
    }
  });

  it('refuses a variant that the kernel, or the operator, does not have', () => {
    expect(() => withVariants(graph, new Map([[conv, 'winograd']]))).toThrow(
      "conv2d has no variant 'winograd'; it has general, wide, windows, split, quads.",
    );
    expect(() => withVariants(graph, new Map([[other, 'general']]))).toThrow(ShapeError);
  });
});
