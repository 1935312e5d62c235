// Fully connected layer with bias and activation: out[n, o] = activate(bias[o] + sum over k of W[o, k] * in[n, k]).
//
// input      [N, K4] vec4: any tensor flattened in h, w, channel block order; padding channels included
// weights    [O4, 4, K4] vec4: plane j holds, for every block of 4 inputs, its input j's weights for the 4 outputs of
// the block.
//            Neighbouring invocations read neighbouring vectors. Zero where an input or output is padding. HALVES: the
//            same in halves, see
//            lib/halves.wgsl
// bias_slope [2, O4] vec4: biases, then the slopes of PReLU
// output     [N, O4] vec4
//
// One workgroup computes 4 outputs of one image: workgroup id x = o4, the output block, y = image. Its THREADS
// invocations split K, each summing every THREADS-th block, and their sums are added in two steps through 16 bytes each
// of workgroup memory, in an order that never changes.
// The host sets THREADS to a multiple of FOLD.

//#include "lib/activation.wgsl"
//#include "lib/halves.wgsl"

override THREADS: u32 = 64u;
const FOLD: u32 = 8u;

struct Params {
  input_blocks: u32,
  output_blocks: u32,
  output_channels: u32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
//#if HALVES
@group(0) @binding(1) var<storage, read> weights: array<vec2u>;
//#else
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
//#endif
@group(0) @binding(2) var<storage, read> bias_slope: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

fn weights_of(index: u32) -> vec4f {
  //#if HALVES
  return widen(weights[index]);
  //#else
  return weights[index];
  //#endif
}

var<workgroup> sums: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let o4 = group.x;
  let image = group.y;
  let count = params.input_blocks;
  let plane = o4 * 4u * count;

  var sum = vec4f();
  for (var k = thread; k < count; k += THREADS) {
    let value = input[image * count + k];
    sum += weights_of(plane + k) * value.x;
    sum += weights_of(plane + count + k) * value.y;
    sum += weights_of(plane + 2u * count + k) * value.z;
    sum += weights_of(plane + 3u * count + k) * value.w;
  }
  sums[thread] = sum;
  workgroupBarrier();

  // Invocation t < 8 folds sums t, t + 8, ...: slot t, which it then overwrites, is read by no other.
  if (thread < FOLD) {
    for (var other = thread + FOLD; other < THREADS; other += FOLD) {
      sum += sums[other];
    }
    sums[thread] = sum;
  }
  workgroupBarrier();

  if (thread == 0u) {
    for (var other = 1u; other < FOLD; other++) {
      sum += sums[other];
    }
    let value = activate(sum * WEIGHT_UNIT + bias_slope[o4], bias_slope[params.output_blocks + o4]);
    output[image * params.output_blocks + o4] = zero_padding(value, o4, params.output_channels);
  }
}
