// 2D convolution (cross-correlation) of each channel by itself, with bias, activation and, if POOL, a 2x2 max pool of
// stride 2 on the result.
//
//   out[n, y, x, c] = activate(bias[c] + sum over ky, kx of W[ky, kx, c] * in[n, y*sy + ky - pad_top, x*sx + kx -
//   pad_left, c])
//
// input      [N, H, W, C4] vec4, zero outside the picture
// weights    [kernel_h, kernel_w, C4] vec4, zero where there is no such channel
// bias_slope [2, C4] vec4: biases, then the slopes of PReLU
// output     [N, OH, OW, C4] vec4
//
// One invocation computes 4 x 2 pixels (POOL: 2 x 1 from those) of one block, so that a weight is read once for eight
// products: global id x = tile * C4 + c4, y = image.
// SLIDING, for kernels of 3x3 and stride 1: 4 x ROWS pixels (POOL: 2 x ROWS / 2), since a window that slides by one
// shares what it reads with its neighbours: for 4 rows 36 input vectors and 9 of weights feed 144 products.
// The host guarantees that buffers have the sizes above and that no index exceeds 2^31.

//#include "lib/rows.wgsl"

@group(0) @binding(1) var<storage, read> weights: array<vec4f>;

// Of a tile, even; 2 unless SLIDING.
override ROWS: i32 = 2;

//#if SLIDING
// Six neighbouring vectors.
struct Row {
  left: mat4x4f,
  right: mat2x4f,
}

fn six_from(image: u32, x: i32, y: i32, c4: i32) -> Row {
  let right = places(image, x + vec4i(4, 5, 5, 5), y);
  return Row(
    load_row(places(image, x + vec4i(0, 1, 2, 3), y), c4),
    mat2x4f(load(right.start.x + c4, right.inside.x), load(right.start.y + c4, right.inside.y)),
  );
}

fn kernel_row(index: i32) -> mat3x4f {
  return mat3x4f(weights[index], weights[index + params.input_blocks], weights[index + 2 * params.input_blocks]);
}
//#endif

// Adds one tap to the four pixels of an output row: column = pixel, row = channel.
fn add_tap(sum: mat4x4f, weight: vec4f, row: mat4x4f) -> mat4x4f {
  return mat4x4f(
    sum[0] + weight * row[0],
    sum[1] + weight * row[1],
    sum[2] + weight * row[2],
    sum[3] + weight * row[3],
  );
}

//#if SLIDING
fn add_row(sum: mat4x4f, kernel: mat3x4f, row: Row) -> mat4x4f {
  let middle = mat4x4f(row.left[1], row.left[2], row.left[3], row.right[0]);
  let right = mat4x4f(row.left[2], row.left[3], row.right[0], row.right[1]);
  return add_tap(add_tap(add_tap(sum, kernel[0], row.left), kernel[1], middle), kernel[2], right);
}
//#endif

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let tile = id.x / params.output_blocks;
  if (tile >= params.tiles) {
    return;
  }
  let o4 = id.x - tile * params.output_blocks;
  let c4 = i32(o4);
  let tile_y = tile / params.tiles_x;
  let tile_x = tile - tile_y * params.tiles_x;
  let image = id.y;
  var sum0 = mat4x4f();
  var sum1 = mat4x4f();
  //#if SLIDING
  let x = i32(tile_x) * 4 - params.pad_left;
  var y = i32(tile_y) * ROWS - params.pad_top;
  let end = y + ROWS;
  let top = kernel_row(c4);
  let middle = kernel_row(c4 + 3 * params.input_blocks);
  let bottom = kernel_row(c4 + 6 * params.input_blocks);
  // Each input row meets every output row whose kernel reaches it, and is then done with.
  var row0 = six_from(image, x, y, c4);
  var row1 = six_from(image, x, y + 1, c4);
  // Tests at its end: docs/notes/loops.md.
  loop {
    let row2 = six_from(image, x, y + 2, c4);
    let row3 = six_from(image, x, y + 3, c4);
    sum0 = add_row(add_row(add_row(mat4x4f(), top, row0), middle, row1), bottom, row2);
    sum1 = add_row(add_row(add_row(mat4x4f(), top, row1), middle, row2), bottom, row3);
    finish(image, tile_x, u32(y + params.pad_top) / 2u, o4, sum0, sum1);
    row0 = row2;
    row1 = row3;
    continuing {
      y += 2;
      break if y >= end;
    }
  }
  //#else
  let x = (vec4i(i32(tile_x) * 4) + vec4i(0, 1, 2, 3)) * params.stride_x - params.pad_left;
  let y = i32(tile_y) * ROWS * params.stride_y - params.pad_top;
  var at = c4;
  // Loops that test at their end: docs/notes/loops.md.
  var ky = 0;
  loop {
    var kx = 0;
    loop {
      let weight = weights[at];
      at += params.input_blocks;
      sum0 = add_tap(sum0, weight, load_row(places(image, x + kx, y + ky), c4));
      sum1 = add_tap(sum1, weight, load_row(places(image, x + kx, y + ky + params.stride_y), c4));
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
  finish(image, tile_x, tile_y, o4, sum0, sum1);
  //#endif
}
