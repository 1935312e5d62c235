// The plainest convolution: what the tiled kernel is measured against.
//
// input [H, W, I], weights [O, kernel, kernel, I], bias [O], output [H, W, O], all dense f32; stride 1, zero padding of
// (kernel - 1) / 2, ReLU. One invocation computes one output number: global id x = channel of a pixel.
// The host guarantees an odd kernel and buffers of the sizes above.

struct Params {
  height: i32,
  width: i32,
  input_channels: i32,
  output_channels: i32,
  kernel: i32,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let index = i32(id.x);
  if (index >= params.height * params.width * params.output_channels) {
    return;
  }
  let channel = index % params.output_channels;
  let x = index / params.output_channels % params.width;
  let y = index / params.output_channels / params.width;
  let reach = params.kernel / 2;
  var sum = bias[channel];
  for (var v = 0; v < params.kernel; v++) {
    for (var u = 0; u < params.kernel; u++) {
      let sy = y + v - reach;
      let sx = x + u - reach;
      if (sy < 0 || sy >= params.height || sx < 0 || sx >= params.width) {
        continue;
      }
      for (var i = 0; i < params.input_channels; i++) {
        let tap = ((channel * params.kernel + v) * params.kernel + u) * params.input_channels + i;
        sum += weights[tap] * input[(sy * params.width + sx) * params.input_channels + i];
      }
    }
  }
  output[index] = max(sum, 0.0);
}
