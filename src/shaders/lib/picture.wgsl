// Samples of a picture that lies in a texture, as a crop's record says. Whoever includes this declares `frame:
// texture_2d<f32>`.

//#include "lib/crop.wgsl"

// Outside the picture it loads the nearest texel and returns black: a branch there costs some compilers more than the
// load.
fn texel(x: i32, y: i32, crop: Crop) -> vec3f {
  let at = vec2i(x, y);
  let nearest = clamp(at, vec2i(), vec2i(i32(crop.width), i32(crop.height)) - 1);
  return select(vec3f(), textureLoad(frame, nearest, 0).rgb, all(at == nearest));
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

// Mean of the frame over a pixel of the crop: taps x taps samples spread evenly over its footprint.
fn mean_colour(crop: Crop, pixel: vec2f) -> vec3f {
  let spacing = 1.0 / f32(crop.taps);
  var sum = vec3f();
  // Loops that test at their end: docs/notes/loops.md.
  var v = 0u;
  loop {
    var u = 0u;
    loop {
      let offset = (vec2f(f32(u), f32(v)) + 0.5) * spacing - 0.5;
      sum += bilinear(in_frame(crop, pixel + offset), crop);
      continuing {
        u++;
        break if u >= crop.taps;
      }
    }
    continuing {
      v++;
      break if v >= crop.taps;
    }
  }
  return sum * spacing * spacing;
}
