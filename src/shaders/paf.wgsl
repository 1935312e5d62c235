// Pose adaptive convolution: at each anchor of the face the 3 x 3 patch of the picture round the anchor's projection meets the filters;
// responses of occluded anchors are halved.
// output[n, a, c] = relu(m (sum over v, u, rgb of W[c, v, u, rgb] I[y + v - 1, x + u - 1, rgb] + b[c])), m = 0.5 where occluded, else 1.
//
// vertices [N, V] vec4 crop pixels; visibility [N, size, size] keys of raster.wgsl; anchors [A];
// pixels [N, size, size] = r | g << 16, b in unorm16.
// filters [4, 28] vec4: 27 taps in the order v, u, rgb, then the bias, of four channels (0 for padding channels).
// output [N, A, C4] vec4.
// The patch is sampled bilinearly on image axes; pixels outside the crop are 0, and so is the whole patch of an anchor that is not finite
// or 2048 px or more away. Occluded: the anchor's triangle faces away or is one that raster.wgsl skips, or, inside the crop, the pixel nearest
// to the anchor shows something nearer than that triangle by more than the tolerance.
// One invocation computes up to 16 channels, from the block params.first_block on, of three anchors, `share` apart: global id x = the first of
// them, y = face. With shared_geometry, face 0's vertices and visibility serve all. All invocations read the same filters at constant places,
// which uniform memory is made for.

//#include "lib/triangle.wgsl"

struct Params {
  vertices: u32,
  size: u32,
  id_bits: u32,
  depth_shift: u32,
  anchors: u32,
  // A third of the anchors, rounded up.
  share: u32,
  // vec4s of output channels
  blocks: u32,
  first_block: u32,
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
@group(0) @binding(3) var<storage, read> pixels: array<vec2u>;
@group(0) @binding(4) var<uniform> filters: array<vec4f, 112>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

// Without a branch: loading the nearest pixel in vain is cheaper than parting neighbours.
fn pixel(at: vec2i, first: u32) -> vec3f {
  let size = i32(params.size);
  let nearest = clamp(at, vec2i(0), vec2i(size - 1));
  let packed = pixels[first + u32(nearest.y * size + nearest.x)];
  let colour = vec3f(unpack2x16unorm(packed.x), unpack2x16unorm(packed.y).x);
  return select(vec3f(), colour, all(nearest == at));
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

// Component by component: `.xyz` would load the whole vector.
fn vertex_at(at: u32) -> vec3f {
  return vec3f(vertices[at].x, vertices[at].y, vertices[at].z);
}

fn gather(index: u32, face: u32) -> Samples {
  let area = params.size * params.size;
  let geometry = select(face, 0u, params.shared_geometry != 0);
  let anchor = anchors[index];
  let a = vertex_at(geometry * params.vertices + anchor.v0);
  let b = vertex_at(geometry * params.vertices + anchor.v1);
  let c = vertex_at(geometry * params.vertices + anchor.v2);
  let position = anchor.w0 * a + anchor.w1 * b + anchor.w2 * c;

  var samples: Samples;
  samples.response = 0.5;
  if (in_range(vec3f(position.xy, 0.0))) {
    if (!occluded(snap_triangle(a, b, c), position, geometry * area)) {
      samples.response = 1.0;
    }
    // Four rows of four pixels hold all nine samples, which share one fractional position.
    let base = floor(position.xy);
    let weight = position.xy - base;
    let corner = vec2i(base) - 1;
    let first = face * area;
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

// Filters of one sample of the patch: a column for each of r, g, b.
fn taps(at: u32) -> mat3x4f {
  return mat3x4f(filters[at], filters[at + 1], filters[at + 2]);
}

// Responses of four channels at three anchors, whose numbers are `at`. `part` is a constant wherever this is called.
fn respond(part: u32, face: u32, at: vec3u, p: Samples, q: Samples, r: Samples) {
  let channels = params.first_block + part;
  if (channels < params.blocks) {
    let first = 28 * part;
    let bias = filters[first + 27];
    let sums = mat3x4f(bias, bias, bias)
      + taps(first) * mat3x3f(p.upper[0], q.upper[0], r.upper[0])
      + taps(first + 3) * mat3x3f(p.upper[1], q.upper[1], r.upper[1])
      + taps(first + 6) * mat3x3f(p.upper[2], q.upper[2], r.upper[2])
      + taps(first + 9) * mat3x3f(p.middle[0], q.middle[0], r.middle[0])
      + taps(first + 12) * mat3x3f(p.middle[1], q.middle[1], r.middle[1])
      + taps(first + 15) * mat3x3f(p.middle[2], q.middle[2], r.middle[2])
      + taps(first + 18) * mat3x3f(p.lower[0], q.lower[0], r.lower[0])
      + taps(first + 21) * mat3x3f(p.lower[1], q.lower[1], r.lower[1])
      + taps(first + 24) * mat3x3f(p.lower[2], q.lower[2], r.lower[2]);
    let to = (face * params.anchors + at) * params.blocks + channels;
    output[to.x] = max(sums[0] * p.response, vec4f());
    if (at.y < params.anchors) {
      output[to.y] = max(sums[1] * q.response, vec4f());
    }
    if (at.z < params.anchors) {
      output[to.z] = max(sums[2] * r.response, vec4f());
    }
  }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.share) {
    return;
  }
  let at = id.x + params.share * vec3u(0, 1, 2);
  // Beyond the last anchor the last one is gathered again, and not stored.
  let last = params.anchors - 1;
  let p = gather(at.x, id.y);
  let q = gather(min(at.y, last), id.y);
  let r = gather(min(at.z, last), id.y);
  respond(0, id.y, at, p, q, r);
  respond(1, id.y, at, p, q, r);
  respond(2, id.y, at, p, q, r);
  respond(3, id.y, at, p, q, r);
}
