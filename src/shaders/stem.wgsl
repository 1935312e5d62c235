// 3x3 convolution of stride 2 with bias and ReLU of three channels, for GPUs in software that have subgroups.
//
//   out[n, y, x, o] = max(0, bias[o] + sum over ky, kx, c of W[o, ky, kx, c] * in[n, 2y + ky - 1, 2x + kx - 1, c])
//
// input      [N, H, W] vec4, of which the fourth value is not read; zero outside the picture
// weights    [pairs, 9, 2] mat4x4, bias_slope [2, O4] vec4: those of conv2d.wgsl, without slopes
// output     [N, OH, OW, O4] vec4
//
// As in pointwise.wgsl, the four invocations of a quad compute the same pixels, a row, of one block of outputs each,
// whose weights they hold. Of a window each loads two taps, which all get by broadcast, and the last one.
// A workgroup is a quad: workgroup id x = row, y = image, z = four blocks.
// The host guarantees that buffers have the sizes above, that there are whole quads of blocks, and that local index i
// is invocation i of the quad.

enable subgroups;

struct Params {
  input_width: i32,
  input_height: i32,
  output_width: i32,
  output_height: i32,
  output_blocks: u32,
}

@group(0) @binding(0) var<storage, read> input: array<vec3f>;
@group(0) @binding(1) var<storage, read> weights: array<mat4x4f>;
@group(0) @binding(2) var<storage, read> bias_slope: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

const TAPS = 9u;

// Of the invocation's outputs: column = input channel, row = output channel.
var<private> held: array<mat3x4f, TAPS>;

// Product after product: see pointwise.wgsl.
fn add_products(sum: f32, a: f32, b: f32, c: f32, value: vec3f) -> f32 {
  return sum + a * value.x + b * value.y + c * value.z;
}

fn add_tap(sum: vec4f, k: mat3x4f, value: vec3f) -> vec4f {
  return vec4f(
    add_products(sum.x, k[0].x, k[1].x, k[2].x, value),
    add_products(sum.y, k[0].y, k[1].y, k[2].y, value),
    add_products(sum.z, k[0].z, k[1].z, k[2].z, value),
    add_products(sum.w, k[0].w, k[1].w, k[2].w, value),
  );
}

// Adds four taps, of which each invocation of the quad has one.
fn add_taps(sum: vec4f, first: u32, value: vec3f) -> vec4f {
  let half = add_tap(add_tap(sum, held[first], quadBroadcast(value, 0)), held[first + 1], quadBroadcast(value, 1));
  return add_tap(add_tap(half, held[first + 2], quadBroadcast(value, 2)), held[first + 3], quadBroadcast(value, 3));
}

// One tap of all windows of a row.
struct Tap {
  // Of the input row.
  start: i32,
  inside: bool,
  // Columns from the window's middle.
  right: i32,
}

fn tap_of(index: u32, image: u32, row: u32) -> Tap {
  let y = i32(row) * 2 + i32(index / 3) - 1;
  let nearest = clamp(y, 0, params.input_height - 1);
  return Tap((i32(image) * params.input_height + nearest) * params.input_width, y == nearest, i32(index % 3) - 1);
}

// Outside the picture it reads the nearest pixel, a load that is always allowed.
fn load(tap: Tap, column: i32) -> vec3f {
  let x = 2 * column + tap.right;
  let nearest = clamp(x, 0, params.input_width - 1);
  return select(vec3f(), input[tap.start + nearest], tap.inside & (x == nearest));
}

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let wanted = id.z * 4 + lane;
  // Loops that test at their end: docs/notes/loops.md.
  var index = 0u;
  loop {
    let matrix = weights[((wanted / 2) * TAPS + index) * 2 + wanted % 2];
    held[index] = mat3x4f(matrix[0], matrix[1], matrix[2]);
    continuing {
      index++;
      break if index >= TAPS;
    }
  }
  let bias = bias_slope[wanted];
  let first = tap_of(lane, id.y, id.x);
  let second = tap_of(4 + lane, id.y, id.x);
  let last = tap_of(8, id.y, id.x);
  var to = (id.y * u32(params.output_height) + id.x) * u32(params.output_width) * params.output_blocks + wanted;
  var column = 0;
  loop {
    let sum = add_taps(add_taps(bias, 0, load(first, column)), 4, load(second, column));
    output[to] = max(add_tap(sum, held[8], load(last, column)), vec4f());
    to += params.output_blocks;
    continuing {
      column++;
      break if column >= params.output_width;
    }
  }
}
