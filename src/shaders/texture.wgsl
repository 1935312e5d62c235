// Unwraps the picture over the model's texture coordinates: each texel takes the colour of the picture where its point
// of the surface is seen.
//
// frame, crops [N]: the picture, and each face's place in it; vertices [N, V] vec4 crop pixels; keys [N, crop_size,
// crop_size] of raster.wgsl; triangles [T, 3]; texels [size * size] = triangle or NONE, weights of its second and third
// vertex as unorm16 x | y << 16; partners [V]: the vertex on the other side of the face.
// output [N, size * size] packed rgba8: colour, and how well the point is seen in the alpha: 0 hidden, 255 faces the
// viewer.
// A point is hidden where its triangle faces away, by the rule of the PAF anchors, or outside the picture. It is then
// still given the colour of whatever hides it. With mirror, the less a point faces the viewer the more of the colour is
// its partner's, and alpha is the better of the two.
// Each texel averages taps x taps bilinear samples over about its footprint in the picture, on the crop's axes.
// One invocation writes one texel: global id x = texel, y = face.

//#include "lib/triangle.wgsl"
//#include "lib/picture.wgsl"

const NONE = 0xffffffffu;
const MAX_TAPS = 8u;
// Cosines between the surface and the viewer from which a point is seen a little, and well.
const GRAZING = 0.1;
const FACING = 0.5;

struct Params {
  vertices: u32,
  crop_size: u32,
  id_bits: u32,
  depth_shift: u32,
  size: u32,
  mirror: u32,
}

@group(0) @binding(0) var frame: texture_2d<f32>;
@group(0) @binding(1) var<storage, read> crops: array<Crop>;
@group(0) @binding(2) var<storage, read> vertices: array<vec4f>;
@group(0) @binding(3) var<storage, read> keys: array<u32>;
@group(0) @binding(4) var<storage, read> triangles: array<u32>;
@group(0) @binding(5) var<storage, read> texels: array<vec2u>;
@group(0) @binding(6) var<storage, read> partners: array<u32>;
@group(0) @binding(7) var<storage, read_write> output: array<u32>;
@group(1) @binding(0) var<uniform> params: Params;

struct Sample {
  colour: vec3f,
  // 0 hidden, 1 facing the viewer
  seen: f32,
}

fn colour_at(position: vec2f, crop: Crop) -> vec3f {
  // A texel's footprint in the crop.
  let side = f32(params.crop_size) / f32(params.size);
  let taps = clamp(u32(ceil(max(length(crop.right), length(crop.down)) * side)), 1u, MAX_TAPS);
  let limit = vec2f(f32(crop.width), f32(crop.height)) - 1.0;
  var sum = vec3f();
  // Loops that test at their end: docs/notes/loops.md.
  var v = 0u;
  loop {
    var u = 0u;
    loop {
      let offset = (vec2f(f32(u), f32(v)) + 0.5) / f32(taps) - 0.5;
      sum += bilinear(clamp(in_frame(crop, position + offset * side), vec2f(), limit), crop);
      continuing {
        u++;
        break if u >= taps;
      }
    }
    continuing {
      v++;
      break if v >= taps;
    }
  }
  return sum / f32(taps * taps);
}

// How well the point with these weights on the triangle a, b, c (counter-clockwise seen from outside) is seen.
fn seen(a: vec3f, b: vec3f, c: vec3f, position: vec3f, face: u32, crop: Crop) -> f32 {
  let t = snap_triangle(a, b, c);
  if (t.area >= 0) {
    return 0.0;
  }
  let normal = cross(b - a, c - a);
  // y points down, so what faces the viewer has its normal's z negative.
  let facing = -normal.z / max(length(normal), 1e-20);
  let pixel = in_frame(crop, position.xy);
  if (any(pixel < vec2f(-0.5)) || any(pixel > vec2f(f32(crop.width), f32(crop.height)) - 0.5)) {
    return 0.0;
  }
  let size = i32(params.crop_size);
  let nearest = vec2i(floor(position.xy + 0.5));
  if (all(nearest >= vec2i(0)) && all(nearest < vec2i(size))) {
    let key = keys[(i32(face) * size + nearest.y) * size + nearest.x];
    if (hidden_behind(key, flat_depth(t, params.crop_size), params.id_bits, params.depth_shift)) {
      return 0.0;
    }
  }
  return smoothstep(GRAZING, FACING, facing);
}

fn sample(v: vec3u, weights: vec3f, face: u32, crop: Crop, mirrored: bool) -> Sample {
  let first = face * params.vertices;
  let a = vertices[first + v.x].xyz;
  let b = vertices[first + v.y].xyz;
  let c = vertices[first + v.z].xyz;
  let position = weights.x * a + weights.y * b + weights.z * c;
  if (!in_range(position)) {
    return Sample(vec3f(), 0.0);
  }
  // The other side's triangle runs the other way round.
  let how = seen(a, select(b, c, mirrored), select(c, b, mirrored), position, face, crop);
  return Sample(colour_at(position.xy, crop), how);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let count = params.size * params.size;
  if (id.x >= count) {
    return;
  }
  let texel_of = texels[id.x];
  if (texel_of.x == NONE) {
    output[id.y * count + id.x] = 0;
    return;
  }
  let crop = crops[id.y];
  let v = vec3u(triangles[texel_of.x * 3], triangles[texel_of.x * 3 + 1], triangles[texel_of.x * 3 + 2]);
  let second = f32(texel_of.y & 0xffffu) / 65535.0;
  let third = f32(texel_of.y >> 16) / 65535.0;
  let weights = vec3f(1.0 - second - third, second, third);
  var result = sample(v, weights, id.y, crop, false);
  if (params.mirror != 0 && result.seen < 1.0) {
    let other = sample(vec3u(partners[v.x], partners[v.y], partners[v.z]), weights, id.y, crop, true);
    if (other.seen > result.seen) {
      let share = result.seen / max(other.seen, 1e-6);
      result = Sample(mix(other.colour, result.colour, share), other.seen);
    }
  }
  output[id.y * count + id.x] = pack4x8unorm(vec4f(result.colour, result.seen));
}
