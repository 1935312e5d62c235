/**
 * Decoding on the CPU in float64: shape `S = mean + A_id a_id + A_exp a_exp` (CVPR eq. 1) and projection `X = R(q) S +
 * t` (eq. 2 and 5). The reference of shaders/decode.wgsl, and what a caller without a GPU at hand can use.
 */

import { InputError } from '../engine/errors.js';
import { expectFields, expectNumbers, expectObject, expectPositive, refuse } from '../engine/expect.js';
import { list } from '../engine/show.js';
import { type PixelTransform, rotate, turnOf } from '../pictures/crop.js';
import type { QuantisedBasis, ShapeModel } from './model.js';
import { type ParameterLayout, quaternionOf, translationOf } from './parameters.js';
import { quaternionToMatrix } from './pose.js';

/**
 * Face shape in the model frame.
 * @returns [V,3] in decimetres, y up
 * @throws InputError for what is no model, or coefficients that are no numbers.
 */
export function decodeShape(
  model: ShapeModel,
  identity: ArrayLike<number>,
  expression: ArrayLike<number>,
): Float64Array<ArrayBuffer> {
  checkModel(model);
  expectNumbers('identity', identity);
  expectNumbers('expression', expression);
  const shape = Float64Array.from(model.mean);
  accumulate(shape, model.identity, identity);
  accumulate(shape, model.expression, expression);
  return shape;
}

/**
 * Vertices of one parameter vector in crop pixels: x right, y down, z toward the viewer.
 * @param cropSize S; the flip to y down is `(S - 1) - y`
 * @returns [V,3]
 * @throws InputError for what is no model or layout, or parameters that do not fit it.
 */
export function decodeVertices(
  model: ShapeModel,
  layout: ParameterLayout,
  parameters: Float32Array | Float64Array,
  cropSize: number,
): Float64Array<ArrayBuffer> {
  expectObject(layout, 'The layout');
  for (const span of [layout.identity, layout.expression]) expectNumbers('a span of the layout', span, 2);
  expectPositive('cropSize', cropSize);
  expectNumbers('parameters', parameters, layout.count);
  const [identity, identityCount] = layout.identity;
  const [expression, expressionCount] = layout.expression;
  const vertices = decodeShape(
    model,
    parameters.slice(identity, identity + identityCount),
    parameters.slice(expression, expression + expressionCount),
  );
  const r = quaternionToMatrix(quaternionOf(parameters));
  const [tx, ty] = translationOf(parameters);
  for (let i = 0; i < vertices.length; i += 3) {
    const [x, y, z] = [vertices[i]!, vertices[i + 1]!, vertices[i + 2]!];
    vertices[i] = r[0] * x + r[1] * y + r[2] * z + tx;
    vertices[i + 1] = cropSize - 1 - (r[3] * x + r[4] * y + r[5] * z + ty);
    vertices[i + 2] = r[6] * x + r[7] * y + r[8] * z;
  }
  return vertices;
}

/**
 * Points [n,3] at the vertices `indices`, e.g. the 68 landmarks.
 * @throws InputError for an index that has no vertex.
 */
export function pickVertices(vertices: ArrayLike<number>, indices: ArrayLike<number>): Float64Array<ArrayBuffer> {
  expectNumbers('vertices', vertices);
  expectNumbers('indices', indices);
  const points = new Float64Array(indices.length * 3);
  for (let i = 0; i < points.length; i++) {
    const index = indices[Math.floor(i / 3)];
    points[i] =
      vertices[(index ?? 0) * 3 + (i % 3)] ?? refuse('index', index, `one of ${vertices.length / 3} vertices`);
  }
  return points;
}

/**
 * Moves points [n,3] from crop pixels to picture pixels in place; z is scaled with x and y.
 * @throws InputError for points or a transform that are none.
 */
export function toPicturePixels<T extends Float32Array | Float64Array>(points: T, transform: PixelTransform): T {
  expectNumbers('points', points);
  expectFields('transform', transform, ['scale', 'x0', 'y0']);
  const { scale, roll = 0, x0, y0 } = transform;
  expectNumbers("The transform's roll", [roll]);
  const turn = turnOf(roll);
  for (let i = 0; i + 2 < points.length; i += 3) {
    const [x, y] = rotate(points[i]!, points[i + 1]!, turn);
    points[i] = x * scale + x0;
    points[i + 1] = y * scale + y0;
    points[i + 2] = points[i + 2]! * scale;
  }
  return points;
}

/** @throws InputError for what is no face model of `loadFaceModel`'s. */
export function checkModel(model: ShapeModel): void {
  expectObject(model, 'The model');
  const parts: Partial<ShapeModel> = model;
  const { mean } = parts;
  const fits = (['identity', 'expression'] as const).every((name) => {
    const { count, values, scale }: Partial<QuantisedBasis> = parts[name] ?? {};
    if (!(mean instanceof Float32Array && values instanceof Int8Array && scale instanceof Float32Array)) return false;
    return values.length === mean.length * scale.length && count === scale.length;
  });
  if (!fits) refuseModel(model);
}

/** @throws InputError, always: a model that is not one of `loadFaceModel`'s, by the names of what it has. */
export function refuseModel(model: object): never {
  throw new InputError(`The model has ${list(Object.keys(model)) || 'nothing'}; wanted one of loadFaceModel's.`);
}

function accumulate(shape: Float64Array, basis: QuantisedBasis, coefficients: ArrayLike<number>): void {
  for (let column = 0; column < basis.count; column++) {
    const factor = (coefficients[column] ?? 0) * basis.scale[column]!;
    if (factor === 0) continue;
    const base = column * shape.length;
    for (let i = 0; i < shape.length; i++) shape[i] = shape[i]! + factor * basis.values[base + i]!;
  }
}
