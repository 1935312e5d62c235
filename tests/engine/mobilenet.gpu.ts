import {
  NetworkWeights,
  NetworkWorkspace,
  packNetworkWeights,
  parseNetwork,
  parseSafetensors,
  recordNetwork,
  requireTensor,
} from '../../src/engine/index.js';
import { expectEqual } from '../browser/numbers.js';
import { gpuSuite } from '../browser/suite.js';
import { expectTensor, poisonedTensor, runSteps, uploadTensor } from './tensors.js';

/**
 * A network that nobody here made, converted by training/convert_3ddfa_v2.py: 3DDFA_V2's MobileNet, 49 M multiply-adds.
 */
export const mobilenet = gpuSuite('a network of others', (test) => {
  test("3DDFA_V2's MobileNet gives PyTorch's parameters", async ({ gpu, load }) => {
    const text = new TextDecoder().decode(await load('tests/fixtures/mobilenet.json'));
    const { inputSize: size, layers }: { inputSize: number; layers: unknown } = JSON.parse(text);
    const file = parseSafetensors(await load('tests/fixtures/mobilenet.safetensors'));
    const shape = { height: size, width: size, channels: 3 };
    const graph = parseNetwork(layers, { picture: shape });
    expectEqual([graph.nodes.length, graph.output.shape.channels], [29, 62]);

    const weights = new NetworkWeights(gpu, 'mobilenet', packNetworkWeights(graph, file, 'ohwi'));
    const workspace = new NetworkWorkspace(gpu, 'workspace', graph);
    const picture = requireTensor(file, 'picture', 'F32', [1, size, size, 3]).data;
    const inputs = {
      picture: uploadTensor(gpu, 'picture', { ...shape, count: 1, values: Float64Array.from(picture) }),
    };
    const output = poisonedTensor(gpu, 'parameters', graph.output.shape, 1);
    await runSteps(gpu, (builder) => recordNetwork(builder, { graph, weights, workspace, inputs, output }), 1);
    const expected = requireTensor(file, 'expected', 'F32', [1, 62]).data;
    await expectTensor(
      gpu,
      output,
      { ...graph.output.shape, count: 1, values: Float64Array.from(expected) },
      { atol: 2e-5, rtol: 2e-5 },
    );
  });
});
