// 2D convolution (cross-correlation) of each channel by itself, with bias and activation.
//
//   out[n, y, x, c] = activate(bias[c] + sum over ky, kx of W[ky, kx, c] * in[n, y*sy + ky - pad_top, x*sx + kx -
//   pad_left, c])
//
// input      [N, H, W, C4] vec4, zero outside the picture
// weights    [kernel_h, kernel_w, C4] vec4, zero where there is no such channel
// bias_slope [2, C4] vec4: biases, then the slopes of PReLU
// output     [N, OH, OW, C4] vec4
//
// One invocation computes 4 pixels of a row of one block, so that a weight is read once for four products: global id x
// = tile * C4 + c4, y = image.
// The host guarantees that buffers have the sizes above and that no index exceeds 2^31.
//
// Conditions are joined by `&`, not `&&`: short circuits are branches, which cost some compilers a hundred times the
// time here.

//#include "lib/activation.wgsl"

struct Params {
  input_width: i32,
  input_height: i32,
  blocks: u32,
  channels: u32,
  output_width: u32,
  output_height: u32,
  kernel_width: u32,
  kernel_height: u32,
  stride_x: u32,
  stride_y: u32,
  pad_left: i32,
  pad_top: i32,
  tiles_x: u32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias_slope: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(1) @binding(0) var<uniform> params: Params;

// Writes one output pixel, unless the tile reaches over the edge there.
fn store(row: u32, x: u32, c4: u32, sum: vec4f) {
  if (x < params.output_width) {
    let value = activate(sum + bias_slope[c4], bias_slope[params.blocks + c4]);
    output[(row * params.output_width + x) * params.blocks + c4] = zero_padding(value, c4, params.channels);
  }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let tile = id.x / params.blocks;
  let c4 = id.x - tile * params.blocks;
  let y = tile / params.tiles_x;
  let tile_x = tile - y * params.tiles_x;
  if (y >= params.output_height) {
    return;
  }
  let blocks = i32(params.blocks);
  let origin_x = (vec4i(i32(tile_x) * 4) + vec4i(0, 1, 2, 3)) * i32(params.stride_x) - params.pad_left;
  let origin_y = i32(y * params.stride_y) - params.pad_top;

  var sum0 = vec4f(); var sum1 = vec4f(); var sum2 = vec4f(); var sum3 = vec4f();
  var weight = c4;
  // Loops that test at their end: docs/notes/loops.md.
  var ky = 0;
  loop {
    let source_y = origin_y + ky;
    let row_inside = (source_y >= 0) & (source_y < params.input_height);
    let row = (i32(id.y) * params.input_height + source_y) * params.input_width;
    var kx = 0;
    loop {
      let x = origin_x + kx;
      let inside = (x >= vec4i(0)) & (x < vec4i(params.input_width)) & vec4<bool>(row_inside);
      // Outside the picture the address is the buffer's start: a load that is always allowed, and whose value is not
      // used.
      let start = select(vec4i(0), (row + x) * blocks + i32(c4), inside);
      let w = weights[weight];
      weight += params.blocks;
      sum0 += w * select(vec4f(), input[start.x], inside.x);
      sum1 += w * select(vec4f(), input[start.y], inside.y);
      sum2 += w * select(vec4f(), input[start.z], inside.z);
      sum3 += w * select(vec4f(), input[start.w], inside.w);
      continuing {
        kx++;
        break if kx >= i32(params.kernel_width);
      }
    }
    continuing {
      ky++;
      break if ky >= i32(params.kernel_height);
    }
  }
  let output_row = id.y * params.output_height + y;
  let output_x = tile_x * 4u;
  store(output_row, output_x, c4, sum0);
  store(output_row, output_x + 1u, c4, sum1);
  store(output_row, output_x + 2u, c4, sum2);
  store(output_row, output_x + 3u, c4, sum3);
}
