// Vertices of the morphable model in crop pixels: X = R(q) (mean + sum of basis columns * coefficients) + (tx, ty, 0), then
// x = X.x, y = (size - 1) - X.y, z = X.z.
//
// parameters [N, stride] vec4: 0 = scaled quaternion, 1.xy = t2d, 2.. = shape coefficients, four a vec4 (a group).
// mean [V] vec4 = x, y, z, 0 in decimetres.
// basis [quads, 3, V] vec4u: component k of quad h holds the four snorm8 offsets of group 4h + k along one axis, so that neighbouring
// invocations read neighbouring words. Groups past the last are 0.
// scale [groups] vec4: offset of coefficient 1 where the snorm8 is 1.
// vertices [N, V] vec4 = x, y, z, 0.
// One invocation computes four vertices, `share` apart, so that the coefficients are read once for all: global id x = the first of them, y = face.

struct Params {
  vertices: u32,
  // A quarter of the vertices, rounded up.
  share: u32,
  groups: u32,
  // vec4s of one face's parameters
  stride: u32,
  size: u32,
}

@group(0) @binding(0) var<storage, read> parameters: array<vec4f>;
@group(0) @binding(1) var<storage, read> mean: array<vec4f>;
@group(0) @binding(2) var<storage, read> basis: array<vec4u>;
@group(0) @binding(3) var<storage, read> scale: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> vertices: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

fn coefficients(first: u32, group: u32) -> vec4f {
  // The last quad may be part empty; what lies behind it is another face's pose.
  if (group >= params.groups) {
    return vec4f();
  }
  return parameters[first + 2 + group] * scale[group];
}

fn dot_quad(words: vec4u, c: mat4x4f) -> f32 {
  return dot(unpack4x8snorm(words.x), c[0]) + dot(unpack4x8snorm(words.y), c[1])
    + dot(unpack4x8snorm(words.z), c[2]) + dot(unpack4x8snorm(words.w), c[3]);
}

// What the quad whose first axis starts at `words` adds to a vertex.
fn offset(words: u32, vertex: u32, c: mat4x4f) -> vec3f {
  let at = words + vertex;
  return vec3f(
    dot_quad(basis[at], c),
    dot_quad(basis[at + params.vertices], c),
    dot_quad(basis[at + 2 * params.vertices], c),
  );
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

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.share) {
    return;
  }
  let first = id.y * params.stride;
  // Beyond the last vertex it computes the last one again, and does not store it.
  let last = params.vertices - 1;
  let vertex = vec4u(id.x) + params.share * vec4u(0, 1, 2, 3);
  let source = min(vertex, vec4u(last));
  var shape0 = mean[source.x].xyz;
  var shape1 = mean[source.y].xyz;
  var shape2 = mean[source.z].xyz;
  var shape3 = mean[source.w].xyz;
  for (var group = 0u; group < params.groups; group += 4) {
    let c = mat4x4f(
      coefficients(first, group),
      coefficients(first, group + 1),
      coefficients(first, group + 2),
      coefficients(first, group + 3),
    );
    let words = group / 4 * 3 * params.vertices;
    shape0 += offset(words, source.x, c);
    shape1 += offset(words, source.y, c);
    shape2 += offset(words, source.z, c);
    shape3 += offset(words, source.w, c);
  }
  store(id.y, vertex.x, shape0);
  store(id.y, vertex.y, shape1);
  store(id.y, vertex.z, shape2);
  store(id.y, vertex.w, shape3);
}
