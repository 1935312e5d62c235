// Sum of two tensors of one shape, with activation: out = activate(a + b).
//
// left, right, output [N, pixels, C4] vec4; slope [C4] vec4, bound for PReLU only.
// One invocation computes one vec4: global id x = pixel * C4 + c4, y = image. Padding channels are written as 0.

//#include "lib/activation.wgsl"

struct Params {
  count: u32,
  blocks: u32,
  channels: u32,
}

@group(0) @binding(0) var<storage, read> left: array<vec4f>;
@group(0) @binding(1) var<storage, read> right: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4f>;
//#if PRELU
@group(0) @binding(3) var<storage, read> slope: array<vec4f>;
//#endif
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.count) {
    return;
  }
  let c4 = id.x % params.blocks;
  let index = id.y * params.count + id.x;
  //#if PRELU
  let value = activate(left[index] + right[index], slope[c4]);
  //#else
  let value = activate(left[index] + right[index], vec4f());
  //#endif
  output[index] = zero_padding(value, c4, params.channels);
}
