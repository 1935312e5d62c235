// Copies one tensor into a range of channels of a wider one: out[n, p, first + c] = in[n, p, c]. One dispatch per input
// makes a concatenation along channels.
//
// input [N, pixels, I4] vec4 of `input_channels`, output [N, pixels, O4] vec4.
// One invocation writes one block of one output pixel: global id x = pixel * touched + i, y = image; it is output block
// first / 4 + i.
// Channels of that block before `first` keep their value (an earlier dispatch wrote them), those after the range become
// 0 (a later dispatch writes them, or they are padding). The host dispatches the inputs in the order of their ranges,
// which leave no gaps.

struct Params {
  pixels: u32,
  input_blocks: u32,
  input_channels: u32,
  output_blocks: u32,
  first_channel: u32,
  // Output blocks that the range reaches into.
  touched_blocks: u32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

// Channel `channel` of the output from the input pixel that starts at `start`; `before` where the range has not begun,
// 0 beyond it.
fn pick(start: u32, channel: u32, before: f32) -> f32 {
  if (channel < params.first_channel) {
    return before;
  }
  let source = channel - params.first_channel;
  if (source >= params.input_channels) {
    return 0.0;
  }
  return input[start + source / 4u][source % 4u];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.pixels * params.touched_blocks) {
    return;
  }
  let pixel = id.x / params.touched_blocks;
  let o4 = params.first_channel / 4u + id.x - pixel * params.touched_blocks;
  let start = (id.y * params.pixels + pixel) * params.input_blocks;
  let target_index = (id.y * params.pixels + pixel) * params.output_blocks + o4;

  var before = vec4f();
  if (o4 * 4u < params.first_channel) {
    before = output[target_index];
  }
  let channel = o4 * 4u;
  output[target_index] = vec4f(
    pick(start, channel, before.x),
    pick(start, channel + 1u, before.y),
    pick(start, channel + 2u, before.z),
    pick(start, channel + 3u, before.w),
  );
}
