// 2D convolution as conv2dWindows.wgsl computes it, with its phases and layouts, for GPUs in software that have
// subgroups.
//
// There a load is a branch for every invocation, and costs dozens of products: the four invocations of a quad compute
// the same 4 x 8 pixels (POOL: 2 x 4 from those) of four neighbouring output blocks. Each loads a quarter of the 60
// values that the tile sees of a channel, and all get them by broadcast, for 288 products of a vector and a number
// each.
// global id x = lane + 4 * (tile + tiles * group of four blocks); y = image. No invocation returns early: broadcasts
// want whole quads.
// The host guarantees that buffers have the sizes that conv2dWindows.wgsl gives, that no index exceeds 2^31, and that
// local index i is invocation i % 4 of its quad, which holds wherever a workgroup's first dimension is its only one and
// invocations are numbered in order.

enable subgroups;

//#include "lib/windows.wgsl"

// One of the tile's 6 x 10 input values: its place in a channel of the picture, and all bits set where it lies inside.
struct Place {
  offset: i32,
  inside: u32,
}

// Outside the picture it gives the nearest pixel, a load that is always allowed.
fn place(index: i32, x: i32, y: i32) -> Place {
  let at = vec2i(x + params.stride_x * (index % 6), y + params.stride_y * (index / 6));
  let nearest = clamp(at, vec2i(0), vec2i(params.input_width, params.input_height) - 1);
  let inside = at == nearest;
  return Place(
    (nearest.y * params.input_width + nearest.x) * params.input_pixel,
    select(0u, 0xffffffffu, all(inside)),
  );
}

fn load(place: Place, start: i32) -> f32 {
  return bitcast<f32>(bitcast<u32>(input[start + place.offset]) & place.inside);
}

// Values 12 n to 12 n + 5, from those that the quad loaded.
fn even_row(a: f32, b: f32) -> Row {
  return Row(
    vec4f(quadBroadcast(a, 0), quadBroadcast(a, 1), quadBroadcast(a, 2), quadBroadcast(a, 3)),
    vec2f(quadBroadcast(b, 0), quadBroadcast(b, 1)),
  );
}

// Values 12 n + 6 to 12 n + 11.
fn odd_row(b: f32, c: f32) -> Row {
  return Row(
    vec4f(quadBroadcast(b, 2), quadBroadcast(b, 3), quadBroadcast(c, 0), quadBroadcast(c, 1)),
    vec2f(quadBroadcast(c, 2), quadBroadcast(c, 3)),
  );
}

@compute @workgroup_size(16)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let lane = i32(id.x % 4);
  let group = id.x / 4 / params.tiles;
  let tile = id.x / 4 - group * params.tiles;
  let wanted = group * 4 + u32(lane);
  // Past the last block it computes that one again, and keeps it to itself.
  let o4 = min(wanted, params.output_blocks - 1);
  let tile_y = tile / params.tiles_x;
  let tile_x = tile - tile_y * params.tiles_x;
  let image = id.y;

  let origin_x = i32(tile_x) * 4 * params.stride_x - params.pad_left;
  let origin_y = i32(tile_y) * 8 * params.stride_y - params.pad_top;
  let first = i32(image) * params.input_height * params.input_width * params.input_pixel;

  var sum0 = mat4x4f();
  var sum1 = mat4x4f();
  var sum2 = mat4x4f();
  var sum3 = mat4x4f();
  var sum4 = mat4x4f();
  var sum5 = mat4x4f();
  var sum6 = mat4x4f();
  var sum7 = mat4x4f();

  var weight = i32(o4) * params.stride_y * params.stride_x * params.input_channels * 3;
  // The loops round that of the channels test at their end: docs/notes/loops.md.
  var phase_y = 0;
  loop {
    let y = origin_y + phase_y;
    var phase_x = 0;
    loop {
      let x = origin_x + phase_x;
      let w0 = place(0 + lane, x, y);
      let w1 = place(4 + lane, x, y);
      let w2 = place(8 + lane, x, y);
      let w3 = place(12 + lane, x, y);
      let w4 = place(16 + lane, x, y);
      let w5 = place(20 + lane, x, y);
      let w6 = place(24 + lane, x, y);
      let w7 = place(28 + lane, x, y);
      let w8 = place(32 + lane, x, y);
      let w9 = place(36 + lane, x, y);
      let w10 = place(40 + lane, x, y);
      let w11 = place(44 + lane, x, y);
      let w12 = place(48 + lane, x, y);
      let w13 = place(52 + lane, x, y);
      let w14 = place(56 + lane, x, y);
      for (var channel = 0; channel < params.input_channels; channel++) {
        let start = first + channel;
        let v0 = load(w0, start);
        let v1 = load(w1, start);
        let v2 = load(w2, start);
        let v3 = load(w3, start);
        let v4 = load(w4, start);
        let v5 = load(w5, start);
        let v6 = load(w6, start);
        let v7 = load(w7, start);
        let v8 = load(w8, start);
        let v9 = load(w9, start);
        let v10 = load(w10, start);
        let v11 = load(w11, start);
        let v12 = load(w12, start);
        let v13 = load(w13, start);
        let v14 = load(w14, start);
        let top = kernel_row(weight);
        let middle = kernel_row(weight + 1);
        let bottom = kernel_row(weight + 2);
        weight += 3;
        // Each input row meets every output row whose kernel reaches it.
        let row0 = even_row(v0, v1);
        sum0 = add_row(sum0, top, row0);
        let row1 = odd_row(v1, v2);
        sum0 = add_row(sum0, middle, row1);
        sum1 = add_row(sum1, top, row1);
        let row2 = even_row(v3, v4);
        sum0 = add_row(sum0, bottom, row2);
        sum1 = add_row(sum1, middle, row2);
        sum2 = add_row(sum2, top, row2);
        let row3 = odd_row(v4, v5);
        sum1 = add_row(sum1, bottom, row3);
        sum2 = add_row(sum2, middle, row3);
        sum3 = add_row(sum3, top, row3);
        let row4 = even_row(v6, v7);
        sum2 = add_row(sum2, bottom, row4);
        sum3 = add_row(sum3, middle, row4);
        sum4 = add_row(sum4, top, row4);
        let row5 = odd_row(v7, v8);
        sum3 = add_row(sum3, bottom, row5);
        sum4 = add_row(sum4, middle, row5);
        sum5 = add_row(sum5, top, row5);
        let row6 = even_row(v9, v10);
        sum4 = add_row(sum4, bottom, row6);
        sum5 = add_row(sum5, middle, row6);
        sum6 = add_row(sum6, top, row6);
        let row7 = odd_row(v10, v11);
        sum5 = add_row(sum5, bottom, row7);
        sum6 = add_row(sum6, middle, row7);
        sum7 = add_row(sum7, top, row7);
        let row8 = even_row(v12, v13);
        sum6 = add_row(sum6, bottom, row8);
        sum7 = add_row(sum7, middle, row8);
        let row9 = odd_row(v13, v14);
        sum7 = add_row(sum7, bottom, row9);
      }
      continuing {
        phase_x++;
        break if phase_x == params.stride_x;
      }
    }
    continuing {
      phase_y++;
      break if phase_y == params.stride_y;
    }
  }
  finish(image, tile_x, tile_y * 4, wanted, sum0, sum1);
  finish(image, tile_x, tile_y * 4 + 1, wanted, sum2, sum3);
  finish(image, tile_x, tile_y * 4 + 2, wanted, sum4, sum5);
  finish(image, tile_x, tile_y * 4 + 3, wanted, sum6, sum7);
}
