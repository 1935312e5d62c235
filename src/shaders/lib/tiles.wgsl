// The end of a tile of 4 x 2 pixels: bias, activation, with POOL a 2x2 max pool of stride 2, and the store. Whoever
// includes this declares `params` with the output's width, height, blocks and channels, `bias_slope` [2, O4] and
// `output` [N, OH, OW, O4].

//#include "lib/activation.wgsl"
//#include "lib/halves.wgsl"

override POOL: bool = false;

// Writes one output pixel, unless the tile reaches over the edge there.
fn store(image: u32, x: u32, y: u32, o4: u32, value: vec4f) {
  if ((x < params.output_width) & (y < params.output_height)) {
    let pixel = (image * params.output_height + y) * params.output_width + x;
    output[pixel * params.output_blocks + o4] = value;
  }
}

// Of one pixel. Padding channels have no weights and no biases: their sums are 0, and stay so but for sigmoids.
fn finished(sum: vec4f, o4: u32, bias: vec4f, slope: vec4f) -> vec4f {
  var value = sum;
  //#if HALVES
  value *= WEIGHT_UNIT;
  //#endif
  value = activate(value + bias, slope);
  if ((ACTIVATION == 3) | (ACTIVATION == 7)) {
    value = zero_padding(value, o4, params.output_channels);
  }
  return value;
}

fn activate_row(sum: mat4x4f, o4: u32) -> mat4x4f {
  let bias = bias_slope[o4];
  let slope = bias_slope[params.output_blocks + o4];
  return mat4x4f(
    finished(sum[0], o4, bias, slope),
    finished(sum[1], o4, bias, slope),
    finished(sum[2], o4, bias, slope),
    finished(sum[3], o4, bias, slope),
  );
}

// Of two rows of a tile, column = pixel, row = channel of the block, unless there is no such block; `pair` counts pairs
// of rows from the picture's top.
fn finish(image: u32, tile_x: u32, pair: u32, o4: u32, upper_sum: mat4x4f, lower_sum: mat4x4f) {
  if (o4 >= params.output_blocks) {
    return;
  }
  let upper = activate_row(upper_sum, o4);
  let lower = activate_row(lower_sum, o4);
  if (POOL) {
    let x = tile_x * 2;
    store(image, x, pair, o4, max(max(upper[0], upper[1]), max(lower[0], lower[1])));
    store(image, x + 1, pair, o4, max(max(upper[2], upper[3]), max(lower[2], lower[3])));
  } else {
    let x = tile_x * 4;
    let y = pair * 2;
    store(image, x, y, o4, upper[0]);
    store(image, x + 1, y, o4, upper[1]);
    store(image, x + 2, y, o4, upper[2]);
    store(image, x + 3, y, o4, upper[3]);
    store(image, x, y + 1, o4, lower[0]);
    store(image, x + 1, y + 1, o4, lower[1]);
    store(image, x + 2, y + 1, o4, lower[2]);
    store(image, x + 3, y + 1, o4, lower[3]);
  }
}
