// Pose adaptive convolution: at each anchor of the face the 3 x 3 patch of the picture round the anchor's projection meets the filters;
// responses of occluded anchors are halved.
// output[n, a, c] = relu(m (sum over v, u, rgb of W[c, v, u, rgb] I[y + v - 1, x + u - 1, rgb] + b[c])), m = 0.5 where occluded, else 1.
//
// vertices [N, V] vec4 crop pixels; visibility [N, size, size] keys of raster.wgsl; anchors [A]; image [N, size, size] vec4 = r, g, b, 0.
// weights [C4, 28] vec4: 27 taps in the order v, u, rgb, then the bias, of four channels (0 for padding channels).
// output [N, A, C4] vec4.
// The patch is sampled bilinearly on image axes; pixels outside the crop are 0, and so is the whole patch of an anchor that is not finite
// or 2048 px or more away. Occluded: the anchor's triangle faces away or is one that raster.wgsl skips, or, inside the crop, the pixel nearest
// to the anchor shows something nearer than that triangle by more than the tolerance.
// One invocation computes all channels of two anchors, `share` apart, so that the weights are read once for both: global id x = the first of
// them, y = face. With shared_geometry, face 0's vertices and visibility serve all.

//#include "lib/triangle.wgsl"

struct Params {
  vertices: u32,
  size: u32,
  id_bits: u32,
  depth_shift: u32,
  anchors: u32,
  // Half the anchors, rounded up.
  share: u32,
  // vec4s of output channels
  blocks: u32,
  shared_geometry: u32,
}

struct Anchor {
  v0: u32,
  v1: u32,
  v2: u32,
  w0: f32,
  w1: f32,
  w2: f32,
}

@group(0) @binding(0) var<storage, read> vertices: array<vec4f>;
@group(0) @binding(1) var<storage, read> visibility: array<u32>;
@group(0) @binding(2) var<storage, read> anchors: array<Anchor>;
@group(0) @binding(3) var<storage, read> image: array<vec4f>;
@group(0) @binding(4) var<storage, read> weights: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

// Without a branch: loading the nearest pixel in vain is cheaper than parting neighbours.
fn pixel(at: vec2i, first: u32) -> vec3f {
  let size = i32(params.size);
  let nearest = clamp(at, vec2i(0), vec2i(size - 1));
  return select(vec3f(), image[first + u32(nearest.y * size + nearest.x)].rgb, all(nearest == at));
}

// Three samples one pixel apart, each between two neighbours; `start` is the pixel left of the first.
fn across(start: vec2i, weight: f32, first: u32) -> mat3x3f {
  let p0 = pixel(start, first);
  let p1 = pixel(start + vec2i(1, 0), first);
  let p2 = pixel(start + vec2i(2, 0), first);
  let p3 = pixel(start + vec2i(3, 0), first);
  return mat3x3f(p0 + (p1 - p0) * weight, p1 + (p2 - p1) * weight, p2 + (p3 - p2) * weight);
}

// The patch of an anchor: its rows, each a matrix with one sample's colour in a column; and the factor of the responses.
struct Samples {
  upper: mat3x3f,
  middle: mat3x3f,
  lower: mat3x3f,
  response: f32,
}

fn occluded(t: SnappedTriangle, position: vec3f, first: u32) -> bool {
  if (t.area >= 0) {
    return true;
  }
  let size = i32(params.size);
  let nearest = vec2i(floor(position.xy + 0.5));
  if (any(nearest < vec2i(0)) || any(nearest >= vec2i(size))) {
    return false;
  }
  let key = visibility[first + u32(nearest.y * size + nearest.x)];
  return hidden_behind(key, flat_depth(t, params.size), params.id_bits, params.depth_shift);
}

fn gather(index: u32, face: u32) -> Samples {
  let pixels = params.size * params.size;
  let geometry = select(face, 0u, params.shared_geometry != 0);
  let anchor = anchors[index];
  let a = vertices[geometry * params.vertices + anchor.v0].xyz;
  let b = vertices[geometry * params.vertices + anchor.v1].xyz;
  let c = vertices[geometry * params.vertices + anchor.v2].xyz;
  let position = anchor.w0 * a + anchor.w1 * b + anchor.w2 * c;

  var samples: Samples;
  samples.response = 0.5;
  if (in_range(vec3f(position.xy, 0.0))) {
    if (!occluded(snap_triangle(a, b, c), position, geometry * pixels)) {
      samples.response = 1.0;
    }
    // Four rows of four pixels hold all nine samples, which share one fractional position.
    let base = floor(position.xy);
    let weight = position.xy - base;
    let corner = vec2i(base) - 1;
    let first = face * pixels;
    let row0 = across(corner, weight.x, first);
    let row1 = across(corner + vec2i(0, 1), weight.x, first);
    let row2 = across(corner + vec2i(0, 2), weight.x, first);
    let row3 = across(corner + vec2i(0, 3), weight.x, first);
    samples.upper = row0 + (row1 - row0) * weight.y;
    samples.middle = row1 + (row2 - row1) * weight.y;
    samples.lower = row2 + (row3 - row2) * weight.y;
  }
  return samples;
}

// Weights of one sample of the patch: a column for each of r, g, b.
fn sample_weights(at: u32) -> mat3x4f {
  return mat3x4f(weights[at], weights[at + 1], weights[at + 2]);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.share) {
    return;
  }
  let second = id.x + params.share;
  // With an odd number of anchors the last one is gathered twice, and stored once.
  let p = gather(id.x, id.y);
  let q = gather(min(second, params.anchors - 1), id.y);
  for (var quad = 0u; quad < params.blocks; quad++) {
    let first = quad * 28;
    let bias = weights[first + 27];
    var p_sum = bias;
    var q_sum = bias;
    let upper0 = sample_weights(first);
    let upper1 = sample_weights(first + 3);
    let upper2 = sample_weights(first + 6);
    p_sum += upper0 * p.upper[0] + upper1 * p.upper[1] + upper2 * p.upper[2];
    q_sum += upper0 * q.upper[0] + upper1 * q.upper[1] + upper2 * q.upper[2];
    let middle0 = sample_weights(first + 9);
    let middle1 = sample_weights(first + 12);
    let middle2 = sample_weights(first + 15);
    p_sum += middle0 * p.middle[0] + middle1 * p.middle[1] + middle2 * p.middle[2];
    q_sum += middle0 * q.middle[0] + middle1 * q.middle[1] + middle2 * q.middle[2];
    let lower0 = sample_weights(first + 18);
    let lower1 = sample_weights(first + 21);
    let lower2 = sample_weights(first + 24);
    p_sum += lower0 * p.lower[0] + lower1 * p.lower[1] + lower2 * p.lower[2];
    q_sum += lower0 * q.lower[0] + lower1 * q.lower[1] + lower2 * q.lower[2];
    let start = id.y * params.anchors * params.blocks + quad;
    output[start + id.x * params.blocks] = max(p_sum * p.response, vec4f());
    if (second < params.anchors) {
      output[start + second * params.blocks] = max(q_sum * q.response, vec4f());
    }
  }
}
