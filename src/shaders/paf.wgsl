// Pose adaptive convolution: at each anchor of the face the 3 x 3 patch of the picture round the anchor's projection
// meets the filters;
// responses of occluded anchors are halved.
// output[n, a, c] = relu(m (sum over v, u, rgb of W[c, v, u, rgb] I[y + v - 1, x + u - 1, rgb] + b[c])), m = 0.5 where
// occluded, else 1.
//
// vertices [N, V] vec4 crop pixels; keys [N, size, size] of raster.wgsl; anchors [A];
// pixels [N, size + 8, size + 8] = r | g << 16, b in unorm16, with a frame of four zeros round the crop.
// filters [4]: taps for colours of 65535 and the bias of four channels (0 for padding channels).
// output [N, A, C4] vec4.
// The patch is sampled bilinearly on image axes; pixels outside the crop are 0, and so is the whole patch of an anchor
// that is not finite or 2048 px or more away. Occluded: the anchor's triangle faces away or is one that raster.wgsl
// skips, or, inside the crop, the pixel nearest to the anchor shows something nearer than that triangle by more than
// the tolerance.
// One invocation computes up to 16 channels, from the block params.first_block on, of the anchors at and every `share`
// after: global id x = at, y = face.
// With shared_geometry, face 0's vertices and keys serve all.
// All invocations read the same filters at constant places, which uniform memory is made for; a GPU gives each anchor
// an invocation. A software adapter (SOFTWARE) pays for every such read: it reads the filters once for many anchors.

//#include "lib/triangle.wgsl"

// Of kernels/crop.ts: pixels of zeros on every side of the crop.
const PIXEL_FRAME = 4;

override THREADS: u32 = 64u;

struct Params {
  vertices: u32,
  size: u32,
  id_bits: u32,
  depth_shift: u32,
  anchors: u32,
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

// Filters of a row of the patch: of each sample, a column for each of r, g, b.
struct Row {
  left: mat3x4f,
  middle: mat3x4f,
  right: mat3x4f,
}

struct Filters {
  upper: Row,
  middle: Row,
  lower: Row,
  bias: vec4f,
}

@group(0) @binding(0) var<storage, read> vertices: array<vec4f>;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> anchors: array<Anchor>;
@group(0) @binding(3) var<storage, read> pixels: array<vec2u>;
@group(0) @binding(4) var<uniform> filters: array<Filters, 4>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

fn pixel(at: u32) -> vec3f {
  let packed = pixels[at];
  return vec3f(vec3i(vec3u(packed.x & 0xffffu, packed.x >> 16, packed.y)));
}

// Three samples one pixel apart, each between two neighbours; `start` is the pixel left of the first.
fn across(start: u32, weight: f32) -> mat3x3f {
  let p0 = pixel(start);
  let p1 = pixel(start + 1);
  let p2 = pixel(start + 2);
  let p3 = pixel(start + 3);
  return mat3x3f(p0 + (p1 - p0) * weight, p1 + (p2 - p1) * weight, p2 + (p3 - p2) * weight);
}

// The patch of an anchor: its rows, each a matrix with one sample's colour in a column; and the factor of the
// responses.
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
  if (any(nearest < vec2i(0)) | any(nearest >= vec2i(size))) {
    return false;
  }
  let key = keys[first + u32(nearest.y * size + nearest.x)];
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
    // A patch that lies further out is moved to where the frame is as wide as it is.
    let corner = vec2u(clamp(vec2i(base) + PIXEL_FRAME - 1, vec2i(0), vec2i(i32(params.size) + PIXEL_FRAME)));
    let pitch = params.size + 2 * u32(PIXEL_FRAME);
    let first = (face * pitch + corner.y) * pitch + corner.x;
    let row0 = across(first, weight.x);
    let row1 = across(first + pitch, weight.x);
    let row2 = across(first + 2 * pitch, weight.x);
    let row3 = across(first + 3 * pitch, weight.x);
    samples.upper = row0 + (row1 - row0) * weight.y;
    samples.middle = row1 + (row2 - row1) * weight.y;
    samples.lower = row2 + (row3 - row2) * weight.y;
  }
  return samples;
}

// Four channels at an anchor whose first block is `to`. `part` is a constant wherever this is called.
fn respond(part: u32, w: Filters, p: Samples, to: u32) {
  let channels = params.first_block + part;
  if (channels < params.blocks) {
    let sum = w.bias
      + w.upper.left * p.upper[0] + w.upper.middle * p.upper[1] + w.upper.right * p.upper[2]
      + w.middle.left * p.middle[0] + w.middle.middle * p.middle[1] + w.middle.right * p.middle[2]
      + w.lower.left * p.lower[0] + w.lower.middle * p.lower[1] + w.lower.right * p.lower[2];
    output[to + channels] = max(sum * p.response, vec4f());
  }
}

fn convolve(at: u32, face: u32, w0: Filters, w1: Filters, w2: Filters, w3: Filters) {
  let p = gather(at, face);
  let to = (face * params.anchors + at) * params.blocks;
  respond(0, w0, p, to);
  respond(1, w1, p, to);
  respond(2, w2, p, to);
  respond(3, w3, p, to);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.share) {
    return;
  }
//#if SOFTWARE
  let w0 = filters[0];
  let w1 = filters[1];
  let w2 = filters[2];
  let w3 = filters[3];
  // A loop that tests at its end: docs/notes/loops.md.
  var at = id.x;
  loop {
    convolve(at, id.y, w0, w1, w2, w3);
    continuing {
      at += params.share;
      break if at >= params.anchors;
    }
  }
//#else
  convolve(id.x, id.y, filters[0], filters[1], filters[2], filters[3]);
//#endif
}
