// 1x1 convolution with bias as pointwise.wgsl computes it, for GPUs in software that have no subgroups.
//
// input      [N, pixels, BLOCKS] vec4
// weights    [O4 / 2, BLOCKS, 2] mat4x4, bias_slope [2, O4] vec4: those of conv2d.wgsl, without slopes
// output     [N, pixels, O4] vec4
//
// DEEP: BLOCKS is 16 rather than 4. BROAD: O4 is.
// One invocation computes eight pixels of four blocks of outputs. All of a workgroup want the same weights, which as a
// uniform are one load for all of them; in a storage buffer they would be one for each.
// Invocation i of workgroup id x has pixels i, i + 8 .. i + 56 from 64 * x on; y = image, z = four blocks.
// The host guarantees that buffers have the sizes above.

struct Params {
  // Of an image.
  pixels: u32,
}

//#if DEEP
const BLOCKS = 16u;
//#else
const BLOCKS = 4u;
//#endif
//#if BROAD
const O4 = 16u;
//#else
const O4 = 4u;
//#endif

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<uniform> weights: array<mat4x4f, O4 * BLOCKS>;
@group(0) @binding(2) var<storage, read> bias_slope: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

fn add_products(sum: vec4f, kernel: mat4x4f, value: vec4f) -> vec4f {
  return sum + kernel[0] * value.x + kernel[1] * value.y + kernel[2] * value.z + kernel[3] * value.w;
}

// Of the four blocks, column = block.
fn add_block(sum: mat4x4f, a: mat4x4f, b: mat4x4f, c: mat4x4f, d: mat4x4f, value: vec4f) -> mat4x4f {
  return mat4x4f(
    add_products(sum[0], a, value),
    add_products(sum[1], b, value),
    add_products(sum[2], c, value),
    add_products(sum[3], d, value),
  );
}

fn store(image: u32, pixel: u32, first: u32, sum: mat4x4f) {
  if (pixel < params.pixels) {
    let to = (image * params.pixels + pixel) * O4 + first;
    output[to] = sum[0];
    output[to + 1] = sum[1];
    output[to + 2] = sum[2];
    output[to + 3] = sum[3];
  }
}

// Past the last pixel that one again, a load that is always allowed.
fn place(image: u32, pixel: u32) -> u32 {
  return (image * params.pixels + min(pixel, params.pixels - 1)) * BLOCKS;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = id.z * 4;
  let pixel = id.x * 64 + lane;
  let place0 = place(id.y, pixel);
  let place1 = place(id.y, pixel + 8);
  let place2 = place(id.y, pixel + 16);
  let place3 = place(id.y, pixel + 24);
  let place4 = place(id.y, pixel + 32);
  let place5 = place(id.y, pixel + 40);
  let place6 = place(id.y, pixel + 48);
  let place7 = place(id.y, pixel + 56);
  let bias = mat4x4f(bias_slope[first], bias_slope[first + 1], bias_slope[first + 2], bias_slope[first + 3]);
  var sum0 = bias;
  var sum1 = bias;
  var sum2 = bias;
  var sum3 = bias;
  var sum4 = bias;
  var sum5 = bias;
  var sum6 = bias;
  var sum7 = bias;
  // Tests at its end: docs/notes/loops.md.
  var c4 = 0u;
  loop {
    let weight = first * BLOCKS + c4 * 2;
    let a = weights[weight];
    let b = weights[weight + 1];
    let c = weights[weight + 2 * BLOCKS];
    let d = weights[weight + 2 * BLOCKS + 1];
    sum0 = add_block(sum0, a, b, c, d, input[place0 + c4]);
    sum1 = add_block(sum1, a, b, c, d, input[place1 + c4]);
    sum2 = add_block(sum2, a, b, c, d, input[place2 + c4]);
    sum3 = add_block(sum3, a, b, c, d, input[place3 + c4]);
    sum4 = add_block(sum4, a, b, c, d, input[place4 + c4]);
    sum5 = add_block(sum5, a, b, c, d, input[place5 + c4]);
    sum6 = add_block(sum6, a, b, c, d, input[place6 + c4]);
    sum7 = add_block(sum7, a, b, c, d, input[place7 + c4]);
    continuing {
      c4++;
      break if c4 >= BLOCKS;
    }
  }
  store(id.y, pixel, first, sum0);
  store(id.y, pixel + 8, first, sum1);
  store(id.y, pixel + 16, first, sum2);
  store(id.y, pixel + 24, first, sum3);
  store(id.y, pixel + 32, first, sum4);
  store(id.y, pixel + 40, first, sum5);
  store(id.y, pixel + 48, first, sum6);
  store(id.y, pixel + 56, first, sum7);
}
