// What a frame returns of each face: its parameters, then its landmarks with their visibility.
//
// parameters [N, stride] vec4; vertices [N, V] vec4 crop pixels; keys [N, size, size] of raster.wgsl;
// triangles [T, 3];
// landmarks [L, 1 + ring]: the vertex, then the triangles round it, then NONE up to `ring` of them.
// output [N, stride + L] vec4: parameters as they are, then x, y, z in crop pixels and 1 where visible, else 0.
// A landmark is visible where the triangles round it show the viewer more of their front than of their back, and,
// inside the crop, the pixel nearest to it shows nothing nearer than the vertex by more than the tolerance (the rule of
// the PAF anchors).
// One invocation writes one vec4: global id x = position in the output, y = face.

//#include "lib/triangle.wgsl"

const NONE = 0xffffffffu;

struct Params {
  vertices: u32,
  size: u32,
  id_bits: u32,
  depth_shift: u32,
  stride: u32,
  landmarks: u32,
  ring: u32,
}

@group(0) @binding(0) var<storage, read> parameters: array<vec4f>;
@group(0) @binding(1) var<storage, read> vertices: array<vec4f>;
@group(0) @binding(2) var<storage, read> keys: array<u32>;
@group(0) @binding(3) var<storage, read> triangles: array<u32>;
@group(0) @binding(4) var<storage, read> landmarks: array<u32>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

fn visible(landmark: u32, position: vec3f, face: u32) -> bool {
  if (!in_range(position)) {
    return false;
  }
  let first = face * params.vertices;
  // Areas are below 2^31 each; their sum may not be.
  var front = 0.0;
  for (var i = 1u; i <= params.ring; i++) {
    let triangle = landmarks[landmark + i];
    if (triangle == NONE) {
      break;
    }
    let t = snap_triangle(
      vertices[first + triangles[triangle * 3]].xyz,
      vertices[first + triangles[triangle * 3 + 1]].xyz,
      vertices[first + triangles[triangle * 3 + 2]].xyz,
    );
    front -= f32(t.area);
  }
  if (front <= 0.0) {
    return false;
  }
  let size = i32(params.size);
  let nearest = vec2i(floor(position.xy + 0.5));
  if (any(nearest < vec2i(0)) || any(nearest >= vec2i(size))) {
    return true;
  }
  let key = keys[face * params.size * params.size + u32(nearest.y * size + nearest.x)];
  // The vertex stands for a triangle of its own depth.
  let depth = 3 * (snap(position).z + SUBPIXEL * size);
  return !hidden_behind(key, depth, params.id_bits, params.depth_shift);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let count = params.stride + params.landmarks;
  if (id.x >= count) {
    return;
  }
  var value: vec4f;
  if (id.x < params.stride) {
    value = parameters[id.y * params.stride + id.x];
  } else {
    let landmark = (id.x - params.stride) * (1 + params.ring);
    let position = vertices[id.y * params.vertices + landmarks[landmark]].xyz;
    value = vec4f(position, select(0.0, 1.0, visible(landmark, position, id.y)));
  }
  output[id.y * count + id.x] = value;
}
