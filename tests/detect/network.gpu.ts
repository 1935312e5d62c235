import { parseDetectorWeights } from '../../src/detect/index.js';
import {
  type Candidate,
  countCandidates,
  listBytes,
  readCandidates,
  recordCandidates,
} from '../../src/detect/kernels/candidates.js';
import { DETECTOR_KINDS } from '../../src/detect/kinds.js';
import {
  NetworkWeights,
  NetworkWorkspace,
  packNetworkWeights,
  parseNetwork,
  recordNetwork,
} from '../../src/engine/network.js';
import { readBuffer } from '../../src/engine/readback.js';
import { parseSafetensors, requireFloats } from '../../src/engine/safetensors.js';
import { tensorBytes, unpackTensor } from '../../src/engine/tensor.js';
import { expectClose, expectEqual, expectThat, POISON, poison } from '../browser/numbers.js';
import { type GpuCaseContext, gpuSuite } from '../browser/suite.js';
import { expectTensor, poisonedTensor, randomBatch, runSteps, uploadTensor } from '../engine/tensors.js';
import { type Batch, batchOf } from '../reference/layers.js';
import { type ReferenceLayer, runNetwork } from '../reference/network.js';

const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));

async function loadWeights({ load }: GpuCaseContext) {
  const [network, weights] = await Promise.all(
    ['face_detector.json', 'face_detector.safetensors'].map((file) => load(`weights/${file}`)),
  );
  expectThat(network !== undefined && weights !== undefined, 'no weights');
  const text = new TextDecoder().decode(network);
  const { layers }: { layers: ReferenceLayer[] } = JSON.parse(text);
  return { weights: parseDetectorWeights({ network: text, weights }), layers };
}

/** The shipped layers and weights on pictures of any size; the heads' results, ready to be read. */
async function runHeads(context: GpuCaseContext, picture: Batch) {
  const { gpu } = context;
  const { weights, layers } = await loadWeights(context);
  const {
    views: [{ heads }],
    file,
  } = weights;
  const graph = parseNetwork(
    layers,
    { picture: { height: picture.height, width: picture.width, channels: picture.channels } },
    heads.map(({ name }) => name),
    DETECTOR_KINDS,
  );
  const outputs = Object.fromEntries(
    [...graph.outputs].map(([name, shape]) => [name, poisonedTensor(gpu, name, shape, picture.count)]),
  );
  const output = outputs[graph.output.name];
  expectThat(output !== undefined, 'no output');
  const recording = {
    graph,
    weights: new NetworkWeights(gpu, 'weights', packNetworkWeights(graph, file, 'ohwi')),
    workspace: new NetworkWorkspace(gpu, 'workspace', graph, picture.count),
    inputs: { picture: uploadTensor(gpu, 'picture', picture) },
    output,
    outputs,
  };
  await runSteps(gpu, (builder) => recordNetwork(builder, recording), picture.count);
  return { outputs, layers, file, heads };
}

export const candidates = gpuSuite('candidates', (test) => {
  const cases: readonly (readonly [rows: number, columns: number, batch: number])[] = [
    [1, 1, 1],
    [3, 2, 2],
    [2, 3, 2],
    [9, 9, 3],
  ];
  for (const [rows, columns, batch] of cases) {
    test(`of ${rows} x ${columns} cells, batch ${batch}: those whose score reaches the threshold, and nothing else is written`, async ({
      gpu,
    }) => {
      const [first, threshold, inputSize] = [100, 0.5, 24];
      const shape = { height: rows, width: columns, channels: 16 };
      const head = randomBatch(1, batch, shape);
      const cells = rows * columns;
      // Logits from -2 to 4, and one that is no number.
      for (let cell = 0; cell < batch * cells; cell++) {
        for (const channel of [14, 15]) {
          const at = cell * 16 + channel;
          head.values[at] = Math.fround(1 + 3 * (head.values[at] ?? 0));
        }
      }
      if (cells > 1) head.values[16 + 14] = Number.NaN;
      const tags = [7, 3, 5].slice(0, batch);
      const list = gpu.createBuffer(
        'list',
        listBytes(batch * cells + 1),
        GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
      );
      poison(gpu.device, list);
      gpu.device.queue.writeBuffer(list, 0, new Uint32Array(4));
      const items = gpu.uploadBuffer(
        'items',
        Uint32Array.from(tags.flatMap((tag) => [...Array.from({ length: 9 }, () => 9), tag])),
      );
      const args = { head: uploadTensor(gpu, 'head', head), items, list };
      const step = inputSize / Math.max(rows, columns);
      const options = { inputSize, inputWidth: columns * step, first, threshold };
      await runSteps(gpu, (builder) => recordCandidates(builder, { label: 'c', stage: 'c' }, options, args), batch);

      // Of the part of the region that the head sees, which is its middle.
      const start = [(inputSize - columns * step) / 2, (inputSize - rows * step) / 2] as const;
      const expected: Candidate[] = [];
      for (let item = 0; item < batch; item++) {
        for (let cell = 0; cell < cells; cell++) {
          const of = (channel: number) => head.values[(item * cells + cell) * 16 + channel] ?? 0;
          const score = Math.sqrt(sigmoid(of(14)) * sigmoid(of(15)));
          if (!(score >= threshold)) continue;
          const corner = [cell % columns, Math.floor(cell / columns)] as const;
          const values = Float32Array.from({ length: 14 }, (_, i) =>
            i === 2 || i === 3 ? Math.exp(of(i)) * step : (start[i % 2] ?? 0) + ((corner[i % 2] ?? 0) + of(i)) * step,
          );
          expected.push({ item: tags[item] ?? 0, cell: first + cell, score, values });
        }
      }
      expected.sort((a, b) => a.item - b.item || a.cell - b.cell);
      const data = await readBuffer(gpu, list);
      const count = countCandidates(data);
      expectEqual(count, expected.length, 'count');
      if (cells > 1) expectThat(count > batch && count < batch * cells, `${count} candidates of ${batch * cells}`);
      const found = readCandidates(data, count);
      expectEqual(
        found.map(({ item, cell }) => [item, cell]),
        expected.map(({ item, cell }) => [item, cell]),
      );
      for (const [index, { score, values }] of expected.entries()) {
        expectClose([found[index]?.score ?? 0, ...(found[index]?.values ?? [])], [score, ...values], { rtol: 1e-5 });
      }
      const behind = new Uint32Array(data, listBytes(count));
      expectThat(
        behind.every((word) => word === POISON),
        'something behind the last candidate was written',
      );
    });
  }
});

export const detectorNetwork = gpuSuite('detector network', (test) => {
  test('is what its layers are in float64', async (context) => {
    const random = randomBatch(5, 1, { height: 64, width: 64, channels: 3 });
    const picture = { ...random, values: random.values.map((value) => 127 * (1 + value)) };
    const { outputs, layers, file } = await runHeads(context, picture);
    const values = Object.fromEntries(
      [...file.tensors.keys()].map((name) => [name, requireFloats(file, name, file.tensors.get(name)?.shape ?? [])]),
    );
    const expected = runNetwork(layers, values, { picture: { ...picture, values: picture.values.map(Math.fround) } });
    for (const [name, tensor] of Object.entries(outputs)) {
      const wanted: Batch | undefined = expected.get(name);
      expectThat(wanted !== undefined, `the reference has no ${name}`);
      const largest = wanted.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      await expectTensor(context.gpu, tensor, wanted, { atol: 1e-5 * largest, rtol: 1e-4 });
    }
  });

  test('gives what onnxruntime makes of the original on real pictures, upright and lying', async (context) => {
    const fixture = parseSafetensors(await context.load('tests/fixtures/detector.safetensors'));
    const stored = fixture.tensors.get('pictures');
    expectThat(stored !== undefined, 'no pictures');
    const [batch = 0, height = 0, width = 0] = stored.shape;
    const picture = batchOf(batch, { height, width, channels: 3 }, stored.data);
    const { outputs } = await runHeads(context, picture);
    let surest = 0;
    for (const stride of [8, 16, 32]) {
      const tensor = outputs[`head${stride}`];
      expectThat(tensor !== undefined, `no head of stride ${stride}`);
      const words = await readBuffer(context.gpu, tensor.buffer);
      const floats = new Float32Array(words, tensor.offset, tensorBytes(tensor.shape, batch) / 4);
      const found = unpackTensor(floats, tensor.shape.channels);
      const cells = (height / stride) * (width / stride);
      const of = (part: string, channels: number) =>
        requireFloats(fixture, `${part}_${stride}`, [batch, cells, channels]);
      const parts = [of('bbox', 4), of('kps', 10), of('cls', 1), of('obj', 1)];
      for (let cell = 0; cell < batch * cells; cell++) {
        const ours = Array.from({ length: 16 }, (_, i) => found[cell * 16 + i] ?? 0);
        const theirs = parts.flatMap((part) => {
          const channels = part.length / (batch * cells);
          return [...part.subarray(cell * channels, (cell + 1) * channels)];
        });
        const logits = ours.splice(14).map(sigmoid);
        expectClose([...ours, ...logits], theirs, { atol: 2e-3, rtol: 1e-3, label: `stride ${stride}, cell ${cell}` });
        surest = Math.max(surest, Math.sqrt((theirs[14] ?? 0) * (theirs[15] ?? 0)));
      }
    }
    expectThat(surest > 0.8, `onnxruntime's best score is ${surest}`);
  });
});
