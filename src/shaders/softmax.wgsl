// Softmax over the channels of every pixel: out[n, p, c] = exp(in[n, p, c] - m) / sum over k of exp(in[n, p, k] - m), m
// the pixel's largest value, so that nothing overflows.
//
// input, output [N, pixels, C4] vec4. Padding channels take no part and are written as 0.
// One invocation computes one pixel: global id x = pixel, y = image.

struct Params {
  pixels: u32,
  blocks: u32,
  channels: u32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

const LOWEST: f32 = -3.4028234663852886e38;

// A block, with LOWEST in its padding channels.
fn existing(first: u32, c4: u32) -> vec4f {
  let exists = vec4u(c4 * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(params.channels);
  return select(vec4f(LOWEST), input[first + c4], exists);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.pixels) {
    return;
  }
  let first = (id.y * params.pixels + id.x) * params.blocks;
  var largest = vec4f(LOWEST);
  for (var c4 = 0u; c4 < params.blocks; c4++) {
    largest = max(largest, existing(first, c4));
  }
  let most = vec4f(max(max(largest.x, largest.y), max(largest.z, largest.w)));
  var sums = vec4f();
  for (var c4 = 0u; c4 < params.blocks; c4++) {
    sums += exp(existing(first, c4) - most);
  }
  let sum = sums.x + sums.y + sums.z + sums.w;
  for (var c4 = 0u; c4 < params.blocks; c4++) {
    output[first + c4] = exp(existing(first, c4) - most) / sum;
  }
}
