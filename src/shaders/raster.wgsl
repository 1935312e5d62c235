// Draws the mesh of each face as keys: per pixel that of the nearest triangle, the smaller id among equally near.
//
// vertices [N, V] vec4 = x, y, z in crop pixels; triangles [T, 3].
// keys [N, size, size]: 0 or depth << id_bits | (2^id_bits - 1 - triangle), depth >= 1 flat per triangle, larger is
// nearer.
// A pixel is covered where its centre lies inside by the top-left rule; both windings are drawn. All arithmetic is on
// integers.
// One invocation draws one triangle by one atomicMax a pixel: global id x = triangle, y = face.
// The host guarantees cleared keys and T < 2^id_bits.

//#include "lib/triangle.wgsl"

struct Params {
  vertices: u32,
  triangles: u32,
  size: u32,
  id_bits: u32,
  depth_shift: u32,
}

@group(0) @binding(0) var<storage, read> vertices: array<vec4f>;
@group(0) @binding(1) var<storage, read> triangles: array<u32>;
@group(0) @binding(2) var<storage, read_write> keys: array<atomic<u32>>;
@group(1) @binding(0) var<uniform> params: Params;

// Top edges and left edges own the points on them; the others lose ties by one unit.
fn bias(p: vec2i, q: vec2i) -> i32 {
  let d = q - p;
  return select(-1, 0, (d.y < 0) | ((d.y == 0) & (d.x > 0)));
}

// Component by component: `.xyz` would load the whole vector.
fn position(vertex: u32) -> vec3f {
  return vec3f(vertices[vertex].x, vertices[vertex].y, vertices[vertex].z);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.triangles) {
    return;
  }
  let first = id.y * params.vertices;
  let t = snap_triangle(
    position(first + triangles[id.x * 3]),
    position(first + triangles[id.x * 3 + 1]),
    position(first + triangles[id.x * 3 + 2]),
  );
  if (t.area == 0) {
    return;
  }
  let front = t.area < 0;
  let a = t.a.xy;
  let b = select(t.b.xy, t.c.xy, front);
  let c = select(t.c.xy, t.b.xy, front);

  let last = i32(params.size) - 1;
  let low = max((min(a, min(b, c)) + (SUBPIXEL - 1)) >> vec2u(8), vec2i(0));
  let high = min(max(a, max(b, c)) >> vec2u(8), vec2i(last));

  if (any(low > high)) {
    return;
  }

  let nearest = 6 * SUBPIXEL * i32(params.size) - 1;
  let depth = max(u32(clamp(flat_depth(t, params.size), 1, nearest)) >> params.depth_shift, 1u);
  let key = (depth << params.id_bits) | ((1u << params.id_bits) - 1 - id.x);

  let start = low * SUBPIXEL;
  // Edge functions of the first pixel, and what a pixel to the right and one down add.
  var value = vec3i(edge(b, c, start) + bias(b, c), edge(c, a, start) + bias(c, a), edge(a, b, start) + bias(a, b));
  let right = (vec3i(b.y, c.y, a.y) - vec3i(c.y, a.y, b.y)) * SUBPIXEL;
  let down = (vec3i(c.x, a.x, b.x) - vec3i(b.x, c.x, a.x)) * SUBPIXEL;
  var at = (id.y * params.size + u32(low.y)) * params.size + u32(low.x);
  // One loop for rows and columns, that tests at its end: docs/notes/loops.md.
  let width = high.x - low.x;
  let next_row = down - width * right;
  var left = width;
  var pixels = (width + 1) * (high.y - low.y + 1);
  loop {
    if ((value.x | value.y | value.z) >= 0) {
      atomicMax(&keys[at], key);
    }
    continuing {
      let ends = left == 0;
      value += select(right, next_row, ends);
      at += select(1, params.size - u32(width), ends);
      left = select(left - 1, width, ends);
      pixels--;
      break if pixels == 0;
    }
  }
}
