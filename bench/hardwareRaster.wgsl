// PNCC by the adapter's own rasteriser: the rival of raster.wgsl and resolve.wgsl.
//
// vertices [N, V] vec4 = x, y, z in crop pixels (pixel centres at integers, y down, larger z is nearer); codes [V] = x
// | y << 16, z in unorm16. Vertex index = vertex of the mesh, instance index = face. The host sets viewport and scissor
// to the face's square of `size` pixels, a depth buffer cleared to 0 with the comparison `greater`, and a colour target
// cleared to 0.

struct Params {
  vertices: u32,
  size: f32,
}

@group(0) @binding(0) var<storage, read> vertices: array<vec4f>;
@group(0) @binding(1) var<storage, read> codes: array<vec2u>;
@group(0) @binding(2) var<uniform> params: Params;

struct Varying {
  @builtin(position) position: vec4f,
  @location(0) pncc: vec3f,
}

@vertex
fn project(@builtin(vertex_index) vertex: u32, @builtin(instance_index) face: u32) -> Varying {
  let v = vertices[face * params.vertices + vertex].xyz;
  let packed = codes[vertex];
  var result: Varying;
  // Pixel centres are half a pixel from the corner; z of a face lies within one crop's side of 0.
  let x = (v.x + 0.5) / params.size * 2.0 - 1.0;
  let y = 1.0 - (v.y + 0.5) / params.size * 2.0;
  result.position = vec4f(x, y, 0.5 + v.z / (2.0 * params.size), 1.0);
  result.pncc = vec3f(vec3u(packed.x & 0xffffu, packed.x >> 16, packed.y)) / 65535.0;
  return result;
}

@fragment
fn shade(in: Varying) -> @location(0) vec4f {
  return vec4f(in.pncc, 1.0);
}
