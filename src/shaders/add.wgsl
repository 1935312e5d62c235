// Sum of two tensors of one height and width, with activation: out = activate(a + b). Channels that one of them lacks
// count as 0.
//
// left [N, pixels, L4] vec4, right [N, pixels, R4] vec4, output [N, pixels, C4] vec4; slope [C4] vec4, bound for PReLU
// only.
// One invocation computes one vec4: global id x = pixel * C4 + c4, y = image. Padding channels are written as 0.
// The host guarantees that neither input has more channels than the output.

//#include "lib/activation.wgsl"

struct Params {
  // pixels * C4
  count: u32,
  blocks: u32,
  channels: u32,
  left_blocks: u32,
  right_blocks: u32,
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
  let index = id.y * params.count + id.x;
  let pixel = index / params.blocks;
  let c4 = index - pixel * params.blocks;
  // A block that an input lacks is read as its first, which is always there, and not used.
  let in_left = c4 < params.left_blocks;
  let in_right = c4 < params.right_blocks;
  let a = select(vec4f(), left[select(0u, pixel * params.left_blocks + c4, in_left)], in_left);
  let b = select(vec4f(), right[select(0u, pixel * params.right_blocks + c4, in_right)], in_right);
  //#if PRELU
  let value = activate(a + b, slope[c4]);
  //#else
  let value = activate(a + b, vec4f());
  //#endif
  output[index] = zero_padding(value, c4, params.channels);
}
