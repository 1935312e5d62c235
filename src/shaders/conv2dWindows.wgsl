// 2D convolution as conv2d.wgsl computes it, for kernels of at most three strides a side: 3x3 of stride 1, 5x5 of
// stride 2.
//
// A convolution of stride s is the sum of s x s convolutions of stride 1, its phases: phase (i, j) sees every s-th row
// from i and every s-th column from j, of the picture and of the kernel alike. So every phase has a kernel of 3x3, with
// zeros where the true one ends earlier.
//
// input      [N, H, W, C4 * 4] f32, zero outside the picture
// weights    [O4, stride_y, stride_x, C, 3] mat3x4: one row of a phase's kernel, column = tap, row = output channel of
// the block;
//            zero where there is no such tap or output channel. HALVES: the same in halves, see lib/halves.wgsl
// bias_slope [2, O4] vec4: biases, then the slopes of PReLU
// output     [N, OH, OW, O4] vec4
//
// One invocation computes 4 x 4 pixels of 4 output channels (POOL: 2 x 2 pixels from those). For each phase and input
// channel it reads 36 values and 9 weight vectors, which feed 144 products of a vector and a number: a window that
// slides by one shares what it reads with its neighbours.
// The tiles of all output blocks are counted one after the other: tile + tiles * output block; global id y = image.
// SPLIT: for small pictures on wide GPUs, 4 invocations share a tile, each with every 4th input channel. A workgroup
// has 16 tiles, local index = tile + 16 * slice, and adds the slices up row by row through 4 KiB of workgroup memory,
// in an order that never changes.
// The host guarantees that buffers have the sizes above and that no index exceeds 2^31.
//
// Conditions are joined by `&`, not `&&`: short circuits are branches, which cost some compilers a hundred times the
// time here.

//#include "lib/windows.wgsl"

// The six columns of a phase that a tile sees: offsets from the start of a row, and which lie inside the picture.
struct Columns {
  left: vec4i,
  right: vec2i,
  left_inside: vec4<bool>,
  right_inside: vec2<bool>,
}

fn columns_from(x: i32) -> Columns {
  let left = x + params.stride_x * vec4i(0, 1, 2, 3);
  let right = x + params.stride_x * vec2i(4, 5);
  let last = params.input_width - 1;
  return Columns(
    clamp(left, vec4i(0), vec4i(last)) * params.input_pixel,
    clamp(right, vec2i(0), vec2i(last)) * params.input_pixel,
    (left >= vec4i(0)) & (left <= vec4i(last)),
    (right >= vec2i(0)) & (right <= vec2i(last)),
  );
}

// Outside the picture it loads the nearest pixel, a load that is always allowed, and returns 0.
fn load_row(image: u32, y: i32, columns: Columns, channel: i32) -> Row {
  let nearest = clamp(y, 0, params.input_height - 1);
  let start = (i32(image) * params.input_height + nearest) * params.input_width * params.input_pixel + channel;
  let left = start + columns.left;
  let right = start + columns.right;
  let inside = y == nearest;
  return Row(
    select(
      vec4f(),
      vec4f(input[left.x], input[left.y], input[left.z], input[left.w]),
      columns.left_inside & vec4<bool>(inside),
    ),
    select(vec2f(), vec2f(input[right.x], input[right.y]), columns.right_inside & vec2<bool>(inside)),
  );
}

//#if SPLIT
const TILES: u32 = 16u;
const SLICES: i32 = 4;

var<workgroup> slices: array<mat4x4f, 64>;

// The sum of a row over its slices, for the invocations of slice `keeper`; others get what they gave.
fn add_slices(row: mat4x4f, local: u32, keeper: u32) -> mat4x4f {
  slices[local] = row;
  workgroupBarrier();
  var sum = row;
  let slot = local % TILES;
  if (local / TILES == keeper) {
    sum = slices[slot] + slices[slot + TILES] + slices[slot + 2u * TILES] + slices[slot + 3u * TILES];
  }
  workgroupBarrier();
  return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let index = group.x * TILES + local % TILES;
  let image = group.y;
  let first_channel = i32(local / TILES);
  // Past the last tile it computes the last block's tiles again: all must reach the barriers.
  let wanted = index / params.tiles;
  let o4 = min(wanted, params.output_blocks - 1u);
  let tile = index - wanted * params.tiles;
//#else
const SLICES: i32 = 1;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let o4 = id.x / params.tiles;
  if (o4 >= params.output_blocks) {
    return;
  }
  let tile = id.x - o4 * params.tiles;
  let image = id.y;
  let first_channel = 0;
//#endif
  let tile_y = tile / params.tiles_x;
  let tile_x = tile - tile_y * params.tiles_x;

  let origin_x = i32(tile_x) * 4 * params.stride_x - params.pad_left;
  let origin_y = i32(tile_y) * 4 * params.stride_y - params.pad_top;
  let step = params.stride_y;

  // The four rows of the tile.
  var sum0 = mat4x4f();
  var sum1 = mat4x4f();
  var sum2 = mat4x4f();
  var sum3 = mat4x4f();

  var phase_weights = i32(o4) * params.stride_y * params.stride_x * params.input_channels * 3;
  for (var phase_y = 0; phase_y < params.stride_y; phase_y++) {
    let y = origin_y + phase_y;
    for (var phase_x = 0; phase_x < params.stride_x; phase_x++) {
      let columns = columns_from(origin_x + phase_x);
      for (var channel = first_channel; channel < params.input_channels; channel += SLICES) {
        let weight = phase_weights + channel * 3;
        let top = kernel_row(weight);
        let middle = kernel_row(weight + 1);
        let bottom = kernel_row(weight + 2);
        // Each input row meets every output row whose kernel reaches it, and is then done with.
        let row0 = load_row(image, y, columns, channel);
        sum0 = add_row(sum0, top, row0);
        let row1 = load_row(image, y + step, columns, channel);
        sum0 = add_row(sum0, middle, row1);
        sum1 = add_row(sum1, top, row1);
        let row2 = load_row(image, y + 2 * step, columns, channel);
        sum0 = add_row(sum0, bottom, row2);
        sum1 = add_row(sum1, middle, row2);
        sum2 = add_row(sum2, top, row2);
        let row3 = load_row(image, y + 3 * step, columns, channel);
        sum1 = add_row(sum1, bottom, row3);
        sum2 = add_row(sum2, middle, row3);
        sum3 = add_row(sum3, top, row3);
        let row4 = load_row(image, y + 4 * step, columns, channel);
        sum2 = add_row(sum2, bottom, row4);
        sum3 = add_row(sum3, middle, row4);
        let row5 = load_row(image, y + 5 * step, columns, channel);
        sum3 = add_row(sum3, bottom, row5);
      }
      phase_weights += params.input_channels * 3;
    }
  }
  //#if SPLIT
  sum0 = add_slices(sum0, local, 0u);
  sum1 = add_slices(sum1, local, 0u);
  sum2 = add_slices(sum2, local, 1u);
  sum3 = add_slices(sum3, local, 1u);
  if (wanted >= params.output_blocks) {
    return;
  }
  if (first_channel == 0) {
    finish(image, tile_x, tile_y * 2u, o4, sum0, sum1);
  }
  if (first_channel == 1) {
    finish(image, tile_x, tile_y * 2u + 1u, o4, sum2, sum3);
  }
  //#else
  finish(image, tile_x, tile_y * 2u, o4, sum0, sum1);
  finish(image, tile_x, tile_y * 2u + 1u, o4, sum2, sum3);
  //#endif
}
