// Weights stored as 16-bit floats, two in a u32, `WEIGHT_SCALE` times as large (src/engine/kernels/halves.ts): exact,
// also where they are tiny.

//#if HALVES
const WEIGHT_UNIT = 0x1p-10f;

// Four halves, still scaled.
fn widen(halves: vec2u) -> vec4f {
  //#if SOFTWARE
  // Without conversions in hardware: exponent and fraction move to an f32's place, and the exponent's bias is made up
  // for.
  let words = bitcast<vec4i>(halves.xxyy << vec4u(16u, 0u, 16u, 0u));
  return bitcast<vec4f>((words >> vec4u(3u)) & vec4i(i32(0x8fffe000u))) * 0x1p112f;
  //#else
  return vec4f(unpack2x16float(halves.x), unpack2x16float(halves.y));
  //#endif
}
//#else
const WEIGHT_UNIT = 1f;
//#endif
