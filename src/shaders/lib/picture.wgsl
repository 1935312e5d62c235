// Samples of a picture that lies in a texture, as a crop's record says. Whoever includes this declares `frame:
// texture_2d<f32>`.

//#include "lib/crop.wgsl"

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
