// 3x3 convolution of stride 1 of each channel by itself, with bias, ReLU if RELU, and a 2x2 max pool of stride 2 if
// POOL, for GPUs in software.
//
//   out[n, y, x, c] = relu(bias[c] + sum over ky, kx of W[ky, kx, c] * in[n, y + ky - 1, x + kx - 1, c])
//
// input      [N, H, W, C4] vec4, zero outside the picture
// weights    [3, 3, C4] vec4, bias_slope [2, C4] vec4: those of depthwiseConv2d.wgsl, without slopes
// output     [N, H, W, C4] vec4, POOL [N, H / 2, W / 2, C4]
//
// One invocation computes four columns of a block from top to bottom, two rows a turn, which read two new ones: global
// id x = strip * C4 + c4, y = image. Next to depthwiseConv2d.wgsl, tiles have no ends to load twice, and no store needs
// a test.
// The host guarantees that W is a multiple of 4 and H of 2, that buffers have the sizes above, and that no index
// exceeds 2^31.

struct Params {
  width: i32,
  height: i32,
  blocks: i32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias_slope: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

override RELU: bool = false;
override POOL: bool = false;

// Six neighbouring vectors of a row.
struct Row {
  a: vec4f,
  b: vec4f,
  c: vec4f,
  d: vec4f,
  e: vec4f,
  f: vec4f,
}

// `at` is where the second one is. Beyond the picture's sides are zeros.
fn load_row(at: i32, has_left: bool, has_right: bool) -> Row {
  let blocks = params.blocks;
  return Row(
    select(vec4f(), input[select(at, at - blocks, has_left)], has_left),
    input[at],
    input[at + blocks],
    input[at + 2 * blocks],
    input[at + 3 * blocks],
    select(vec4f(), input[at + select(3, 4, has_right) * blocks], has_right),
  );
}

fn kernel_row(at: i32) -> mat3x4f {
  return mat3x4f(weights[at], weights[at + params.blocks], weights[at + 2 * params.blocks]);
}

// Product after product: see pointwise.wgsl.
fn add_taps(sum: f32, k0: f32, v0: f32, k1: f32, v1: f32, k2: f32, v2: f32) -> f32 {
  return sum + k0 * v0 + k1 * v1 + k2 * v2;
}

fn add_pixel(sum: vec4f, k: mat3x4f, v0: vec4f, v1: vec4f, v2: vec4f) -> vec4f {
  return vec4f(
    add_taps(sum.x, k[0].x, v0.x, k[1].x, v1.x, k[2].x, v2.x),
    add_taps(sum.y, k[0].y, v0.y, k[1].y, v1.y, k[2].y, v2.y),
    add_taps(sum.z, k[0].z, v0.z, k[1].z, v1.z, k[2].z, v2.z),
    add_taps(sum.w, k[0].w, v0.w, k[1].w, v1.w, k[2].w, v2.w),
  );
}

fn add_row(sum: mat4x4f, k: mat3x4f, row: Row) -> mat4x4f {
  return mat4x4f(
    add_pixel(sum[0], k, row.a, row.b, row.c),
    add_pixel(sum[1], k, row.b, row.c, row.d),
    add_pixel(sum[2], k, row.c, row.d, row.e),
    add_pixel(sum[3], k, row.d, row.e, row.f),
  );
}

fn finished(sum: vec4f) -> vec4f {
  return select(sum, max(sum, vec4f()), RELU);
}

@compute @workgroup_size(16)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let blocks = params.blocks;
  let pitch = params.width * blocks;
  let strip = i32(id.x) / blocks;
  if (strip * 4 >= params.width) {
    return;
  }
  let c4 = i32(id.x) - strip * blocks;
  let has_left = strip > 0;
  let has_right = strip * 4 + 4 < params.width;
  let bias = bias_slope[c4];
  let start = mat4x4f(bias, bias, bias, bias);
  let top = kernel_row(c4);
  let middle = kernel_row(c4 + 3 * blocks);
  let bottom = kernel_row(c4 + 6 * blocks);
  let first = i32(id.y) * params.height * pitch + strip * 4 * blocks + c4;
  var at = first;
  let end = first + params.height * pitch;
  var row0 = Row();
  var row1 = load_row(at, has_left, has_right);
  var to = select(first, i32(id.y) * (params.height / 2) * (pitch / 2) + strip * 2 * blocks + c4, POOL);
  // Tests at its end: docs/notes/loops.md.
  loop {
    let row2 = load_row(at + pitch, has_left, has_right);
    // Below the picture are zeros: there it reads a row that may be read, with weights of 0.
    let next = at + 2 * pitch;
    let inside = next < end;
    let row3 = load_row(select(at, next, inside), has_left, has_right);
    let last = mat3x4f(
      select(vec4f(), bottom[0], inside),
      select(vec4f(), bottom[1], inside),
      select(vec4f(), bottom[2], inside),
    );
    let upper = add_row(add_row(add_row(start, top, row0), middle, row1), bottom, row2);
    let lower = add_row(add_row(add_row(start, top, row1), middle, row2), last, row3);
    row0 = row2;
    row1 = row3;
    if (POOL) {
      output[to] = finished(max(max(upper[0], upper[1]), max(lower[0], lower[1])));
      output[to + blocks] = finished(max(max(upper[2], upper[3]), max(lower[2], lower[3])));
      to += pitch / 2;
    } else {
      output[to] = finished(upper[0]);
      output[to + blocks] = finished(upper[1]);
      output[to + 2 * blocks] = finished(upper[2]);
      output[to + 3 * blocks] = finished(upper[3]);
      output[to + pitch] = finished(lower[0]);
      output[to + pitch + blocks] = finished(lower[1]);
      output[to + pitch + 2 * blocks] = finished(lower[2]);
      output[to + pitch + 3 * blocks] = finished(lower[3]);
      to += 2 * pitch;
    }
    at = next;
    continuing {
      break if at >= end;
    }
  }
}
