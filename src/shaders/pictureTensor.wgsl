// A picture as the input of a network: image[n, y, x, c] = scale[c] * colour + offset[c], colour the mean of the frame
// over pixel (x, y) of the input, 0 to 1 and not linearised. Outside the picture colours are black.
//
// frame: the picture from its top left corner; crops [1]: where the input's pixels lie in it, as lib/crop.wgsl has it.
// image [1, height, width] vec4: three channels in the order red, green, blue, or the other way round where BGR, and a
// 0.
// Each pixel averages taps x taps bilinear samples spread evenly over its footprint.
// One invocation computes one pixel: global id x, y.

//#include "lib/picture.wgsl"

override BGR: bool = false;

struct Params {
  width: u32,
  height: u32,
  // Of the input's channels, in their order.
  scale_0: f32,
  scale_1: f32,
  scale_2: f32,
  offset_0: f32,
  offset_1: f32,
  offset_2: f32,
}

@group(0) @binding(0) var frame: texture_2d<f32>;
@group(0) @binding(1) var<storage, read> crops: array<Crop>;
@group(0) @binding(2) var<storage, read_write> image: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.width || id.y >= params.height) {
    return;
  }
  let crop = crops[0];
  let colour = mean_colour(crop, vec2f(id.xy));
  let ordered = select(colour, colour.bgr, BGR);
  let scale = vec3f(params.scale_0, params.scale_1, params.scale_2);
  let offset = vec3f(params.offset_0, params.offset_1, params.offset_2);
  image[id.y * params.width + id.x] = vec4f(ordered * scale + offset, 0.0);
}
