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
// One invocation computes all channels of one anchor: global id x = anchor, y = face. With shared_geometry, face 0's vertices and
// visibility serve all.

//#include "lib/triangle.wgsl"

struct Params {
  vertices: u32,
  size: u32,
  id_bits: u32,
  depth_shift: u32,
  anchors: u32,
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

// What one row of the patch adds to four channels; `at` is the first of the row's nine weights.
fn filter_row(at: u32, row: mat3x3f) -> vec4f {
  return mat3x4f(weights[at], weights[at + 1], weights[at + 2]) * row[0]
    + mat3x4f(weights[at + 3], weights[at + 4], weights[at + 5]) * row[1]
    + mat3x4f(weights[at + 6], weights[at + 7], weights[at + 8]) * row[2];
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

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.anchors) {
    return;
  }
  let pixels = params.size * params.size;
  let geometry = select(id.y, 0u, params.shared_geometry != 0);
  let anchor = anchors[id.x];
  let a = vertices[geometry * params.vertices + anchor.v0].xyz;
  let b = vertices[geometry * params.vertices + anchor.v1].xyz;
  let c = vertices[geometry * params.vertices + anchor.v2].xyz;
  let position = anchor.w0 * a + anchor.w1 * b + anchor.w2 * c;

  var response = 0.5;
  // Rows of the patch; a column of a matrix is one sample's colour.
  var upper: mat3x3f;
  var middle: mat3x3f;
  var lower: mat3x3f;
  if (in_range(vec3f(position.xy, 0.0))) {
    if (!occluded(snap_triangle(a, b, c), position, geometry * pixels)) {
      response = 1.0;
    }
    // Four rows of four pixels hold all nine samples, which share one fractional position.
    let base = floor(position.xy);
    let weight = position.xy - base;
    let corner = vec2i(base) - 1;
    let first = id.y * pixels;
    let row0 = across(corner, weight.x, first);
    let row1 = across(corner + vec2i(0, 1), weight.x, first);
    let row2 = across(corner + vec2i(0, 2), weight.x, first);
    let row3 = across(corner + vec2i(0, 3), weight.x, first);
    upper = row0 + (row1 - row0) * weight.y;
    middle = row1 + (row2 - row1) * weight.y;
    lower = row2 + (row3 - row2) * weight.y;
  }

  for (var quad = 0u; quad < params.blocks; quad++) {
    let first = quad * 28;
    let sum = weights[first + 27] + filter_row(first, upper) + filter_row(first + 9, middle) + filter_row(first + 18, lower);
    output[(id.y * params.anchors + id.x) * params.blocks + quad] = max(sum * response, vec4f());
  }
}
