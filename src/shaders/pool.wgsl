// Max pooling, or average pooling if AVERAGE.
//
//   out[n, y, x, c] = max or mean over ky < kernel_h, kx < kernel_w of in[n, y*sy + ky - pad_top, x*sx + kx - pad_left,
//   c]
//
// The maximum ignores what lies outside the picture; the mean counts it as 0 and always divides by kernel_h * kernel_w.
// input [N, H, W, C4] vec4, output [N, OH, OW, C4] vec4. Padding channels stay 0.
// One invocation computes one block of one output pixel: global id x = (y * OW + x) * C4 + c4, y = image.
// The host guarantees padding < kernel on every side, so every window holds at least one pixel.

override AVERAGE: bool = false;

const LOWEST: f32 = -3.4028234663852886e38;

struct Params {
  input_width: i32,
  input_height: i32,
  blocks: u32,
  output_width: u32,
  output_height: u32,
  kernel_width: i32,
  kernel_height: i32,
  stride_x: i32,
  stride_y: i32,
  pad_left: i32,
  pad_top: i32,
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

  let left = i32(output_x) * params.stride_x - params.pad_left;
  let top = i32(output_y) * params.stride_y - params.pad_top;
  let x_end = min(left + params.kernel_width, params.input_width);
  let y_end = min(top + params.kernel_height, params.input_height);
  let image_row = i32(id.y) * params.input_height;

  var result = select(vec4f(LOWEST), vec4f(0.0), AVERAGE);
  for (var y = max(top, 0); y < y_end; y++) {
    for (var x = max(left, 0); x < x_end; x++) {
      let value = input[u32((image_row + y) * params.input_width + x) * params.blocks + c4];
      result = select(max(result, value), result + value, AVERAGE);
    }
  }
  if (AVERAGE) {
    result /= f32(params.kernel_width * params.kernel_height);
  }
  output[id.y * count + id.x] = result;
}
