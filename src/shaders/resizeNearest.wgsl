// Enlarging by whole factors, without interpolation: every input pixel becomes scale_y x scale_x equal ones.
//
//   out[n, y, x, c] = in[n, y / scale_y, x / scale_x, c], divisions rounded down
//
// input [N, H, W, C4] vec4, output [N, H * scale_y, W * scale_x, C4] vec4. Padding channels stay 0.
// One invocation computes one block of one output pixel: global id x = (y * OW + x) * C4 + c4, y = image.
// The host guarantees that output sizes are multiples of the factors.

struct Params {
  input_width: u32,
  blocks: u32,
  output_width: u32,
  output_height: u32,
  // of one image
  input_pixels: u32,
  scale_x: u32,
  scale_y: u32,
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
  let y = pixel / params.output_width;
  let x = pixel - y * params.output_width;
  let source = id.y * params.input_pixels + (y / params.scale_y) * params.input_width + x / params.scale_x;
  output[id.y * count + id.x] = input[source * params.blocks + c4];
}
