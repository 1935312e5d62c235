// Triangles on the rasteriser's integer grid: 256 steps a pixel, y down. Everything here is exact given f32 vertices,
// so that every adapter and the CPU reference agree bit for bit.

const SUBPIXEL = 256;
// Triangles that are wider or higher are skipped: so the products of their edges stay inside an i32.
const MAX_EXTENT = 90 * SUBPIXEL;
// How much nearer than a surface what is drawn must be to hide it: 4 px on the sum of three vertices.
const OCCLUSION_TOLERANCE = 3 * SUBPIXEL * 4;

struct SnappedTriangle {
  // Vertices in 1/256 pixel: x right, y down, z toward the viewer.
  a: vec3i,
  b: vec3i,
  c: vec3i,
  // Twice the signed area, y down; negative where the front faces the viewer. 0 for a triangle that is never drawn.
  area: i32,
}

// The bits of magnitudes, which order as they do, NaN above all; signed, because unsigned comparisons cost a software
// adapter more.
fn magnitude(v: vec3f) -> vec3i {
  return bitcast<vec3i>(v) & vec3i(0x7fffffff);
}

// Coordinates of this many pixels or more are out of range, and so is NaN: 2048.0 as bits, because a compiler may
// assume that no f32 is NaN.
const MAX_COORDINATE = vec3i(0x45000000);

fn in_range(v: vec3f) -> bool {
  return all(magnitude(v) < MAX_COORDINATE);
}

// v is in range, so that the sum is in [2^23, 2^24) and its fraction is the integer: a software adapter has no cheap
// conversion.
fn snap(v: vec3f) -> vec3i {
  return bitcast<vec3i>(floor(v * f32(SUBPIXEL) + 0.5) + 12582912.0) - 0x4b400000;
}

// Without branches: what vertices out of range snap to is not used.
fn snap_triangle(a: vec3f, b: vec3f, c: vec3f) -> SnappedTriangle {
  var t: SnappedTriangle;
  t.a = snap(a);
  t.b = snap(b);
  t.c = snap(c);
  let inside = max(magnitude(a), max(magnitude(b), magnitude(c))) < MAX_COORDINATE;
  let extent = max(t.a.xy, max(t.b.xy, t.c.xy)) - min(t.a.xy, min(t.b.xy, t.c.xy));
  t.area = select(0, edge(t.a.xy, t.b.xy, t.c.xy), all(inside) & all(extent <= vec2i(MAX_EXTENT)));
  return t;
}

// Twice the signed area of p, q, point.
fn edge(p: vec2i, q: vec2i, point: vec2i) -> i32 {
  return (q.x - p.x) * (point.y - p.y) - (q.y - p.y) * (point.x - p.x);
}

// Depth of a triangle for the key: the same everywhere on it, larger is nearer, not yet clamped or shifted.
fn flat_depth(t: SnappedTriangle, size: u32) -> i32 {
  return t.a.z + t.b.z + t.c.z + 3 * SUBPIXEL * i32(size);
}

// Where the key of a pixel is nearer than `depth` by more than the tolerance.
fn hidden_behind(key: u32, depth: i32, id_bits: u32, depth_shift: u32) -> bool {
  return i32((key >> id_bits) << depth_shift) > depth + OCCLUSION_TOLERANCE;
}
