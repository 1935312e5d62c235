// Cuts square crops out of the frame: image[n, y, x] = mean colour of the frame over crop pixel (x, y), from black to white as asked.
//
// frame: the picture from its top left corner; texels beyond a crop's width and height are not part of it. Outside the picture is black.
// crops [N]; image [N, size, size] vec4 = r, g, b, 0 in [black, black + range], not linearised.
// Each crop pixel averages taps x taps bilinear samples spread evenly over its footprint (taps = 1: one sample at its centre).
// One invocation computes one crop pixel: global id x, y = pixel, z = crop.
// The host guarantees that positions stay within 2^24 of 0.

struct Params {
  size: u32,
  black: f32,
  range: f32,
}

struct Crop {
  // Frame coordinates (texel centres at integers) of the centre of crop pixel (0, 0), and from one crop pixel to the next.
  origin_x: f32,
  origin_y: f32,
  step_x: f32,
  step_y: f32,
  // The picture within the frame, in texels.
  width: u32,
  height: u32,
  taps: u32,
  // The caller's; not read here.
  tag: u32,
}

@group(0) @binding(0) var frame: texture_2d<f32>;
@group(0) @binding(1) var<storage, read> crops: array<Crop>;
@group(0) @binding(2) var<storage, read_write> image: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

fn texel(x: i32, y: i32, crop: Crop) -> vec3f {
  if (x < 0 || y < 0 || x >= i32(crop.width) || y >= i32(crop.height)) {
    return vec3f();
  }
  return textureLoad(frame, vec2i(x, y), 0).rgb;
}

fn bilinear(position: vec2f, crop: Crop) -> vec3f {
  let base = floor(position);
  let weight = position - base;
  let x = i32(base.x);
  let y = i32(base.y);
  let top = mix(texel(x, y, crop), texel(x + 1, y, crop), weight.x);
  let bottom = mix(texel(x, y + 1, crop), texel(x + 1, y + 1, crop), weight.x);
  return mix(top, bottom, weight.y);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.size || id.y >= params.size) {
    return;
  }
  let crop = crops[id.z];
  let origin = vec2f(crop.origin_x, crop.origin_y);
  let spread = vec2f(crop.step_x, crop.step_y);
  let spacing = 1.0 / f32(crop.taps);
  var sum = vec3f();
  for (var v = 0u; v < crop.taps; v++) {
    for (var u = 0u; u < crop.taps; u++) {
      let offset = (vec2f(f32(u), f32(v)) + 0.5) * spacing - 0.5;
      sum += bilinear(origin + (vec2f(id.xy) + offset) * spread, crop);
    }
  }
  image[(id.z * params.size + id.y) * params.size + id.x] = vec4f(params.black + params.range * (sum * spacing * spacing), 0.0);
}
