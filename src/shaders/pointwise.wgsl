// 1x1 convolution with bias of 16 or 64 channels to as many, for GPUs in software that have subgroups.
//
//   out[n, pixel, o] = bias[o] + sum over c of W[o, c] * in[n, pixel, c]
//
// input      [N, pixels, BLOCKS] vec4
// weights    [2 * OWN, BLOCKS, 2] mat4x4, bias_slope [2, 4 * OWN] vec4: those of conv2d.wgsl, without slopes
// output     [N, pixels, 4 * OWN] vec4
//
// There a load is a branch for every invocation, and costs dozens of products; so do sums that go on in the next turn
// of a loop. The four invocations of a quad compute the same run of pixels, OWN neighbouring blocks of outputs each,
// and hold the weights of those. Of a pixel each loads a quarter of the channels, which all get by broadcast, and its
// sums are finished at once.
// DEEP: 64 channels rather than 16. BROAD: OWN is 4 rather than 1.
// A workgroup is a quad: workgroup id x = run, y = image.
// The host guarantees that buffers have the sizes above, that no run is empty, and that local index i is invocation i
// of the quad.

enable subgroups;

struct Params {
  // Of an image.
  pixels: u32,
  // Pixels of a run; the last may have fewer.
  run: u32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<mat4x4f>;
@group(0) @binding(2) var<storage, read> bias_slope: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

//#if DEEP
const BLOCKS = 16u;
//#else
const BLOCKS = 4u;
//#endif
//#if BROAD
const OWN = 4u;
//#else
const OWN = 1u;
//#endif

// Of the invocation's outputs: column = input channel, row = output channel.
var<private> held: array<mat4x4f, BLOCKS * OWN>;

// 16 channels of a pixel, column = block.
fn gather(quarter: vec4f) -> mat4x4f {
  return mat4x4f(
    quadBroadcast(quarter, 0),
    quadBroadcast(quarter, 1),
    quadBroadcast(quarter, 2),
    quadBroadcast(quarter, 3),
  );
}

// Product after product: a processor with few registers would store every one of a vector of products before it adds
// them.
fn add_products(sum: f32, k0: f32, k1: f32, k2: f32, k3: f32, value: vec4f) -> f32 {
  return sum + k0 * value.x + k1 * value.y + k2 * value.z + k3 * value.w;
}

fn add_block(sum: vec4f, k: mat4x4f, value: vec4f) -> vec4f {
  return vec4f(
    add_products(sum.x, k[0].x, k[1].x, k[2].x, k[3].x, value),
    add_products(sum.y, k[0].y, k[1].y, k[2].y, k[3].y, value),
    add_products(sum.z, k[0].z, k[1].z, k[2].z, k[3].z, value),
    add_products(sum.w, k[0].w, k[1].w, k[2].w, k[3].w, value),
  );
}

// Where `first` is a constant once this is inlined, so are the places of the weights.
fn add_quarter(sum: vec4f, first: u32, values: mat4x4f) -> vec4f {
  let half = add_block(add_block(sum, held[first], values[0]), held[first + 1], values[1]);
  return add_block(add_block(half, held[first + 2], values[2]), held[first + 3], values[3]);
}

// All channels of a pixel, 16 a member.
struct Pixel {
  a: mat4x4f,
  //#if DEEP
  b: mat4x4f,
  c: mat4x4f,
  d: mat4x4f,
  //#endif
}

fn load_pixel(start: u32) -> Pixel {
  //#if DEEP
  return Pixel(gather(input[start]), gather(input[start + 4]), gather(input[start + 8]), gather(input[start + 12]));
  //#else
  return Pixel(gather(input[start]));
  //#endif
}

// Of one of the own blocks.
fn sum_of(number: u32, bias: vec4f, pixel: Pixel) -> vec4f {
  let first = number * BLOCKS;
  let sum = add_quarter(bias, first, pixel.a);
  //#if DEEP
  return add_quarter(add_quarter(add_quarter(sum, first + 4, pixel.b), first + 8, pixel.c), first + 12, pixel.d);
  //#else
  return sum;
  //#endif
}

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let wanted = lane * OWN;
  // Loops that test at their end: docs/notes/loops.md.
  var index = 0u;
  loop {
    let o4 = wanted + index / BLOCKS;
    held[index] = weights[((o4 / 2) * BLOCKS + index % BLOCKS) * 2 + o4 % 2];
    continuing {
      index++;
      break if index >= BLOCKS * OWN;
    }
  }
  let bias0 = bias_slope[wanted];
  //#if BROAD
  let bias1 = bias_slope[wanted + 1];
  let bias2 = bias_slope[wanted + 2];
  let bias3 = bias_slope[wanted + 3];
  //#endif
  var at = id.x * params.run;
  let end = min(at + params.run, params.pixels) + id.y * params.pixels;
  at += id.y * params.pixels;
  loop {
    let pixel = load_pixel(at * BLOCKS + lane);
    let to = at * 4 * OWN + wanted;
    output[to] = sum_of(0, bias0, pixel);
    //#if BROAD
    output[to + 1] = sum_of(1, bias1, pixel);
    output[to + 2] = sum_of(2, bias2, pixel);
    output[to + 3] = sum_of(3, bias3, pixel);
    //#endif
    continuing {
      at++;
      break if at >= end;
    }
  }
}
