/**
 * The whole cascade in float64 over one face: crop, mesh, features, network, update, turn, and the next crop, iteration
 * after iteration.
 */
import type { CascadeWeights } from '../../src/cascade/weights.js';
import { requireFloats, requireTensor } from '../../src/engine/safetensors.js';
import { decodeShape, decodeVertices } from '../../src/mmm/decode.js';
import { coarseMesh, selectVertices, wholeMesh } from '../../src/mmm/model.js';
import { cropReference, type Picture } from './crop.js';
import { batchOf } from './layers.js';
import { type ReferenceLayer, type ReferenceWeights, runNetwork, weightShapes } from './network.js';
import { gatherReference, pafReference, rasterReference, resolveReference } from './raster.js';
import { type ReferenceCrop, recropReference, turnReference } from './recrop.js';

export interface ReferenceStep {
  readonly crop: ReferenceCrop;
  /** In the crop. */
  readonly parameters: Float64Array<ArrayBuffer>;
}

/**
 * Runs `iterations` iterations from `start`.
 * @param layers of network.json
 * @param from number of the first iteration
 * @returns p^{from} .. p^{from + iterations}, each with the crop that it is given in
 */
export function runCascade(
  weights: CascadeWeights,
  layers: readonly ReferenceLayer[],
  picture: Picture,
  start: ReferenceStep,
  iterations: number,
  from = 0,
): readonly ReferenceStep[] {
  const { model, network } = weights;
  const { cropSize: size, parameters: layout, pac, recrop } = network;
  const { shape, triangles, codes, anchors } = coarseMesh(model, wholeMesh(model));
  const points = selectVertices(model, model.landmarks);
  const steps = [start];
  for (let k = from; k < from + iterations; k++) {
    const { crop, parameters } = steps.at(-1)!;
    const file = weights.iterations[k]!;
    const image = cropReference(picture, crop.centreX, crop.centreY, crop.side, size, crop.roll);
    const mesh = { vertices: Float32Array.from(decodeVertices(shape, layout, parameters, size)), triangles };
    const drawn = rasterReference(mesh, size);
    const pncc = resolveReference(mesh, codes, drawn, size);
    const gathered = gatherReference(mesh, anchors.vertices, anchors.weights, drawn, image, size);
    const paf = pafReference(
      gathered,
      requireFloats(file, `${pac.name}.weight`, [pac.outChannels, 3, 3, 3]),
      requireFloats(file, `${pac.name}.bias`, [pac.outChannels]),
    );
    const stem = new Float64Array(size * size * 8);
    for (let pixel = 0; pixel < size * size; pixel++) {
      stem.set([...image.subarray(pixel * 3, pixel * 3 + 3), ...pncc.subarray(pixel * 3, pixel * 3 + 3)], pixel * 8);
    }
    const tensors: Record<string, Float32Array<ArrayBuffer>> = {};
    for (const [name, of] of Object.entries(weightShapes(layers))) {
      tensors[name] = requireTensor(file, name, 'F32', of).data;
    }
    const results = runNetwork(layers, tensors as ReferenceWeights, {
      stem: batchOf(1, { height: size, width: size, channels: 8 }, stem),
      paf: batchOf(1, { height: pac.rows, width: pac.columns, channels: pac.outChannels }, paf),
    });
    const update = results.get(layers.at(-1)!.name)!.values;
    const sum = parameters.map((value, i) => value + update[i]!);
    if (recrop === undefined) {
      steps.push({ crop, parameters: sum });
      continue;
    }
    const turned = turnReference(sum);
    if (k + 1 === weights.iterations.length) {
      steps.push({ crop, parameters: turned });
      continue;
    }
    const [[i, n], [e, m]] = [layout.identity, layout.expression];
    const landmarks = decodeShape(points, turned.subarray(i, i + n), turned.subarray(e, e + m));
    steps.push(recropReference(landmarks, turned, crop, size, recrop.margin));
  }
  return steps;
}
