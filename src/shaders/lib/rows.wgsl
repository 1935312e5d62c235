// Convolutions of an input [N, H, W, C4], four vectors of a row at a time: parameters, bindings, loads. Whoever
// includes this declares `weights`.

//#include "lib/tiles.wgsl"

struct Params {
  input_width: i32,
  input_height: i32,
  input_blocks: i32,
  output_width: u32,
  output_height: u32,
  output_blocks: u32,
  output_channels: u32,
  kernel_width: i32,
  kernel_height: i32,
  stride_x: i32,
  stride_y: i32,
  pad_left: i32,
  pad_top: i32,
  tiles_x: u32,
  tiles: u32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias_slope: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

// Where they start, and which lie inside.
struct Places {
  start: vec4i,
  inside: vec4<bool>,
}

// Outside the picture it gives the nearest pixel, a load that is always allowed.
fn places(image: u32, x: vec4i, y: i32) -> Places {
  let column = clamp(x, vec4i(0), vec4i(params.input_width - 1));
  let row = clamp(y, 0, params.input_height - 1);
  let start = ((i32(image) * params.input_height + row) * params.input_width + column) * params.input_blocks;
  return Places(start, (x == column) & vec4<bool>(y == row));
}

fn load(at: i32, inside: bool) -> vec4f {
  return select(vec4f(), input[at], inside);
}

// Column = pixel, row = channel of the block.
fn load_row(row: Places, c4: i32) -> mat4x4f {
  return mat4x4f(
    load(row.start.x + c4, row.inside.x),
    load(row.start.y + c4, row.inside.y),
    load(row.start.z + c4, row.inside.z),
    load(row.start.w + c4, row.inside.w),
  );
}
