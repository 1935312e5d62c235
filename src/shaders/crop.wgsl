// Cuts square crops, turned as their records say, out of the frame, or the middle of them: image[n, y, x] = mean colour
// of the frame over crop pixel (left + x, top + y), from black to white as asked.
//
// frame: the picture from its top left corner; texels beyond a crop's width and height are not part of it. Outside the
// picture is black.
// crops [N]; image [N, height, width, blocks] vec4: block 0 = r, g, b, 0 in [black, black + range], not linearised; the
// others are not touched.
// With CASCADE (whole crops, black 0, range 1, 2 blocks) also pixels [N, height + 8, width + 8] = r | g << 16, b in
// unorm16, the crop in their middle and nothing else, and the other five channels of the image are those of initial
// [height, width, 2] vec4, the same for every crop.
// Each crop pixel averages taps x taps bilinear samples spread evenly over its footprint (taps = 1: one sample at its
// centre).
// One invocation computes one crop pixel: global id x, y = pixel, z = crop.
// The host guarantees that positions stay within 2^24 of 0.

//#include "lib/picture.wgsl"

struct Params {
  // Of the image.
  width: u32,
  height: u32,
  // Crop pixels before it.
  left: f32,
  top: f32,
  black: f32,
  range: f32,
  // vec4s of a pixel of the image
  blocks: u32,
}

@group(0) @binding(0) var frame: texture_2d<f32>;
@group(0) @binding(1) var<storage, read> crops: array<Crop>;
@group(0) @binding(2) var<storage, read_write> image: array<vec4f>;
//#if CASCADE
@group(0) @binding(3) var<storage, read_write> pixels: array<vec2u>;
@group(0) @binding(4) var<storage, read> initial: array<vec4f>;
//#endif
@group(1) @binding(0) var<uniform> params: Params;
//#if CASCADE
// Of kernels/crop.ts: pixels of zeros on every side of the crop.
const PIXEL_FRAME = 4u;
//#endif

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.width || id.y >= params.height) {
    return;
  }
  let crop = crops[id.z];
  let at = (id.z * params.height + id.y) * params.width + id.x;
  let pixel = vec2f(params.left, params.top) + vec2f(id.xy);
  let colour = params.black + params.range * mean_colour(crop, pixel);
//#if CASCADE
  let first = 2 * (id.y * params.width + id.x);
  image[2 * at] = vec4f(colour, initial[first].w);
  image[2 * at + 1] = initial[first + 1];
  let pitch = params.width + 2 * PIXEL_FRAME;
  let rows = params.height + 2 * PIXEL_FRAME;
  let place = (id.z * rows + id.y + PIXEL_FRAME) * pitch + id.x + PIXEL_FRAME;
  pixels[place] = vec2u(pack2x16unorm(colour.rg), pack2x16unorm(vec2f(colour.b, 0.0)));
//#else
  image[at * params.blocks] = vec4f(colour, 0.0);
//#endif
}
