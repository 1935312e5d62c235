// Arithmetic only, to find the most multiply-adds a second that the adapter reaches.
//
// output [invocations]: one number each, which depends on all of the arithmetic, so that none can be left out. One
// invocation advances up to eight independent chains of vec4 multiply-adds, params.steps times 4 each: chains hide the
// latency of one another, and too many of them spill registers. Flags: TWO, FOUR (with TWO), EIGHT (with both) for as
// many chains, else one; FUSED for the builtin. The host guarantees one element of output an invocation.

struct Params {
  steps: u32,
  factor: f32,
  offset: f32,
}

@group(0) @binding(0) var<storage, read_write> output: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

fn mad(a: vec4f, b: vec4f, c: vec4f) -> vec4f {
  //#if FUSED
  return fma(a, b, c);
  //#else
  return a * b + c;
  //#endif
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let factor = vec4f(params.factor) + vec4f(f32(id.x & 3u)) * 1e-6;
  let offset = vec4f(params.offset);
  var a0 = vec4f(f32(id.x));
  //#if TWO
  var a1 = a0 + 1.0;
  //#endif
  //#if FOUR
  var a2 = a0 + 2.0;
  var a3 = a0 + 3.0;
  //#endif
  //#if EIGHT
  var a4 = a0 + 4.0;
  var a5 = a0 + 5.0;
  var a6 = a0 + 6.0;
  var a7 = a0 + 7.0;
  //#endif
  for (var step = 0u; step < params.steps; step++) {
    a0 = mad(a0, factor, offset);
    //#if TWO
    a1 = mad(a1, factor, offset);
    //#endif
    //#if FOUR
    a2 = mad(a2, factor, offset);
    a3 = mad(a3, factor, offset);
    //#endif
    //#if EIGHT
    a4 = mad(a4, factor, offset);
    a5 = mad(a5, factor, offset);
    a6 = mad(a6, factor, offset);
    a7 = mad(a7, factor, offset);
    //#endif
    a0 = mad(a0, factor, offset);
    //#if TWO
    a1 = mad(a1, factor, offset);
    //#endif
    //#if FOUR
    a2 = mad(a2, factor, offset);
    a3 = mad(a3, factor, offset);
    //#endif
    //#if EIGHT
    a4 = mad(a4, factor, offset);
    a5 = mad(a5, factor, offset);
    a6 = mad(a6, factor, offset);
    a7 = mad(a7, factor, offset);
    //#endif
    a0 = mad(a0, factor, offset);
    //#if TWO
    a1 = mad(a1, factor, offset);
    //#endif
    //#if FOUR
    a2 = mad(a2, factor, offset);
    a3 = mad(a3, factor, offset);
    //#endif
    //#if EIGHT
    a4 = mad(a4, factor, offset);
    a5 = mad(a5, factor, offset);
    a6 = mad(a6, factor, offset);
    a7 = mad(a7, factor, offset);
    //#endif
    a0 = mad(a0, factor, offset);
    //#if TWO
    a1 = mad(a1, factor, offset);
    //#endif
    //#if FOUR
    a2 = mad(a2, factor, offset);
    a3 = mad(a3, factor, offset);
    //#endif
    //#if EIGHT
    a4 = mad(a4, factor, offset);
    a5 = mad(a5, factor, offset);
    a6 = mad(a6, factor, offset);
    a7 = mad(a7, factor, offset);
    //#endif
  }
  var sum = a0;
  //#if TWO
  sum += a1;
  //#endif
  //#if FOUR
  sum += a2 + a3;
  //#endif
  //#if EIGHT
  sum += a4 + a5 + a6 + a7;
  //#endif
  output[id.x] = sum.x + sum.y + sum.z + sum.w;
}
