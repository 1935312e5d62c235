// Picks the cells of one head of a single-shot detector whose score reaches a threshold, and appends what the head says
// of them to a list.
//
// A head has columns x rows cells, one every `step` pixels of the network's input, and 16 numbers a cell: the middle of
// a box as an offset from the cell's corner, its width and height as logarithms, five points as offsets, all in steps;
// then two logits, that there is a face and that the box fits it.
//
//   score = sqrt(sigmoid(face) * sigmoid(fit)), box = (corner + (cell + offset) * step, exp(size) * step),
//   point = corner + (cell + offset) * step
//
// head [N, rows, columns, 4] vec4
// items [N]: the crop records (lib/crop.wgsl), of which only the tag is read: it says which item of the whole frame
// this is
// list: a counter, then candidates in no certain order; positions are pixels of the whole crop, of which the network
// sees the middle, from `corner` on
//
// One invocation looks at one cell: global id x = row * columns + column, y = item.
// The host guarantees that the list has room for every cell of every item of a frame. A score that is no number reaches
// no threshold.

struct Params {
  columns: u32,
  // columns * rows
  count: u32,
  // Cells of the heads before this one.
  first: u32,
  // Input pixels from one cell to the next.
  step: f32,
  // Of the corner.
  left: f32,
  top: f32,
  threshold: f32,
}

struct Item {
  crop: array<u32, 9>,
  tag: u32,
}

struct Candidate {
  tag: u32,
  cell: u32,
  score: f32,
  padding: u32,
  // Middle, width and height; then five points and two zeros.
  values: array<vec4f, 4>,
}

struct List {
  count: atomic<u32>,
  padding: array<u32, 3>,
  candidates: array<Candidate>,
}

@group(0) @binding(0) var<storage, read> head: array<vec4f>;
@group(0) @binding(1) var<storage, read> items: array<Item>;
@group(0) @binding(2) var<storage, read_write> list: List;
@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.count) {
    return;
  }
  let start = (id.y * params.count + id.x) * 4u;
  let last = head[start + 3u];
  let odds = 1.0 / (1.0 + exp(-last.zw));
  let score = sqrt(odds.x * odds.y);
  if (score >= params.threshold) {
    let row = id.x / params.columns;
    let cell = vec2f(f32(id.x - row * params.columns), f32(row));
    let box = head[start];
    let slot = atomicAdd(&list.count, 1u);
    list.candidates[slot].tag = items[id.y].tag;
    list.candidates[slot].cell = params.first + id.x;
    list.candidates[slot].score = score;
    list.candidates[slot].padding = 0u;
    let corner = vec2f(params.left, params.top);
    let corners = vec4f(corner, corner);
    list.candidates[slot].values[0] = vec4f(corner, 0.0, 0.0) + vec4f(cell + box.xy, exp(box.zw)) * params.step;
    list.candidates[slot].values[1] = corners + (vec4f(cell, cell) + head[start + 1u]) * params.step;
    list.candidates[slot].values[2] = corners + (vec4f(cell, cell) + head[start + 2u]) * params.step;
    list.candidates[slot].values[3] = vec4f(corner + (cell + last.xy) * params.step, 0.0, 0.0);
  }
}
