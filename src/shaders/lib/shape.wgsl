// The morphable model's arithmetic: what a group of four coefficients adds to a coordinate of a vertex, and the
// rotation of a scaled quaternion.

// What bytes that are 128 too large add to a coordinate.
const EXCESS = vec4f(128.0, 32768.0, 8388608.0, 0.0);

// `word` holds a vertex's offsets of four coefficients, a byte each, lowest first; the last is signed, the others are
// 128 too large. `c` are the coefficients times their scales, which make up for every byte's place in its word.
fn offset_of(word: u32, c: vec4f) -> f32 {
  return dot(vec4f(vec4i(vec4u(word) & vec4u(0xff, 0xff00, 0xff0000, 0xff000000))), c);
}

// Rows of R(q), the transposed Hamilton matrix times |q|^2.
struct Rotation {
  r0: vec3f,
  r1: vec3f,
  r2: vec3f,
}

fn rotation_of(q: vec4f) -> Rotation {
  let s = q * q;
  return Rotation(
    vec3f(s.x + s.y - s.z - s.w, 2.0 * (q.y * q.z + q.x * q.w), 2.0 * (q.y * q.w - q.x * q.z)),
    vec3f(2.0 * (q.y * q.z - q.x * q.w), s.x - s.y + s.z - s.w, 2.0 * (q.x * q.y + q.z * q.w)),
    vec3f(2.0 * (q.x * q.z + q.y * q.w), 2.0 * (q.z * q.w - q.x * q.y), s.x - s.y - s.z + s.w),
  );
}
