// Writes the PNCC, which is the normalised coordinate code of the visible surface, into the first stream's input.
//
// keys [N, size, size] of raster.wgsl; vertices [N, V] vec4 crop pixels; triangles [T, 3];
// codes [V] = x | y << 16, z: the mean face in unorm16.
// stem [N, size, size, 8] = r, g, b, pncc x, y, z, 0, 0: the PNCC alone is written, 0 where there is no face.
// Barycentric weights are fixed point with 16 bits, so the PNCC is the same on every adapter.
// One invocation computes four pixels, one below the other: global id x = column + size * (row / 4), y = face.

//#include "lib/triangle.wgsl"

struct Params {
  vertices: u32,
  size: u32,
  id_bits: u32,
}

@group(0) @binding(0) var<storage, read> keys: array<u32>;
@group(0) @binding(1) var<storage, read> vertices: array<vec4f>;
@group(0) @binding(2) var<storage, read> triangles: array<u32>;
@group(0) @binding(3) var<storage, read> codes: array<vec2u>;
@group(0) @binding(4) var<storage, read_write> stem: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

fn code(vertex: u32) -> vec3u {
  let packed = codes[vertex];
  return vec3u(packed.x & 0xffffu, packed.x >> 16, packed.y);
}

// Of a triangle that is drawn, so it is in range. Component by component: `.xy` would load the whole vector.
fn place(vertex: u32) -> vec2i {
  return snap(vec3f(vertices[vertex].x, vertices[vertex].y, 0.0)).xy;
}

// Of a pixel that shows a face.
fn pncc(key: u32, first: u32, point: vec2i) -> vec3f {
  let ids = (1u << params.id_bits) - 1;
  let triangle = (ids - (key & ids)) * 3;
  let v0 = triangles[triangle];
  let v1 = triangles[triangle + 1];
  let v2 = triangles[triangle + 2];
  let a = place(first + v0);
  let p1 = place(first + v1);
  let p2 = place(first + v2);
  let signed_area = edge(a, p1, p2);
  let front = signed_area < 0;
  let b = select(p1, p2, front);
  let c = select(p2, p1, front);
  // Edge values opposite the second and the third vertex; at a covered pixel none is negative and they sum to the area
  // with the first.
  let w1 = u32(edge(c, a, point));
  let w2 = u32(edge(a, b, point));
  let area = u32(abs(signed_area));
  let shift = u32(max(0, 16 - i32(countLeadingZeros(area))));
  let whole = area >> shift;
  let b1 = ((w1 >> shift) << 16) / whole;
  let b2 = min(65536 - b1, ((w2 >> shift) << 16) / whole);
  let b0 = 65536 - b1 - b2;
  let colour = (b0 * code(v0) + b1 * code(select(v1, v2, front)) + b2 * code(select(v2, v1, front)));
  return vec3f(colour & vec3u(0xffffff00u)) / 4294967296.0;
}

// Of kernels/crop.ts: floats of a pixel of the stem, and where the PNCC is among them.
const STEM_CHANNELS = 8u;
const PNCC_CHANNEL = 3u;

fn store(pixel: u32, value: vec3f) {
  let at = pixel * STEM_CHANNELS + PNCC_CHANNEL;
  stem[at] = value.x;
  stem[at + 1] = value.y;
  stem[at + 2] = value.z;
}

// Bit `row` where the pixel shows the face; any other is written at once.
fn covered_bit(row: u32, top: u32, first: u32) -> u32 {
  if (top + row >= params.size) {
    return 0;
  }
  let pixel = first + row * params.size;
  if (keys[pixel] != 0) {
    return 1u << row;
  }
  store(pixel, vec3f());
  return 0;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x % params.size;
  let top = id.x / params.size * 4;
  if (top >= params.size) {
    return;
  }
  let first = (id.y * params.size + top) * params.size + column;
  var covered = covered_bit(0, top, first) | covered_bit(1, top, first) |
    covered_bit(2, top, first) | covered_bit(3, top, first);
  if (covered == 0) {
    return;
  }
  // Not a branch a pixel: docs/notes/loops.md.
  loop {
    let row = select(select(select(3u, 2u, (covered & 4) != 0), 1u, (covered & 2) != 0), 0u, (covered & 1) != 0);
    let pixel = first + row * params.size;
    let point = vec2i(i32(column), i32(top + row)) * SUBPIXEL;
    store(pixel, pncc(keys[pixel], id.y * params.vertices, point));
    continuing {
      covered &= covered - 1;
      break if covered == 0;
    }
  }
}
