// 2D convolution (cross-correlation) with bias, activation and, if POOL, a 2x2 max pool of stride 2 on the result.
//
//   conv[n, y, x, o] = bias[o] + sum over ky, kx, c of W[o, ky, kx, c] * in[n, y*sy + ky - pad_top, x*sx + kx -
//   pad_left, c]
//
// input      [N, H, W, C4] vec4, zero outside the picture
// weights    [groups, kernel_h, kernel_w, C4, 2] mat4x4: one matrix per 4 inputs and 4 outputs, column = input channel,
// row = output channel;
//            the 2 matrices are the two output blocks of a group, zero where there is no such channel
// bias_slope [2, groups, 2] vec4: biases, then the slopes of PReLU
// output     [N, OH, OW, O4] vec4
//
// One invocation computes 4 x 2 pixels of 8 output channels (POOL: 2 x 1 pixels from those), so that 8 input vectors
// and 2 weight matrices feed
// 16 matrix-vector products. No workgroup memory: neighbours share what they read through the cache. global id x = tile
// + tiles * group, y = image.
// The host guarantees that buffers have the sizes above and that no index exceeds 2^31.
//
// Conditions are joined by `&`, not `&&`: short circuits are branches, which cost some compilers a hundred times the
// time here.

//#include "lib/activation.wgsl"

override POOL: bool = false;

struct Params {
  input_width: i32,
  input_height: i32,
  input_blocks: u32,
  output_width: u32,
  output_height: u32,
  output_blocks: u32,
  output_channels: u32,
  kernel_width: u32,
  kernel_height: u32,
  stride_x: u32,
  stride_y: u32,
  pad_left: i32,
  pad_top: i32,
  tiles_x: u32,
  tiles: u32,
  groups: u32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<mat4x4f>;
@group(0) @binding(2) var<storage, read> bias_slope: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

fn row_inside(y: i32) -> bool {
  return (y >= 0) & (y < params.input_height);
}

fn columns_inside(x: vec4i) -> vec4<bool> {
  return (x >= vec4i(0)) & (x < vec4i(params.input_width));
}

// Writes one output pixel of one block, unless the tile reaches over the edge there.
fn store(image: u32, x: u32, y: u32, o4: u32, value: vec4f) {
  if ((x < params.output_width) & (y < params.output_height) & (o4 < params.output_blocks)) {
    let pixel = (image * params.output_height + y) * params.output_width + x;
    output[pixel * params.output_blocks + o4] = zero_padding(value, o4, params.output_channels);
  }
}

// Bias, activation and (pool) for the 4 x 2 pixels of one block: a.. are the upper row, b.. the lower.
fn finish(
  image: u32, tile_x: u32, tile_y: u32, o4: u32,
  a0: vec4f, a1: vec4f, a2: vec4f, a3: vec4f,
  b0: vec4f, b1: vec4f, b2: vec4f, b3: vec4f,
) {
  let bias = bias_slope[o4];
  let slope = bias_slope[2u * params.groups + o4];
  let upper0 = activate(a0 + bias, slope);
  let upper1 = activate(a1 + bias, slope);
  let upper2 = activate(a2 + bias, slope);
  let upper3 = activate(a3 + bias, slope);
  let lower0 = activate(b0 + bias, slope);
  let lower1 = activate(b1 + bias, slope);
  let lower2 = activate(b2 + bias, slope);
  let lower3 = activate(b3 + bias, slope);
  if (POOL) {
    let x = tile_x * 2u;
    store(image, x, tile_y, o4, max(max(upper0, upper1), max(lower0, lower1)));
    store(image, x + 1u, tile_y, o4, max(max(upper2, upper3), max(lower2, lower3)));
  } else {
    let x = tile_x * 4u;
    let y = tile_y * 2u;
    store(image, x, y, o4, upper0);
    store(image, x + 1u, y, o4, upper1);
    store(image, x + 2u, y, o4, upper2);
    store(image, x + 3u, y, o4, upper3);
    store(image, x, y + 1u, o4, lower0);
    store(image, x + 1u, y + 1u, o4, lower1);
    store(image, x + 2u, y + 1u, o4, lower2);
    store(image, x + 3u, y + 1u, o4, lower3);
  }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let group = id.x / params.tiles;
  if (group >= params.groups) {
    return;
  }
  let tile = id.x - group * params.tiles;
  let tile_y = tile / params.tiles_x;
  let tile_x = tile - tile_y * params.tiles_x;
  let image = id.y;

  let blocks = i32(params.input_blocks);
  let origin_x = (vec4i(i32(tile_x) * 4) + vec4i(0, 1, 2, 3)) * i32(params.stride_x) - params.pad_left;
  let origin_y = i32(tile_y * 2u * params.stride_y) - params.pad_top;
  let image_row = i32(image) * params.input_height;

  // p is the pixel (0..3 upper row, 4..7 lower row), the letter the output block of the group.
  var p0a = vec4f(); var p1a = vec4f(); var p2a = vec4f(); var p3a = vec4f();
  var p4a = vec4f(); var p5a = vec4f(); var p6a = vec4f(); var p7a = vec4f();
  var p0b = vec4f(); var p1b = vec4f(); var p2b = vec4f(); var p3b = vec4f();
  var p4b = vec4f(); var p5b = vec4f(); var p6b = vec4f(); var p7b = vec4f();

  var weight = group * params.kernel_height * params.kernel_width * params.input_blocks * 2u;
  // Loops that test at their end: docs/notes/loops.md.
  var ky = 0;
  loop {
    let upper_y = origin_y + ky;
    let lower_y = upper_y + i32(params.stride_y);
    let upper_row = (image_row + upper_y) * params.input_width;
    let lower_row = (image_row + lower_y) * params.input_width;
    let upper_row_inside = row_inside(upper_y);
    let lower_row_inside = row_inside(lower_y);

    var kx = 0;
    loop {
      let x = origin_x + kx;
      let columns = columns_inside(x);
      let upper_inside = columns & vec4<bool>(upper_row_inside);
      let lower_inside = columns & vec4<bool>(lower_row_inside);
      // Outside the picture the address is the buffer's start: a load that is always allowed, and whose value is not
      // used.
      let upper_start = select(vec4i(0), (upper_row + x) * blocks, upper_inside);
      let lower_start = select(vec4i(0), (lower_row + x) * blocks, lower_inside);
      for (var c4 = 0; c4 < blocks; c4++) {
        let wa = weights[weight];
        let wb = weights[weight + 1u];
        weight += 2u;
        // Two pixels at a time: with all eight loaded first, compilers keep them all in registers.
        let v0 = select(vec4f(), input[upper_start.x + c4], upper_inside.x);
        let v1 = select(vec4f(), input[upper_start.y + c4], upper_inside.y);
        p0a += wa * v0; p0b += wb * v0;
        p1a += wa * v1; p1b += wb * v1;
        let v2 = select(vec4f(), input[upper_start.z + c4], upper_inside.z);
        let v3 = select(vec4f(), input[upper_start.w + c4], upper_inside.w);
        p2a += wa * v2; p2b += wb * v2;
        p3a += wa * v3; p3b += wb * v3;
        let v4 = select(vec4f(), input[lower_start.x + c4], lower_inside.x);
        let v5 = select(vec4f(), input[lower_start.y + c4], lower_inside.y);
        p4a += wa * v4; p4b += wb * v4;
        p5a += wa * v5; p5b += wb * v5;
        let v6 = select(vec4f(), input[lower_start.z + c4], lower_inside.z);
        let v7 = select(vec4f(), input[lower_start.w + c4], lower_inside.w);
        p6a += wa * v6; p6b += wb * v6;
        p7a += wa * v7; p7b += wb * v7;
      }
      continuing {
        kx++;
        break if kx >= i32(params.kernel_width);
      }
    }
    continuing {
      ky++;
      break if ky >= i32(params.kernel_height);
    }
  }
  finish(image, tile_x, tile_y, group * 2u, p0a, p1a, p2a, p3a, p4a, p5a, p6a, p7a);
  finish(image, tile_x, tile_y, group * 2u + 1u, p0b, p1b, p2b, p3b, p4b, p5b, p6b, p7b);
}
