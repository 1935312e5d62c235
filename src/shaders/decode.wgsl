// Vertices of the morphable model in crop pixels: X = R(q) (mean + sum of basis columns * coefficients) + (tx, ty, 0),
// then x = X.x, y = (size - 1) - X.y, z = X.z.
//
// parameters [N, stride] vec4: 0 = scaled quaternion, 1.xy = t2d, 2.. = shape coefficients, four a vec4 (a group).
// mean [3, V4] vec4 in decimetres: one axis of four vertices, V4 = V / 4 rounded up.
// basis [groups, 3, V4] vec4: the same of the offsets of a group, a word a vertex and a byte a coefficient, lowest
// first; the last is signed, the others are 128 too large.
// scale [groups] vec4: offset of coefficient 1 where the byte is 1, times 1, 2^-8, 2^-16 and 2^-24: the kernel leaves
// every byte in its place, since a mask costs less than a shift.
// vertices [N, V] vec4 = x, y, z, 0.
// One invocation computes one vertex: global id x = vertex, y = face. A software adapter (SOFTWARE), which has no
// invocations to keep busy, has one compute two blocks of four vertices, `share` apart, so that the coefficients are
// read once for all: global id x = the first of them.

struct Params {
  vertices: u32,
  // V4
  blocks: u32,
  // Half of the blocks, rounded up.
  share: u32,
  groups: u32,
  // vec4s of one face's parameters
  stride: u32,
  size: u32,
}

@group(0) @binding(0) var<storage, read> parameters: array<vec4f>;
//#if SOFTWARE
@group(0) @binding(1) var<storage, read> mean: array<vec4f>;
@group(0) @binding(2) var<storage, read> basis: array<vec4u>;
//#else
@group(0) @binding(1) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> basis: array<u32>;
//#endif
@group(0) @binding(3) var<storage, read> scale: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> vertices: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

//#include "lib/shape.wgsl"

fn translation_of(face: u32) -> vec2f {
  return parameters[face * params.stride + 1].xy;
}

fn store(face: u32, vertex: u32, x: f32, y: f32, z: f32) {
  if (vertex < params.vertices) {
    vertices[face * params.vertices + vertex] = vec4f(x, y, z, 0.0);
  }
}

//#if SOFTWARE
// Four vertices, a column an axis.
fn means(quad: u32) -> mat3x4f {
  return mat3x4f(mean[quad], mean[quad + params.blocks], mean[quad + 2 * params.blocks]);
}

fn masked(words: vec4u, mask: u32) -> vec4f {
  return vec4f(vec4i(words & vec4u(mask)));
}

fn offset(words: vec4u, c: vec4f) -> vec4f {
  return masked(words, 0xff) * c.x + masked(words, 0xff00) * c.y +
    masked(words, 0xff0000) * c.z + masked(words, 0xff000000) * c.w;
}

// What a group adds to a block of vertices; `at` is the block's place on the first axis.
fn offsets(at: u32, c: vec4f) -> mat3x4f {
  return mat3x4f(offset(basis[at], c), offset(basis[at + params.blocks], c), offset(basis[at + 2 * params.blocks], c));
}

fn project(face: u32, quad: u32, shape: mat3x4f) {
  let pose = rotation_of(parameters[face * params.stride]);
  let t = translation_of(face);
  let x = shape * pose.r0 + t.x;
  let y = f32(params.size) - 1.0 - (shape * pose.r1 + t.y);
  let z = shape * pose.r2;
  store(face, 4 * quad, x.x, y.x, z.x);
  store(face, 4 * quad + 1, x.y, y.y, z.y);
  store(face, 4 * quad + 2, x.z, y.z, z.z);
  store(face, 4 * quad + 3, x.w, y.w, z.w);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.share) {
    return;
  }
  let first = id.y * params.stride + 2;
  let other = id.x + params.share;
  // Beyond the last block it computes the last one again, and does not store it.
  let source = min(other, params.blocks - 1);
  var shape = means(id.x);
  var other_shape = means(source);
  var excess = 0.0;
  for (var group = 0u; group < params.groups; group++) {
    let c = parameters[first + group] * scale[group];
    let words = group * 3 * params.blocks;
    excess += dot(c, EXCESS);
    shape += offsets(words + id.x, c);
    other_shape += offsets(words + source, c);
  }
  let all = vec4f(excess);
  project(id.y, id.x, shape - mat3x4f(all, all, all));
  project(id.y, other, other_shape - mat3x4f(all, all, all));
}
//#else
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.vertices) {
    return;
  }
  let first = id.y * params.stride + 2;
  let axis = 4 * params.blocks;
  var shape = vec3f(mean[id.x], mean[id.x + axis], mean[id.x + 2 * axis]);
  var excess = 0.0;
  for (var group = 0u; group < params.groups; group++) {
    let c = parameters[first + group] * scale[group];
    let at = group * 3 * axis + id.x;
    excess += dot(c, EXCESS);
    shape += vec3f(offset_of(basis[at], c), offset_of(basis[at + axis], c), offset_of(basis[at + 2 * axis], c));
  }
  shape -= excess;
  let pose = rotation_of(parameters[id.y * params.stride]);
  let t = translation_of(id.y);
  let y = f32(params.size) - 1.0 - (dot(shape, pose.r1) + t.y);
  store(id.y, id.x, dot(shape, pose.r0) + t.x, y, dot(shape, pose.r2));
}
//#endif
