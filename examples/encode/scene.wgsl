// The picture, and over it the mesh as the aligner left it in its buffers.

/// What took the picture to the crop (docs/gpu.md): texel = origin + x right + y down of a crop pixel (x, y), texels'
/// centres at integers.
struct CropRecord {
  origin: vec2f,
  right: vec2f,
  down: vec2f,
  size: vec2u,
  taps: u32,
  unused: u32,
}

@group(0) @binding(0) var picture: texture_2d<f32>;
@group(0) @binding(1) var<storage, read> crop: CropRecord;

struct Vertex {
  @builtin(position) position: vec4f,
  /// In the picture's texels.
  @location(0) texel: vec3f,
}

/// @param texel x right, y down, z toward the viewer
fn project(texel: vec3f) -> Vertex {
  let size = vec2f(textureDimensions(picture));
  let clip = (2 * (texel.xy + 0.5) / size - 1) * vec2f(1, -1);
  return Vertex(vec4f(clip, 0.5 - texel.z / (4 * size.x), 1), texel);
}

/// A triangle that covers everything, behind the face.
@vertex fn pictureVertex(@builtin(vertex_index) index: u32) -> Vertex {
  let corner = vec2f(f32(index & 1), f32(index >> 1)) * 2;
  let size = vec2f(textureDimensions(picture));
  return project(vec3f(corner * size - 0.5, -size.x));
}

@fragment fn pictureFragment(vertex: Vertex) -> @location(0) vec4f {
  return textureLoad(picture, vec2u(vertex.texel.xy + 0.5), 0);
}

/// @param point crop pixels, and 0
@vertex fn meshVertex(@location(0) point: vec4f) -> Vertex {
  return project(vec3f(crop.origin + point.x * crop.right + point.y * crop.down, length(crop.right) * point.z));
}

/// As if of clay, lit from where the viewer is.
@fragment fn meshFragment(vertex: Vertex) -> @location(0) vec4f {
  let normal = normalize(cross(dpdx(vertex.texel), dpdy(vertex.texel)));
  return vec4f(vec3f(0.35, 0.75, 1) * (0.25 + 0.75 * abs(normal.z)), 1);
}
