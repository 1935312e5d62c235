// Product of two tensors: out[n, p, c] = activate(left[n, p, c] * right[n, q, c]), q = p, or 0 where the right one is
// one pixel for all (a gate of every channel).
//
// left, output [N, pixels, C4] vec4, right [N, right_pixels, C4] vec4, right_pixels = pixels or 1.
// One invocation computes one vec4: global id x = pixel * C4 + c4, y = image. Padding channels are written as 0.

//#include "lib/activation.wgsl"

struct Params {
  count: u32,
  blocks: u32,
  channels: u32,
  right_count: u32,
}

@group(0) @binding(0) var<storage, read> left: array<vec4f>;
@group(0) @binding(1) var<storage, read> right: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.count) {
    return;
  }
  let c4 = id.x % params.blocks;
  let index = id.y * params.count + id.x;
  let product = left[index] * right[id.y * params.right_count + id.x % params.right_count];
  output[index] = zero_padding(activate(product, vec4f()), c4, params.channels);
}
