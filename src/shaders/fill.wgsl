// Sets every 32-bit word of a buffer to one value, 4 words at a time.
//
// output [N, count] vec4u. One invocation writes one vec4: global id x = position, y = image.

struct Params {
  // vec4s per image
  count: u32,
  // bits of the word
  value: u32,
}

@group(0) @binding(0) var<storage, read_write> output: array<vec4u>;
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.count) {
    output[id.y * params.count + id.x] = vec4u(params.value);
  }
}
