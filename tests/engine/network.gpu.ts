import {
  createTensor,
  Gpu,
  NetworkWeights,
  NetworkWorkspace,
  PlanBuilder,
  packNetworkWeights,
  parseNetwork,
  parseSafetensors,
  recordNetwork,
  ShapeError,
  WeightsError,
} from '../../src/engine/index.js';
import { expectClose, expectEqual, expectError, expectThat } from '../browser/numbers.js';
import { gpuSuite } from '../browser/suite.js';
import { runNetwork } from '../reference/network.js';
import { expectTensor, poisonedTensor, randomBatch, runSteps, uploadTensor } from './tensors.js';
import {
  depthwiseFile,
  depthwiseLayers,
  depthwiseWeights,
  tinyFile,
  tinyInputs,
  tinyLayers,
  tinyWeights,
} from './tiny-network.js';

const tolerance = { atol: 2e-6, rtol: 2e-5 } as const;

function uploadWeights(gpu: Gpu, seed: number) {
  const graph = parseNetwork(tinyLayers, tinyInputs);
  const values = tinyWeights(seed);
  const weights = new NetworkWeights(
    gpu,
    `weights ${seed}`,
    packNetworkWeights(graph, parseSafetensors(tinyFile(values)), 'ohwi'),
  );
  return { graph, values, weights };
}

export const network = gpuSuite('network', (test) => {
  for (const batch of [1, 3]) {
    test(`every operator together, batch ${batch}`, async ({ gpu }) => {
      const { graph, values, weights } = uploadWeights(gpu, 1);
      const stem = randomBatch(1, batch, tinyInputs.stem);
      // The stem's last two channels carry no weights; the format says that they are 0.
      const padded = { ...stem, values: stem.values.map((value, index) => (index % 8 < 6 ? value : 0)) };
      const inputs = { stem: padded, paf: randomBatch(2, batch, tinyInputs.paf) };
      const workspace = new NetworkWorkspace(gpu, 'workspace', graph, batch);
      const output = poisonedTensor(gpu, 'output', graph.output.shape, batch);
      const tensors = { stem: uploadTensor(gpu, 'stem', inputs.stem), paf: uploadTensor(gpu, 'paf', inputs.paf) };
      await runSteps(
        gpu,
        (builder) => recordNetwork(builder, { graph, weights, workspace, inputs: tensors, output }),
        batch,
      );
      const expected = runNetwork(tinyLayers, values, inputs).get('out');
      expectThat(expected !== undefined, 'the reference has no output');
      await expectTensor(gpu, output, expected, tolerance);
    });
  }

  test('depthwise, padded on one side, with a residual that gains channels and two outputs', async ({ gpu }) => {
    const batch = 2;
    const graph = parseNetwork(depthwiseLayers, { stem: tinyInputs.stem }, ['head']);
    const values = depthwiseWeights(7);
    const packed = packNetworkWeights(graph, parseSafetensors(depthwiseFile(values)), 'ohwi');
    const weights = new NetworkWeights(gpu, 'weights', packed);
    const workspace = new NetworkWorkspace(gpu, 'workspace', graph, batch);
    const stem = randomBatch(3, batch, tinyInputs.stem);
    const inputs = { stem: uploadTensor(gpu, 'stem', stem) };
    const headShape = graph.outputs.get('head');
    expectThat(headShape !== undefined, 'head is no output');
    const head = poisonedTensor(gpu, 'head', headShape, batch);
    const output = poisonedTensor(gpu, 'output', graph.output.shape, batch);
    await runSteps(
      gpu,
      (builder) => recordNetwork(builder, { graph, weights, workspace, inputs, output, outputs: { head } }),
      batch,
    );
    const expected = runNetwork(depthwiseLayers, values, { stem });
    for (const [tensor, name] of [
      [head, 'head'],
      [output, 'pooled'],
    ] as const) {
      const wanted = expected.get(name);
      expectThat(wanted !== undefined, `the reference has no ${name}`);
      await expectTensor(gpu, tensor, wanted, tolerance);
    }
    await expectError(
      () => recordNetwork(new PlanBuilder(gpu, 'network'), { graph, weights, workspace, inputs, output }),
      ShapeError,
      /output 'head' is missing/,
    );
  });

  test('two sets of weights share one workspace in one plan', async ({ gpu }) => {
    const sets = [uploadWeights(gpu, 1), uploadWeights(gpu, 2)];
    const [{ graph }] = [uploadWeights(gpu, 3)];
    const workspace = new NetworkWorkspace(gpu, 'workspace', graph);
    const inputs = { stem: randomBatch(1, 1, tinyInputs.stem), paf: randomBatch(2, 1, tinyInputs.paf) };
    const tensors = { stem: uploadTensor(gpu, 'stem', inputs.stem), paf: uploadTensor(gpu, 'paf', inputs.paf) };
    const outputs = sets.map((_, index) => poisonedTensor(gpu, `output ${index}`, graph.output.shape, 1));
    await runSteps(
      gpu,
      (builder) => {
        for (const [index, { weights }] of sets.entries()) {
          const output = outputs[index];
          expectThat(output !== undefined, 'no output');
          recordNetwork(builder, { graph, weights, workspace, inputs: tensors, output, labelPrefix: `${index}: ` });
        }
      },
      1,
    );
    for (const [index, { values }] of sets.entries()) {
      const expected = runNetwork(tinyLayers, values, inputs).get('out');
      const output = outputs[index];
      expectThat(expected !== undefined && output !== undefined, 'no output');
      await expectTensor(gpu, output, expected, tolerance);
    }
  });

  test('intermediate results can be watched, and stages carry the layers names', async ({ gpu }) => {
    const { graph, values, weights } = uploadWeights(gpu, 1);
    const workspace = new NetworkWorkspace(gpu, 'workspace', graph);
    const inputs = { stem: randomBatch(1, 1, tinyInputs.stem), paf: randomBatch(2, 1, tinyInputs.paf) };
    const tensors = { stem: uploadTensor(gpu, 'stem', inputs.stem), paf: uploadTensor(gpu, 'paf', inputs.paf) };
    const output = createTensor(gpu, 'output', graph.output.shape);
    const builder = new PlanBuilder(gpu, 'network');
    recordNetwork(builder, { graph, weights, workspace, inputs: tensors, output, labelPrefix: 'k0 ' });
    const plan = await builder.build();
    expectEqual(
      [...new Set(plan.steps.map(({ stage }) => stage))],
      [
        'conv a.conv1 + a.pool1',
        'conv a.conv2',
        'add a.residual',
        'average pool a.average',
        'max pool b.pool1',
        'conv b.conv2',
        'fully connected b.fc',
        'concat concat',
        'fully connected out',
      ],
    );
    const { buffer, offset } = workspace.tensor('a.average');
    const seen = await plan.debug([{ after: 'k0 average pool a.average', buffer, offset, bytes: 48 }]);
    const expected = runNetwork(tinyLayers, values, inputs).get('a.average');
    const floats = new Float32Array(seen.get('k0 average pool a.average') ?? new ArrayBuffer(0));
    expectClose(floats, [...(expected?.values ?? []), 0, 0], tolerance);
  });

  test('shares memory between results, and frees all of it', async ({ gpu }) => {
    const before = gpu.memory;
    const { graph, weights } = uploadWeights(gpu, 1);
    const workspace = new NetworkWorkspace(gpu, 'workspace', graph, 4);
    const separate = graph.nodes.slice(0, -1).reduce((sum, { output }) => {
      const { shape } = workspace.tensor(output);
      return sum + 4 * shape.height * shape.width * Math.ceil(shape.channels / 4) * 16;
    }, 0);
    expectThat(workspace.bytes < 0.7 * separate, `${workspace.bytes} bytes shared, ${separate} apart`);
    expectEqual(gpu.memory.bytes - before.bytes, workspace.bytes + weights.bytes);
    weights.destroy();
    workspace.destroy();
    expectEqual(gpu.memory, before);
  });

  test('works on a device with default limits', async () => {
    const adapter = await navigator.gpu.requestAdapter();
    const plain = await adapter?.requestDevice();
    expectThat(plain !== undefined, 'no device');
    const gpu = await Gpu.create({ device: plain });
    try {
      const { graph, values, weights } = uploadWeights(gpu, 1);
      const inputs = { stem: randomBatch(1, 1, tinyInputs.stem), paf: randomBatch(2, 1, tinyInputs.paf) };
      const tensors = { stem: uploadTensor(gpu, 'stem', inputs.stem), paf: uploadTensor(gpu, 'paf', inputs.paf) };
      const workspace = new NetworkWorkspace(gpu, 'workspace', graph);
      const output = poisonedTensor(gpu, 'output', graph.output.shape, 1);
      await runSteps(
        gpu,
        (builder) => recordNetwork(builder, { graph, weights, workspace, inputs: tensors, output }),
        1,
      );
      const expected = runNetwork(tinyLayers, values, inputs).get('out');
      expectThat(expected !== undefined, 'the reference has no output');
      await expectTensor(gpu, output, expected, tolerance);
    } finally {
      gpu.destroy();
      plain.destroy();
    }
  });

  test('refuses tensors and weights that are not its own', async ({ gpu }) => {
    const { graph, weights } = uploadWeights(gpu, 1);
    const workspace = new NetworkWorkspace(gpu, 'workspace', graph);
    const stem = createTensor(gpu, 'stem', tinyInputs.stem);
    const paf = createTensor(gpu, 'paf', tinyInputs.paf);
    const output = createTensor(gpu, 'output', graph.output.shape);
    const builder = new PlanBuilder(gpu, 'network');
    const good = { graph, weights, workspace, inputs: { stem, paf }, output };
    const refuse = (
      change: Partial<typeof good>,
      message: RegExp,
      type: typeof ShapeError | typeof WeightsError = ShapeError,
    ) => expectError(() => recordNetwork(builder, { ...good, ...change }), type, message);
    await expectError(
      () => recordNetwork(builder, { ...good, inputs: { stem } }),
      ShapeError,
      /input 'paf' \[8, 9, 5\] is missing/,
    );
    await refuse(
      { inputs: { stem: paf, paf } },
      /Network input 'stem' 'paf' has shape \[8, 9, 5\]; wanted \[13, 12, 8\]/,
    );
    await refuse({ output: paf }, /Output of fullyConnected 'paf' has shape/);
    const twice = createTensor(gpu, 'output', graph.output.shape, 2);
    await refuse({ output: twice }, /'output' has room for a batch of 2, .* for 1/);
    const other = new NetworkWeights(gpu, 'other', { data: new Uint8Array(16), slices: new Map() });
    await refuse({ weights: other }, /'other' has no 'a.conv1.weight'/, WeightsError);
    await expectError(() => workspace.tensor('a.conv1'), ShapeError, /no 'a.conv1'; it has a.pool1/);
  });
});
