// 2D convolution (cross-correlation) with bias, activation and, if POOL, a 2x2 max pool of stride 2 on the result.
//
//   conv[n, y, x, o] = bias[o] + sum over ky, kx, c of W[o, ky, kx, c] * in[n, y*sy + ky - pad_top, x*sx + kx -
//   pad_left, c]
//
// input      [N, H, W, C4] vec4, zero outside the picture
// weights    [pairs, kernel_h, kernel_w, C4, 2] mat4x4: one matrix per 4 inputs and 4 outputs, column = input channel,
// row = output channel;
//            the 2 matrices are the two output blocks of a pair, zero where there is no such channel
// bias_slope [2, O4] vec4: biases, then the slopes of PReLU
// output     [N, OH, OW, O4] vec4
//
// One invocation computes 4 x 2 pixels of 8 output channels (POOL: 2 x 1 pixels from those), so that 8 input vectors
// and 2 weight matrices feed 16 matrix-vector products. No workgroup memory: neighbours share what they read through
// the cache. global id x = tile + tiles * pair, y = image.
// QUADS, for GPUs in software that have subgroups: there a load is a branch for every invocation, and costs dozens of
// products. An invocation computes 4 x 4 pixels of 16 channels, and the four of a quad, which compute tiles of the same
// channels, load one matrix each and get the others by swaps, which are cheaper than broadcasts: an invocation's first
// block is the one whose weights it loads. `tiles` is a multiple of 4, so that a quad has one group of channels. No
// invocation returns early: swaps want whole quads.
// The host guarantees that buffers have the sizes above, that no index exceeds 2^31, and for QUADS that local index i
// is invocation i % 4 of its quad, which holds wherever a workgroup's first dimension is its only one and invocations
// are numbered in order.

//#if QUADS
enable subgroups;
//#endif

//#include "lib/rows.wgsl"

@group(0) @binding(1) var<storage, read> weights: array<mat4x4f>;

fn add_row(sum: mat4x4f, kernel: mat4x4f, row: mat4x4f) -> mat4x4f {
  return mat4x4f(sum[0] + kernel * row[0], sum[1] + kernel * row[1], sum[2] + kernel * row[2], sum[3] + kernel * row[3]);
}

//#if QUADS
@compute @workgroup_size(16)
//#else
@compute @workgroup_size(64)
//#endif
fn main(@builtin(global_invocation_id) id: vec3u) {
  let group = id.x / params.tiles;
  let tile = id.x - group * params.tiles;
  let tile_y = tile / params.tiles_x;
  let tile_x = tile - tile_y * params.tiles_x;
  let image = id.y;
  // Past the last pair of blocks it reads that one again, for nothing.
  //#if QUADS
  let lane = id.x % 4;
  let pair = min(group * 2 + lane / 2, (params.output_blocks - 1) / 2);
  let rows = 4;
  var weight = i32(lane % 2);
  //#else
  let pair = min(group, (params.output_blocks - 1) / 2);
  let rows = 2;
  var weight = 0;
  //#endif
  weight += i32(pair) * params.kernel_height * params.kernel_width * params.input_blocks * 2;
  let origin_x = (vec4i(i32(tile_x) * 4) + vec4i(0, 1, 2, 3)) * params.stride_x - params.pad_left;
  let origin_y = i32(tile_y) * rows * params.stride_y - params.pad_top;

  // The letter is the output block of the group (QUADS: its number, xor the lane), the number the row of the tile.
  var a0 = mat4x4f(); var a1 = mat4x4f();
  var b0 = mat4x4f(); var b1 = mat4x4f();
  //#if QUADS
  var a2 = mat4x4f(); var a3 = mat4x4f();
  var b2 = mat4x4f(); var b3 = mat4x4f();
  var c0 = mat4x4f(); var c1 = mat4x4f(); var c2 = mat4x4f(); var c3 = mat4x4f();
  var d0 = mat4x4f(); var d1 = mat4x4f(); var d2 = mat4x4f(); var d3 = mat4x4f();
  //#endif

  // Loops that test at their end: docs/notes/loops.md.
  var ky = 0;
  loop {
    let y = origin_y + ky;
    var kx = 0;
    loop {
      let x = origin_x + kx;
      let places0 = places(image, x, y);
      let places1 = places(image, x, y + params.stride_y);
      //#if QUADS
      let places2 = places(image, x, y + 2 * params.stride_y);
      let places3 = places(image, x, y + 3 * params.stride_y);
      //#endif
      var c4 = 0;
      loop {
        let a = weights[weight];
        //#if QUADS
        let b = mat4x4f(quadSwapX(a[0]), quadSwapX(a[1]), quadSwapX(a[2]), quadSwapX(a[3]));
        let c = mat4x4f(quadSwapY(a[0]), quadSwapY(a[1]), quadSwapY(a[2]), quadSwapY(a[3]));
        let d = mat4x4f(quadSwapDiagonal(a[0]), quadSwapDiagonal(a[1]), quadSwapDiagonal(a[2]), quadSwapDiagonal(a[3]));
        //#else
        let b = weights[weight + 1];
        //#endif
        weight += 2;
        // A row at a time: with all loaded first, compilers keep them all in registers.
        let row0 = load_row(places0, c4);
        a0 = add_row(a0, a, row0);
        b0 = add_row(b0, b, row0);
        let row1 = load_row(places1, c4);
        a1 = add_row(a1, a, row1);
        b1 = add_row(b1, b, row1);
        //#if QUADS
        c0 = add_row(c0, c, row0);
        d0 = add_row(d0, d, row0);
        c1 = add_row(c1, c, row1);
        d1 = add_row(d1, d, row1);
        let row2 = load_row(places2, c4);
        a2 = add_row(a2, a, row2);
        b2 = add_row(b2, b, row2);
        c2 = add_row(c2, c, row2);
        d2 = add_row(d2, d, row2);
        let row3 = load_row(places3, c4);
        a3 = add_row(a3, a, row3);
        b3 = add_row(b3, b, row3);
        c3 = add_row(c3, c, row3);
        d3 = add_row(d3, d, row3);
        //#endif
        continuing {
          c4++;
          break if c4 >= params.input_blocks;
        }
      }
      continuing {
        kx++;
        break if kx >= params.kernel_width;
      }
    }
    continuing {
      ky++;
      break if ky >= params.kernel_height;
    }
  }
  //#if QUADS
  finish(image, tile_x, tile_y * 2, group * 4 + lane, a0, a1);
  finish(image, tile_x, tile_y * 2 + 1, group * 4 + lane, a2, a3);
  finish(image, tile_x, tile_y * 2, group * 4 + (lane ^ 1), b0, b1);
  finish(image, tile_x, tile_y * 2 + 1, group * 4 + (lane ^ 1), b2, b3);
  finish(image, tile_x, tile_y * 2, group * 4 + (lane ^ 2), c0, c1);
  finish(image, tile_x, tile_y * 2 + 1, group * 4 + (lane ^ 2), c2, c3);
  finish(image, tile_x, tile_y * 2, group * 4 + (lane ^ 3), d0, d1);
  finish(image, tile_x, tile_y * 2 + 1, group * 4 + (lane ^ 3), d2, d3);
  //#else
  finish(image, tile_x, tile_y, group * 2, a0, a1);
  finish(image, tile_x, tile_y, group * 2 + 1, b0, b1);
  //#endif
}
