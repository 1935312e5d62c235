// What conv2dWindows.wgsl and conv2dQuads.wgsl share: parameters, weights, the products of a kernel row.

//#include "lib/tiles.wgsl"

struct Params {
  input_width: i32,
  input_height: i32,
  input_channels: i32,
  // f32s of one input pixel, with its padding channels.
  input_pixel: i32,
  output_width: u32,
  output_height: u32,
  output_blocks: u32,
  output_channels: u32,
  stride_x: i32,
  stride_y: i32,
  pad_left: i32,
  pad_top: i32,
  tiles_x: u32,
  tiles: u32,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
//#if HALVES
struct HalfRow {
  left: vec2u,
  middle: vec2u,
  right: vec2u,
}
@group(0) @binding(1) var<storage, read> weights: array<HalfRow>;
//#else
@group(0) @binding(1) var<storage, read> weights: array<mat3x4f>;
//#endif
@group(0) @binding(2) var<storage, read> bias_slope: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

// One row of a phase's kernel: column = tap, row = output channel of the block.
fn kernel_row(index: i32) -> mat3x4f {
  //#if HALVES
  let row = weights[index];
  return mat3x4f(widen(row.left), widen(row.middle), widen(row.right));
  //#else
  return weights[index];
  //#endif
}

// Six neighbouring values of one channel.
struct Row {
  left: vec4f,
  right: vec2f,
}

// Product after product: a processor with few registers would store every one of a vector of products before it adds
// them.
fn add_taps(sum: f32, k0: f32, v0: f32, k1: f32, v1: f32, k2: f32, v2: f32) -> f32 {
  return sum + k0 * v0 + k1 * v1 + k2 * v2;
}

fn add_pixel(sum: vec4f, kernel: mat3x4f, v0: f32, v1: f32, v2: f32) -> vec4f {
  return vec4f(
    add_taps(sum.x, kernel[0].x, v0, kernel[1].x, v1, kernel[2].x, v2),
    add_taps(sum.y, kernel[0].y, v0, kernel[1].y, v1, kernel[2].y, v2),
    add_taps(sum.z, kernel[0].z, v0, kernel[1].z, v1, kernel[2].z, v2),
    add_taps(sum.w, kernel[0].w, v0, kernel[1].w, v1, kernel[2].w, v2),
  );
}

// Adds one kernel row to the four pixels of an output row: column = pixel, row = output channel.
fn add_row(sum: mat4x4f, kernel: mat3x4f, row: Row) -> mat4x4f {
  return mat4x4f(
    add_pixel(sum[0], kernel, row.left.x, row.left.y, row.left.z),
    add_pixel(sum[1], kernel, row.left.y, row.left.z, row.left.w),
    add_pixel(sum[2], kernel, row.left.z, row.left.w, row.right.x),
    add_pixel(sum[3], kernel, row.left.w, row.right.x, row.right.y),
  );
}
