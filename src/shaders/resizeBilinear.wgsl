// Bilinear resize: out[n, y, x, c] = in at (x * step_x + start_x, y * step_y + start_y), interpolated between the four
// pixels round that place, which is first moved into the picture.
//
// input [N, H, W, C4] vec4, output [N, OH, OW, C4] vec4. Padding channels stay 0.
// One invocation computes one block of one output pixel: global id x = (y * OW + x) * C4 + c4, y = image.

struct Params {
  input_width: u32,
  input_height: u32,
  blocks: u32,
  output_width: u32,
  output_height: u32,
  step_x: f32,
  step_y: f32,
  start_x: f32,
  start_y: f32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let count = params.output_width * params.output_height * params.blocks;
  if (id.x >= count) {
    return;
  }
  let pixel = id.x / params.blocks;
  let c4 = id.x - pixel * params.blocks;
  let output_y = pixel / params.output_width;
  let output_x = pixel - output_y * params.output_width;

  let x = clamp(f32(output_x) * params.step_x + params.start_x, 0.0, f32(params.input_width - 1u));
  let y = clamp(f32(output_y) * params.step_y + params.start_y, 0.0, f32(params.input_height - 1u));
  let left = u32(x);
  let top = u32(y);
  let right = min(left + 1u, params.input_width - 1u);
  let bottom = min(top + 1u, params.input_height - 1u);

  let upper_row = (id.y * params.input_height + top) * params.input_width;
  let lower_row = (id.y * params.input_height + bottom) * params.input_width;
  let upper_left = input[(upper_row + left) * params.blocks + c4];
  let upper_right = input[(upper_row + right) * params.blocks + c4];
  let lower_left = input[(lower_row + left) * params.blocks + c4];
  let lower_right = input[(lower_row + right) * params.blocks + c4];
  let along = x - f32(left);
  let upper = upper_left + (upper_right - upper_left) * along;
  let lower = lower_left + (lower_right - lower_left) * along;
  output[id.y * count + id.x] = upper + (lower - upper) * (y - f32(top));
}
