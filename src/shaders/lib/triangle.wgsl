// Triangles on the rasteriser's integer grid: 256 steps a pixel, y down. Everything here is exact given f32 vertices, so that every
// adapter and the CPU reference agree bit for bit.

const SUBPIXEL = 256;
const MAX_EXTENT = 90 * SUBPIXEL;
// How much nearer than a surface the visibility buffer must be to hide it: 4 px on the sum of three vertices.
const OCCLUSION_TOLERANCE = 3 * SUBPIXEL * 4;

struct SnappedTriangle {
  // Vertices in 1/256 pixel: x right, y down, z toward the viewer.
  a: vec3i,
  b: vec3i,
  c: vec3i,
  // Twice the signed area, y down; negative where the front faces the viewer. 0 for a triangle that is never drawn.
  area: i32,
}

// False for NaN, infinities and magnitudes of 2048 or more: compared as bits, because a compiler may assume that no f32 is NaN.
fn in_range(v: vec3f) -> bool {
  return all((bitcast<vec3u>(v) & vec3u(0x7fffffffu)) < vec3u(0x45000000u));
}

// v is in range.
fn snap(v: vec3f) -> vec3i {
  return vec3i(floor(v * f32(SUBPIXEL) + 0.5));
}

fn snap_triangle(a: vec3f, b: vec3f, c: vec3f) -> SnappedTriangle {
  var t: SnappedTriangle;
  if (!(in_range(a) && in_range(b) && in_range(c))) {
    return t;
  }
  t.a = snap(a);
  t.b = snap(b);
  t.c = snap(c);
  let extent = max(t.a, max(t.b, t.c)) - min(t.a, min(t.b, t.c));
  if (all(extent.xy <= vec2i(MAX_EXTENT))) {
    t.area = edge(t.a.xy, t.b.xy, t.c.xy);
  }
  return t;
}

// Twice the signed area of p, q, point.
fn edge(p: vec2i, q: vec2i, point: vec2i) -> i32 {
  return (q.x - p.x) * (point.y - p.y) - (q.y - p.y) * (point.x - p.x);
}

// Depth of a triangle for the visibility key: the same everywhere on it, larger is nearer, not yet clamped or shifted.
fn flat_depth(t: SnappedTriangle, size: u32) -> i32 {
  return t.a.z + t.b.z + t.c.z + 3 * SUBPIXEL * i32(size);
}

// Where the visibility buffer (key of the pixel) is nearer than `depth` by more than the tolerance.
fn hidden_behind(key: u32, depth: i32, id_bits: u32, depth_shift: u32) -> bool {
  return i32((key >> id_bits) << depth_shift) > depth + OCCLUSION_TOLERANCE;
}
