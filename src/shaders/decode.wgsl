// Vertices of the morphable model in crop pixels: X = R(q) (mean + sum of basis columns * coefficients) + (tx, ty, 0), then
// x = X.x, y = (size - 1) - X.y, z = X.z.
//
// parameters [N, stride] vec4: 0 = scaled quaternion, 1.xy = t2d, 2.. = shape coefficients, four a vec4 (a group).
// mean [3, V] in decimetres.
// basis [groups, 3, V]: the four offsets of a group along one axis, a byte each, lowest first; the last is signed, the others are 128 too large.
// scale [groups] vec4: offset of coefficient 1 where the byte is 1, times 1, 2^-8, 2^-16 and 2^-24: the kernel leaves every byte in its place,
// since a mask costs less than a shift.
// vertices [N, V] vec4 = x, y, z, 0.
// One invocation computes eight vertices, `share` apart, so that the coefficients are read once for all: global id x = the first of them, y = face.

struct Params {
  vertices: u32,
  // An eighth of the vertices, rounded up.
  share: u32,
  groups: u32,
  // vec4s of one face's parameters
  stride: u32,
  size: u32,
}

@group(0) @binding(0) var<storage, read> parameters: array<vec4f>;
@group(0) @binding(1) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> basis: array<u32>;
@group(0) @binding(3) var<storage, read> scale: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> vertices: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

fn mean_of(vertex: u32) -> vec3f {
  return vec3f(mean[vertex], mean[vertex + params.vertices], mean[vertex + 2 * params.vertices]);
}

fn dot_bytes(word: u32, c: vec4f) -> f32 {
  return dot(vec4f(vec4i(vec4u(word) & vec4u(0xff, 0xff00, 0xff0000, 0xff000000))), c);
}

// What a group adds to a vertex; `at` is the vertex' word on the first axis.
fn offset(at: u32, c: vec4f) -> vec3f {
  return vec3f(
    dot_bytes(basis[at], c),
    dot_bytes(basis[at + params.vertices], c),
    dot_bytes(basis[at + 2 * params.vertices], c),
  );
}

// The same for four vertices, one a column.
fn offsets(words: u32, vertex: vec4u, c: vec4f) -> mat4x3f {
  let at = words + vertex;
  return mat4x3f(offset(at.x, c), offset(at.y, c), offset(at.z, c), offset(at.w, c));
}

fn means_of(vertex: vec4u) -> mat4x3f {
  return mat4x3f(mean_of(vertex.x), mean_of(vertex.y), mean_of(vertex.z), mean_of(vertex.w));
}

fn store(face: u32, vertex: u32, shape: vec3f) {
  if (vertex >= params.vertices) {
    return;
  }
  let first = face * params.stride;
  let q = parameters[first];
  let s = q * q;
  // Rows of R(q), the transposed Hamilton matrix times |q|^2.
  let r0 = vec3f(s.x + s.y - s.z - s.w, 2.0 * (q.y * q.z + q.x * q.w), 2.0 * (q.y * q.w - q.x * q.z));
  let r1 = vec3f(2.0 * (q.y * q.z - q.x * q.w), s.x - s.y + s.z - s.w, 2.0 * (q.x * q.y + q.z * q.w));
  let r2 = vec3f(2.0 * (q.x * q.z + q.y * q.w), 2.0 * (q.z * q.w - q.x * q.y), s.x - s.y - s.z + s.w);
  let t = parameters[first + 1].xy;
  let up = dot(r1, shape) + t.y;
  vertices[face * params.vertices + vertex] =
    vec4f(dot(r0, shape) + t.x, f32(params.size) - 1.0 - up, dot(r2, shape), 0.0);
}

fn store_all(face: u32, vertex: vec4u, shapes: mat4x3f, excess: f32) {
  store(face, vertex.x, shapes[0] - excess);
  store(face, vertex.y, shapes[1] - excess);
  store(face, vertex.z, shapes[2] - excess);
  store(face, vertex.w, shapes[3] - excess);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.share) {
    return;
  }
  let first = id.y * params.stride + 2;
  let vertex = id.x + params.share * vec4u(0, 1, 2, 3);
  let others = vertex + 4 * params.share;
  // Beyond the last vertex it computes the last one again, and does not store it.
  let last = vec4u(params.vertices - 1);
  let source = min(vertex, last);
  let other_source = min(others, last);
  var shapes = means_of(source);
  var other_shapes = means_of(other_source);
  // What the bytes that are 128 too large add to every coordinate.
  var excess = 0.0;
  for (var group = 0u; group < params.groups; group++) {
    let c = parameters[first + group] * scale[group];
    let words = group * 3 * params.vertices;
    excess += dot(c, vec4f(128.0, 32768.0, 8388608.0, 0.0));
    shapes += offsets(words, source, c);
    other_shapes += offsets(words, other_source, c);
  }
  store_all(id.y, vertex, shapes, excess);
  store_all(id.y, others, other_shapes, excess);
}
